"""One environment everywhere: the lock, Binder's file and the hand-written list agree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def pins(path: Path) -> dict[str, str]:
    """Package to version of a lock file."""
    rows = [
        line.strip()
        for line in path.read_text().splitlines()
        if line.strip() and not line.startswith((" ", "#"))
    ]
    found = {}
    for requirement in map(Requirement, rows):
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{path.name}: {requirement} is no pin"
        found[canonicalize_name(requirement.name)] = specifier.version
    return found


@pytest.fixture(scope="module")
def lock(root):
    return pins(root / "requirements.txt")


@pytest.fixture(scope="module")
def binder(root):
    return yaml.safe_load((root / "environment.yml").read_text())["dependencies"]


@pytest.fixture(scope="module")
def wanted(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


def test_the_developers_lock_holds_the_books_lock(root, lock):
    development = pins(root / "requirements-dev.txt")
    assert {name: development.get(name) for name in lock} == lock


def test_every_wish_of_pyproject_is_met_by_the_lock(root, lock, wanted):
    held = lock | pins(root / "requirements-nodeps.txt")
    for text in wanted["project"]["dependencies"] + wanted["dependency-groups"]["book"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(held[canonicalize_name(requirement.name)]), text


def test_every_wish_of_the_developers_is_met(root, wanted):
    development = pins(root / "requirements-dev.txt")
    for text in wanted["dependency-groups"]["dev"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(development[canonicalize_name(requirement.name)]), text


def test_the_book_is_made_by_the_last_jupyter_book_that_reads_our_files(lock, wanted):
    assert lock["jupyter-book"] == "1.0.4.post1"
    assert "jupyter-book==1.0.4.post1" in wanted["dependency-groups"]["book"]


def test_torch_has_no_cuda_half(root, lock):
    everything = lock | pins(root / "requirements-dev.txt")
    assert [name for name in everything if name.startswith(("nvidia", "cuda")) or name == "triton"] == []


def test_binder_installs_the_lock_with_the_same_torch_from_the_cpu_index(lock, binder):
    (pip,) = (entry["pip"] for entry in binder if isinstance(entry, dict))
    assert "-r requirements.txt" in pip
    assert f"torch=={lock['torch'].split('+')[0]}+cpu" in pip
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in pip
    assert len(pip) == 3, "a version that stands in environment.yml alone would drift"


def test_binder_has_the_python_of_pyproject(binder, wanted):
    (python,) = (entry for entry in binder if str(entry).startswith("python="))
    assert (
        python.removeprefix("python=") + ".0"
        in Requirement(f"p{wanted['project']['requires-python']}").specifier
    )
    assert {entry for entry in binder if isinstance(entry, str)} == {python, "pip"}


def test_no_folder_makes_binder_ignore_the_root(root):
    assert not (root / "binder").exists()
    assert not (root / ".binder").exists()


def test_post_build_installs_the_rest_and_does_not_fail_without_data(root):
    script = (root / "postBuild").read_text()
    assert (root / "postBuild").stat().st_mode & 0o111
    assert "-r requirements-nodeps.txt" in script
    assert "-e ." in script
    assert "patchtype data || true" in script
    assert script.index("-e .") < script.index("python -m bookpress notebooks --quick")
    for path in ("postBuild", ".ci/run", ".ci/report"):
        subprocess.run(["bash", "-n", path], cwd=root, check=True)


def test_the_repository_is_named_the_same_everywhere(root):
    url = yaml.safe_load((root / "_config.yml").read_text())["repository"]["url"]
    assert yaml.safe_load((root / "CITATION.cff").read_text())["repository-code"] == url


def test_zenodo_says_what_the_citation_says(root):
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    zenodo = json.loads((root / ".zenodo.json").read_text())
    assert zenodo["title"] == citation["title"]
    assert zenodo["license"] == citation["license"]
    assert zenodo["upload_type"] == citation["type"]
    assert [who["name"] for who in zenodo["creators"]] == [who["name"] for who in citation["authors"]]
    related = {row["identifier"] for row in zenodo["related_identifiers"]}
    assert {citation["repository-code"]} <= related
    assert {row["value"] for paper in citation["references"] for row in paper["identifiers"]} <= related


def test_what_writes_to_a_request_runs_nothing_of_the_request(root):
    def load(name):
        return yaml.safe_load((root / ".github" / "workflows" / f"{name}.yml").read_text())

    assert load("preview")["permissions"] == {"contents": "read"}
    assert "secrets." not in (root / ".github" / "workflows" / "preview.yml").read_text()
    (job,) = load("comment")["jobs"].values()
    assert [step for step in job["steps"] if "uses" in step] == []
    assert "${{" not in "".join(step["run"] for step in job["steps"]), "the request's words must not reach the shell"


def test_a_weekly_failure_is_told_once(root, tmp_path):
    said = tmp_path / "said"
    gh = tmp_path / "gh"
    gh.write_text(f'#!/bin/bash\nif [ "$2" = list ]; then echo "$OPEN"; else echo "$@" >> {said}; fi\n')
    gh.chmod(0o755)
    for number in ("", "17"):
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "OPEN": number}
        subprocess.run(["bash", root / ".ci" / "report", "Title", "where"], check=True, env=environment)
    assert said.read_text().splitlines() == [
        "issue create --title Title --body where", "issue comment 17 --body Again: where",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["test", "publish", "weekly", "preview", "comment", "release"])
def test_workflows_pin_actions_to_a_major_version(root, name):
    workflow = yaml.safe_load((root / ".github" / "workflows" / f"{name}.yml").read_text())
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            assert "run" in step or re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])


def test_a_command_that_does_not_exist_is_refused_with_the_list(capsys):
    from bookpress.__main__ import main

    with pytest.raises(SystemExit) as stop:
        main(["fly"])
    assert stop.value.code == 2
    assert "invalid choice: 'fly'" in capsys.readouterr().err
