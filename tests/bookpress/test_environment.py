"""One environment everywhere: the lock, Binder's file and the hand-written list agree."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import patchtype


def pins(path: Path) -> dict[str, list[Requirement]]:
    """Package to what a lock file says of it: one pin, or one for each marker."""
    found: dict[str, list[Requirement]] = {}
    for line in path.read_text().splitlines():
        if re.match("[a-z0-9]", line):
            requirement = Requirement(line.removesuffix("\\").strip())
            (specifier,) = requirement.specifier
            assert specifier.operator == "==", f"{path.name}: {requirement} is no pin"
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


@pytest.fixture(scope="module")
def lock(root):
    """The lock of everything, torch with it."""
    return pins(root / "requirements.txt") | pins(root / "requirements-torch-cpu.txt")


@pytest.fixture(scope="module")
def binder(root):
    return yaml.safe_load((root / "environment.yml").read_text())["dependencies"]


@pytest.fixture(scope="module")
def binder_pins(binder):
    (pip,) = (entry["pip"] for entry in binder if isinstance(entry, dict))
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in pip}


@pytest.fixture(scope="module")
def wanted(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


def of_extras(wanted, *names) -> list[Requirement]:
    """What the package and some of its extras ask for, the extras of extras with them."""
    found = list(map(Requirement, wanted["project"]["dependencies"]))
    for name in names:
        for requirement in map(Requirement, wanted["project"]["optional-dependencies"][name]):
            found += of_extras(wanted, *requirement.extras) if requirement.name == "patchtype" else [requirement]
    return found


def held(lock, requirement, environment) -> str:
    """The version that a lock holds of a requirement for one Python and system."""
    rows = [row for row in lock[canonicalize_name(requirement.name)]
            if row.marker is None or row.marker.evaluate(environment)]
    (version,) = {next(iter(row.specifier)).version for row in rows}
    return version


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_every_wish_of_pyproject_is_met_on_every_python(lock, wanted, python, system):
    environment = {"python_version": python, "python_full_version": f"{python}.4", "sys_platform": system}
    wishes = of_extras(wanted, "book") + list(map(Requirement, wanted["dependency-groups"]["dev"]))
    for requirement in wishes:
        version = held(lock, requirement, environment)
        assert requirement.specifier.contains(version), f"{requirement} is held at {version}"


def test_the_lock_holds_a_hash_of_everything(root):
    for name in ("requirements.txt", "requirements-torch.txt", "requirements-torch-cpu.txt"):
        text = (root / name).read_text()
        rows = re.split(r"\n(?=[a-z0-9])", text)[not re.match("[a-z0-9]", text):]
        assert len(rows) == sum(map(len, pins(root / name).values())) > 0
        assert [row.split()[0] for row in rows if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", row)] == []


def test_every_import_of_the_code_is_declared(root, wanted):
    """A package that is there only because another one wants it may be gone tomorrow."""
    inside = {"patchtype", "helpers", "bookpress"} | set(sys.stdlib_module_names)
    names = packages_distributions()
    declared = {canonicalize_name(requirement.name) for requirement in of_extras(wanted, "book")}
    declared |= {"distributed"}  # dask's extra of that name
    development = {"playwright"}
    for path in sorted((root / "src").rglob("*.py")):
        imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
        for module in sorted(imported - inside - development):
            assert declared & set(map(canonicalize_name, names.get(module, [module]))), f"{path}: {module}"


def test_the_book_is_made_by_the_last_jupyter_book_that_reads_our_files(lock, wanted):
    assert str(lock["jupyter-book"][0].specifier) == "==1.0.4.post1"
    assert "jupyter-book==1.0.4.post1" in wanted["project"]["optional-dependencies"]["book"]


def test_torch_comes_without_its_cuda_half_where_its_index_is_reached(root, lock, wanted):
    everything = pins(root / "requirements.txt")
    assert [name for name in everything if name.startswith(("nvidia", "cuda")) or name in ("triton", "torch")] == []
    cpu, fallback = pins(root / "requirements-torch-cpu.txt"), pins(root / "requirements-torch.txt")
    (version,) = {next(iter(row.specifier)).version.split("+")[0] for row in cpu["torch"]}
    assert str(fallback["torch"][0].specifier) == f"=={version}"
    assert wanted["tool"]["uv"]["constraint-dependencies"] == [f"torch=={version}"]
    for name in set(fallback) & set(everything):
        assert fallback[name] == everything[name]


def test_binder_installs_the_versions_of_the_lock(root, lock, wanted, binder, binder_pins):
    """Also without what pip would fetch beside them: each wish of the chapters stands in the file itself."""
    (python,) = (entry for entry in binder if str(entry).startswith("python="))
    version = python.removeprefix("python=")
    assert Requirement(f"p{wanted['project']['requires-python']}").specifier.contains(version + ".0")
    assert {entry for entry in binder if isinstance(entry, str)} == {python, "pip"}
    environment = {"python_version": version, "python_full_version": f"{version}.4", "sys_platform": "linux"}
    torch = binder_pins["torch"]
    expected = held(lock, torch, environment).replace("+", "%2B")
    tag = f"cp{version.replace('.', '')}"
    assert f"/whl/cpu/torch-{expected}-{tag}-{tag}-manylinux_2_28_x86_64.whl" in torch.url
    assert torch.url.partition("#sha256=")[2] in (root / "requirements-torch-cpu.txt").read_text()
    for name, pin in binder_pins.items():
        if name != "torch":
            assert str(pin.specifier) == f"=={held(lock, pin, environment)}"
    assert {canonicalize_name(wish.name) for wish in of_extras(wanted, "notebooks")} <= set(binder_pins)


def test_no_folder_makes_binder_ignore_the_root(root):
    assert not (root / "binder").exists()
    assert not (root / ".binder").exists()


def test_post_build_fails_without_data(root, tmp_path):
    """Its commands are looked up in a folder of our own: pip and python do nothing, patchtype finds no data."""
    for name, script in (("pip", ""), ("python", ""), ("patchtype", "echo $@ > data; exit 3")):
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([root / "postBuild"], cwd=tmp_path, env=environment)
    assert done.returncode == 3
    assert (tmp_path / "data").read_text() == "data --all\n"
    for path in ("postBuild", *sorted((root / ".ci").iterdir())):
        subprocess.run(["bash", "-n", path], cwd=root, check=True)


def test_who_and_where_stands_in_one_file_and_is_the_same_everywhere(root, wanted):
    """CITATION.cff says it; the others, which have forms of their own, are held against it."""
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    repository, pages = citation["repository-code"], citation["url"]
    _, owner, name = repository.removeprefix("https://").split("/")
    assert pages == f"https://{owner}.github.io/{name}"
    config = yaml.safe_load((root / "_config.yml").read_text())
    assert config["repository"]["url"] == repository
    assert config["repository"]["branch"] in ("main", f"v{citation['version']}")
    assert config["author"] == " and ".join(who["name"] for who in citation["authors"])
    assert wanted["project"]["version"] == citation["version"] == patchtype.__version__
    assert wanted["project"]["urls"]["Repository"] == repository
    assert wanted["project"]["urls"]["Book"] == pages
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True).stdout.split()
    for path in tracked or ["README.md", "book/intro.md"]:
        if Path(path).suffix in {".md", ".yml", ".toml", ".cff", ".json"} and (root / path).is_file():
            text = (root / path).read_text("utf-8")
            address = r"https://(?:github\.com/[\w-]+/cross-species-ephys|[\w-]+\.github\.io/[\w-]+)(?![\w-])"
            for found in re.findall(address, text):
                assert found in (repository, pages), f"{path} names {found}"


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


@pytest.fixture(scope="module")
def workflows(root):
    return {path.stem: yaml.safe_load(path.read_text()) for path in (root / ".github" / "workflows").glob("*.yml")}


def test_what_writes_to_a_request_runs_nothing_of_the_request(workflows):
    (job,) = workflows["comment"]["jobs"].values()
    assert [step for step in job["steps"] if "uses" in step] == []
    assert "${{" not in "".join(step["run"] for step in job["steps"]), "the request's words must not reach the shell"
    for job in workflows["test"]["jobs"].values():
        assert "permissions" not in job
    assert workflows["test"]["permissions"] == {"contents": "read"}


def test_only_what_was_tested_on_the_published_cells_is_deployed_or_released(workflows):
    """A job that may write builds nothing: it hands on what the tests built, which had the tables or failed."""
    assert workflows["test"]["jobs"]["book"]["env"]["HELPERS_COHORT"] == "published"
    for name, writer in (("publish", "deploy"), ("release", "upload")):
        jobs = workflows[name]["jobs"]
        assert jobs["test"] == {"uses": "./.github/workflows/test.yml"}
        assert "test" in jobs[writer]["needs"]
        assert "make" not in " ".join(step.get("run", "") for step in jobs[writer]["steps"])
        assert {key for key, job in jobs.items() if "write" in job.get("permissions", {}).values()} == {writer}


def test_a_renewed_lock_is_a_request_of_what_was_tested(workflows):
    jobs = workflows["weekly"]["jobs"]
    words = [step.get("run", "") for step in jobs["newest"]["steps"]]
    assert words.index("HELPERS_COHORT=published bash .ci/run") > words.index("rm requirements.txt && make lock")
    assert jobs["renew"]["needs"] == "newest"
    assert not re.search(r"make |pip |python", " ".join(step.get("run", "") for step in jobs["renew"]["steps"]))


def test_a_publisher_that_answers_no_program_is_not_asked(root):
    """Each reference is either asked for where it is, or, for those publishers, its DOI at the registry of DOIs."""
    ignored = yaml.safe_load((root / "_config.yml").read_text())["sphinx"]["config"]["linkcheck_ignore"]
    dois = re.findall(r"doi = \{([^}]+)\}", (root / "book" / "references.bib").read_text())
    spared = [doi for doi in dois if any(re.match(pattern, f"https://doi.org/{doi}") for pattern in ignored)]
    assert "10.1016/j.cell.2020.09.057" in spared and "10.21105/joss.00861" not in spared
    asked = subprocess.run(["grep", "-oP", r"doi = \{\K[^}]+", root / "book" / "references.bib"], capture_output=True,
                           text=True, check=True).stdout.split()
    assert asked == dois and r"doi = \{\K[^}]+" in (root / ".ci" / "dois").read_text()


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


def test_workflows_keep_no_token_and_pin_each_action_to_a_commit(workflows):
    """The comment says the version of the commit, as the repository that has both showed it when it was written."""
    for name, workflow in workflows.items():
        assert "write" not in workflow["permissions"].values(), name
        for job in workflow["jobs"].values():
            assert "uses" in job or job["timeout-minutes"] <= 120
            for step in job.get("steps", []):
                assert "run" in step or re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False


def test_a_command_that_does_not_exist_is_refused_with_the_list(capsys):
    from bookpress.__main__ import main

    with pytest.raises(SystemExit) as stop:
        main(["fly"])
    assert stop.value.code == 2
    assert "found no command 'fly'" in capsys.readouterr().err
