"""What Binder would trip over is found here first."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from bookpress import binder
from bookpress.binder import check_binder, layers, layout
from bookpress.notebook import quicken
from bookpress.project import BookError, Project

from .conftest import chapter


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "environment.yml").write_text(
        "dependencies: [python=3.11, pip, {pip: [--pre, pyyaml==6, no-such-package==1]}]\n")
    (tmp_path / "postBuild").write_text("#!/bin/bash\n")
    (tmp_path / "postBuild").chmod(0o755)
    (tmp_path / "notebooks").mkdir()
    return tmp_path


def wrong(lines) -> list[str]:
    return [line.what for line in lines if line.wrong]


def test_a_sound_layout_passes(small):
    assert wrong(layout(small)) == []


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("Dockerfile", "FROM x", "Dockerfile makes Binder ignore environment.yml"),
        ("install.R", "1", "install.R makes Binder ignore environment.yml"),
        (".binder/a", "", "the folder .binder makes Binder ignore the files beside it"),
        ("apt.txt", "libgomp1  # threads\n\nlib gomp", "apt.txt: 'lib gomp' is no name of a package"),
        ("start", "#!/bin/bash\n", "start is not executable"),
        ("environment.yml", "dependencies: [pip]", "environment.yml names 0 versions of python"),
        ("environment.yml", "a: 1", "environment.yml lists no dependencies"),
        ("environment.yml", "dependencies: [python=3.11, {pip: [-r gone.txt]}]", "reads gone.txt, and there is no"),
    ],
)
def test_what_misleads_binder_is_found(small, name, text, what):
    (small / name).parent.mkdir(exist_ok=True)
    (small / name).write_text(text)
    assert any(what in line for line in wrong(layout(small)))


def test_a_start_script_must_hand_over(small):
    (small / "start").write_text("#!/bin/bash\nexport A=1\n")
    (small / "start").chmod(0o755)
    (found,) = wrong(layout(small))
    assert found.startswith('start does not end with exec "$@"')
    (small / "start").write_text('#!/bin/bash\nexport A=1\nexec "$@"\n')
    assert wrong(layout(small)) == []


def test_this_repository_passes_and_its_size_is_told(root):
    lines = list(check_binder(root))
    assert wrong(lines) == []
    assert any(line.what.startswith("packages: ") and "torch" in line.what for line in lines)


def test_a_change_of_a_text_installs_nothing_anew(root, small):
    pytest.importorskip("repo2docker", reason="jupyter-repo2docker writes the Dockerfile")
    (line,) = layers(root)
    assert line.what.startswith("repo2docker installs anew when environment.yml or a name in apt.txt changes; ")
    assert line.what.endswith("any other change runs postBuild")
    (small / "requirements.txt").write_text("pyyaml==6\n")
    (small / "environment.yml").write_text("dependencies: [python=3.11, pip, {pip: [-r requirements.txt]}]\n")
    (line,) = layers(small)
    assert line.wrong and "every change of a text installs it anew" in line.what


def test_packages_that_are_not_here_are_named(small):
    (line,) = binder.size(small)
    assert line.what.endswith("not measured, not installed here: no-such-package")


def test_a_notebook_opens_quick_and_the_source_stays(small):
    source = small / "notebooks" / "01_one.md"
    source.write_text(chapter("One", "1").replace("quick = False", "quick = False  # True: fewer"))
    before = source.read_text()
    (pair,) = quicken(Project(small))
    cell = nbformat.read(pair, as_version=4).cells[1]
    assert {node.targets[0].id: node.value.value for node in ast.parse(cell.source).body}["quick"] is True
    assert source.read_text() == before
    assert quicken(Project(small)) == [pair]


def test_a_parameters_cell_that_cannot_be_changed_is_told(small):
    (small / "notebooks" / "01_one.md").write_text(chapter("One", "1").replace("quick = False", "quick = 1 == 2"))
    with pytest.raises(BookError):
        quicken(Project(small))


def test_the_last_line_of_post_build_is_a_command_that_exists(root):
    last = (root / "postBuild").read_text().strip().splitlines()[-1].partition("#")[0].split()
    assert last[:3] == ["python", "-m", "bookpress"]
    done = subprocess.run([sys.executable, *last[1:4], "--help"], capture_output=True, text=True, check=True)
    assert last[4] in done.stdout
