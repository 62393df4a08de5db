"""Bundles, slides and the first cell: what a student gets is complete, repeatable and works by itself."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement

from bookpress import files
from bookpress.colab import setup_cell
from bookpress.course import bundle, slides
from bookpress.course.exercises import exercises
from bookpress.course.plain import markdown, references, simplify
from bookpress.hub import teaching_markdown
from bookpress.notebook import pair, sources
from bookpress.project import BookError, Project, Settings


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    """Both bundles of this book, in a place of their own."""
    place = tmp_path_factory.mktemp("bundles")
    parts = ("notebooks", "src", "book", "science", "_config.yml", "_toc.yml", "pyproject.toml", "requirements.txt",
             "requirements-torch.txt")
    for name in (*parts, *bundle.FILES):
        (place / name).symlink_to(root / name)
    project = Project(place)
    zips = [bundle.write(project, kind) for kind in bundle.KINDS]
    return project, zips, files.write_sums(zips)


def test_sums_fit_and_the_zip_is_the_same_every_time(made):
    project, zips, sums = made
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in zips]
    assert sums.read_text() == "".join(f"{digest}  {path.name}\n" for digest, path in zip(before, zips, strict=True))
    again = [bundle.write(project, kind) for kind in bundle.KINDS]
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in again] == before


def test_a_bundle_holds_all_chapters_the_package_and_no_data(made, root):
    project, zips, _ = made
    for kind, path in zip(bundle.KINDS, zips, strict=True):
        names = {name.removeprefix(f"{kind}/") for name in zipfile.ZipFile(path).namelist()}
        assert {f"{source.stem}.ipynb" for source in sources(Project(root))} <= names
        assert {"README.md", "requirements.txt", "LICENSE", "helpers/__init__.py", "patchtype/features.csv"} <= names
        assert not any("__pycache__" in name for name in names)
        assert {f"science/{path.name}" for path in (root / "science").iterdir()} <= names
        # No public table.
        ours = ("patchtype/features.csv", "patchtype/recordings/definitions.csv", "patchtype/cohorts/simulated/",
                "teaching/points.csv")
        assert [name for name in names if name.endswith(".csv") and not name.startswith(ours)] == []
    told = Settings.read(project.build / "instructor" / "pyproject.toml")  # by which grading knows the book
    assert (told.packages, told.environment) == (("patchtype", "helpers"), "patchtype.settings:environment")


def test_students_have_stubs_and_the_quiz_as_text_instructors_the_answers(made):
    project, _, _ = made
    student, instructor = ((project.build / kind / "01_data.ipynb").read_text() for kind in bundle.KINDS)
    assert "NotImplementedError" in student and "BEGIN SOLUTION" not in student
    assert "BEGIN SOLUTION" in instructor
    for text in (student, instructor):
        cells = json.loads(text)["cells"]
        assert any("".join(cell["source"]).startswith("## Quiz") for cell in cells)
        assert not any(cell.get("outputs") for cell in cells)


def test_what_a_bundle_installs_is_locked_and_from_one_index(root):
    made = bundle.requirements(Project(root))
    asked, *rows = made["requirements.txt"].splitlines()
    assert asked == "-c constraints.txt"
    pins = [Requirement(row) for row in made["constraints.txt"].splitlines() if not row.startswith("#")]
    assert {next(iter(pin.specifier)).operator for pin in pins} == {"=="}
    wanted = {Requirement(row).name.lower() for row in rows}
    # Jupyter opens the notebooks, and is no need of theirs.
    assert wanted - {"jupyterlab"} <= {pin.name.lower() for pin in pins}
    assert {"torch", "ipfx", "jupytext", "arbor", "jupyterlab"} <= wanted
    assert not {"jupyter-book", "dandi", "pytest"} & wanted, "what makes the pages is no student's need"
    assert not any(row.startswith("-") for text in made.values() for row in text.splitlines()[1:])


def test_the_readme_takes_torch_alone_from_its_own_index(made):
    """As all is pinned, its version is the one that the requirements ask for, wherever it came from."""
    project, _, _ = made
    for kind in bundle.KINDS:
        text = (project.build / kind / "README.md").read_text()
        assert "{{" not in text
    lines = (project.build / "student" / "README.md").read_text().splitlines()
    (line,) = (line for line in lines if "--index-url" in line)
    pin = line.split()[-1]
    assert "--no-deps" in line and pin in bundle.requirements(project)["constraints.txt"].splitlines()


def test_the_first_cell_does_nothing_here_and_names_the_repository(root):
    cell = setup_cell(root)
    assert cell.metadata["tags"] == ["remove-cell"]
    assert "git+https://github.com/interneuron-book/cross-species-ephys@main" in cell.source
    before = set(sys.modules)
    exec(cell.source, {})
    assert "subprocess" not in set(sys.modules) - before
    assert pair(sources(Project(root))[0]).cells[0] == cell


def test_the_first_cell_installs_on_colab(root, monkeypatch):
    calls = []
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    monkeypatch.setattr(subprocess, "run", lambda words, check: calls.append(words))
    exec(setup_cell(root).source, {})
    repository = yaml.safe_load((root / "_config.yml").read_text())["repository"]
    package = f"patchtype[notebooks] @ git+{repository['url']}@{repository['branch']}"
    assert calls == [[sys.executable, "-m", "pip", "install", "-q", package]]


def test_slides_hold_each_figure_with_its_words():
    shown = {"figure": {"caption": "Cells per {term}`subclass`."}, "image": {"alt": "Two bar charts."}}
    code = nbformat.v4.new_code_cell("1", metadata={"mystnb": shown})
    code.outputs = [
        nbformat.v4.new_output("display_data", {"image/png": "QUJD\n"}),
        nbformat.v4.new_output("display_data", {"image/svg+xml": "<svg>é</svg>", "text/plain": "a figure"}),
    ]
    text = "# Data\n\n- **You will learn** what a *cell* is.\n\n## Where <b>"
    found = slides.slides(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text), code]))
    assert found == [
        slides.Slide("Data", "Data", "You will learn what a cell is."),
        slides.Slide("Data", "Where <b>", "Cells per subclass.", "data:image/png;base64,QUJD", "Two bar charts."),
        slides.Slide("Data", "Where <b>", "Cells per subclass.", "data:image/svg+xml;base64,PHN2Zz7DqTwvc3ZnPg==",
                     "Two bar charts."),
    ]
    page = slides.as_html(found)
    assert "Where &lt;b&gt;" in page and 'alt="Two bar charts."' in page
    assert "http" not in page, "slides ask no other host"


def test_slides_come_by_session_with_notes_that_are_hidden(root, tmp_path):
    found = slides.sessions(root / "book" / "teaching" / "guide.md")
    assert len(found) >= 5
    (title, chapters), *_ = found
    assert chapters == ["01_data", "02_quality_control"]
    assert title.heading.startswith("Session 1") and "min: " in title.notes
    page = slides.as_html([title], "A quick run.")
    assert "<aside>" in page and "aside { display: none;" in page and "A quick run." in page
    assert slides.sessions(tmp_path / "none.md") == []


def test_the_instructors_bundle_has_what_a_session_needs_and_the_students_has_no_answer(made):
    project, (student, instructor), _ = made
    inside = {name.partition("/")[2] for name in zipfile.ZipFile(instructor).namelist()}
    wanted = ("guide.md", "rubric.md", "adopt.md", "discussion.md", "points.csv")
    assert {f"teaching/{name}" for name in wanted} <= inside
    points = (project.build / "instructor" / "teaching" / "points.csv").read_text().splitlines()
    assert points[0] == "chapter,exercise,title,points" and len(points) == 40
    handed_out = zipfile.ZipFile(student)
    notebooks = [name for name in handed_out.namelist() if name.endswith(".ipynb")]
    assert len(notebooks) == 10
    for name in notebooks:
        text = handed_out.read(name).decode()
        assert "BEGIN SOLUTION" not in text and text.count("My prediction") == text.count("What I conclude") >= 3
    guide = (project.build / "instructor" / "teaching" / "guide.md").read_text()
    assert "## On a hub" in guide and "{include}" not in guide
    assert not any("teaching/" in name or "instructor" in name for name in handed_out.namelist())
    for page in (project.build / "instructor" / "teaching").glob("*.md"):
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            assert link.startswith("https://") or (page.parent / link).is_file(), (page.name, link)


def test_what_binder_and_colab_open_holds_no_answer(root):
    for source in sources(Project(root)):
        text = source.with_suffix(".ipynb").read_text("utf-8")
        assert "BEGIN SOLUTION" not in text and "NotImplementedError" in text


def test_slides_without_a_run_are_refused(tmp_path):
    (tmp_path / "_toc.yml").write_text("root: a\nchapters: [{file: notebooks/01_data}]\n")
    with pytest.raises(BookError, match="found no executed notebook"):
        slides.write(Project(tmp_path))


def test_the_guides_minutes_add_up_and_name_every_exercise(root):
    rows = re.findall(r"^\| (\d+) [^|]+\|(.+)\|$", (root / "book" / "teaching" / "guide.md").read_text(), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 11))
    for (_, row), source in zip(rows, sources(Project(root)), strict=True):
        read_at_home, minutes, quiz, total = row.split("|")
        each = [int(n) for n in minutes.split(",")]
        assert len(each) == len(exercises(pair(source), source.stem))
        assert int(read_at_home) + sum(each) + int(quiz) == int(total)


def test_memory_per_student_is_that_of_the_run():
    repository = {"url": "https://github.com/owner/name", "branch": "main"}
    run = {"notebook": "01_data", "peak_mb": 1024, "wall_s": 9.6, "quick": True, "cohort": "published"}
    text = teaching_markdown([run, run | {"notebook": "02_b", "peak_mb": 512}], repository)
    assert "In the quick run that made this book the most a chapter needed was 1,024 MB (01_data)." in text
    assert "A hub for 30 students at work on it at once needs 30 GB" in text
    assert "git-pull?repo=https%3A%2F%2Fgithub.com%2Fowner%2Fname&branch=main&urlpath=lab%2Ftree%2Fname%2F" in text
    assert "MB per student" not in teaching_markdown([], repository)


@pytest.mark.slow
def test_an_unpacked_bundle_runs_by_itself(made, tmp_path):
    """The package is the bundle's own, and a student's copy runs up to its first stub and no further."""
    project, (student, _), _ = made
    zipfile.ZipFile(student).extractall(tmp_path)
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "HELPERS_BUILD")}
    code = (
        "import json, helpers, pathlib\n"
        "assert pathlib.Path(helpers.__file__).parent.parent == pathlib.Path.cwd()\n"
        "cells = json.load(open('02_quality_control.ipynb'))['cells']\n"
        "sources = [''.join(c['source']) for c in cells if c['cell_type'] == 'code']\n"
        "first = next(i for i, s in enumerate(sources) if 'NotImplementedError' in s)\n"
        "space = {}\n"
        "for source in [*sources[:3], sources[first]]:\n"
        "    exec(source.replace('\"published\"', repr('published')), space)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=Path(tmp_path, "student"), env=clean | {"MPLBACKEND": "agg"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    if "DataUnavailable" in done.stderr:
        pytest.skip("the public tables are not here")
    assert done.stderr.strip().splitlines()[-1] == (
        "NotImplementedError: Exercise 1: replace this line by your answer"
    ), done.stderr


def test_no_markup_of_the_renderer_is_left_in_a_bundle(made):
    project, _, _ = made
    for path in sorted((project.build / "student").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                assert not re.search(r"\{[a-z:]+\}`|^:::", cell.source, re.MULTILINE), cell.source
                # Nor a link to a page that is not in it, nor the key of a work.
                for link in re.findall(r"\]\(([^)]+)\)", cell.source):
                    assert link.startswith("https://") or (path.parent / link).is_file(), link
                assert not re.search(r"\([a-z]+(19|20)\d\d", cell.source), cell.source


def test_works_are_named_and_pages_linked_in_plain_words(tmp_path):
    bibliography = tmp_path / "works.bib"
    bibliography.write_text(
        "@article{one, author={Last, First}, year={2020}, doi={10.1/x}}\n"
        "@misc{two, author={van der Berg, A. and Solo, B.}, year={2021}, url={https://a.b}}\n"
        "@misc{many, author={A, A. and B, B. and others}, year={1999}}\n"
    )
    cited = references(bibliography)
    assert cited == {
        "one": "[Last 2020](https://doi.org/10.1/x)", "two": "[van der Berg & Solo 2021](https://a.b)",
        "many": "A et al. 1999",
    }
    text = "So {cite:p}`one,many`; see [the words](../book/glossary.md)."
    assert markdown(text, cited, "https://p.q/") == (
        "So ([Last 2020](https://doi.org/10.1/x); A et al. 1999); see [the words](https://p.q/book/glossary.html)."
    )


def test_a_notebook_in_plain_words_has_captions_and_shows_its_sentences():
    figure = {"figure": {"name": "fig-one", "caption": "All {term}`cells <Cell>`."}}
    cells = [
        nbformat.v4.new_markdown_cell(":::{admonition} Take away\n:class: tip\n- {glue:text}`a:.2f`.\n:::\n\nMore."),
        nbformat.v4.new_code_cell("plot()", metadata={"mystnb": figure}),
        nbformat.v4.new_code_cell('x = 1\nresults.say(\n    "a",\n    "b",\n);'),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    simplify(notebook)
    assert [cell.source for cell in notebook.cells] == [
        "> **Take away**\n>\n> - ‹a›.\n\nMore.",
        "plot()",
        "**Figure “one”.** All *cells*.",
        'x = 1\nresults.say(\n    "a",\n    "b",\n)',
    ]
    nbformat.validate(notebook)
