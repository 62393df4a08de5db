"""What Binder will make of the repository: which files it reads, what they install, what a notebook costs there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import InvalidRequirement, Requirement

from bookpress.notebook import sources
from bookpress.project import Project, read_json

SECONDS, MEGABYTES = 180, 2048
# repo2docker takes the first of these that it finds and leaves the later ones unread.
# https://repo2docker.readthedocs.io/en/latest/config_files/
BEFORE_CONDA = ("Dockerfile", "Project.toml", "JuliaProject.toml", "REQUIRE", "default.nix", "install.R", "DESCRIPTION")
SCRIPTS = ("postBuild", "start")
#: What runs the notebooks in a measured environment; Binder's reader runs them by hand.
RUNNER = ("ipykernel", "papermill", "psutil")
PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]+")


@dataclass(frozen=True)
class Line:
    """One line of the report: a measurement, or something wrong with what to do about it."""

    what: str
    wrong: bool = False

    def __str__(self) -> str:
        return f"{'WRONG: ' * self.wrong}{self.what}"


def check_binder(project: Project, install: bool = False, run: bool = False) -> Iterator[Line]:
    """The report, line by line, as it comes about.

    ``install`` builds a bare virtual environment as Binder would (minutes, gigabytes); ``run`` runs each
    notebook with the parameters that Binder opens it with, in that environment or in this one.
    """
    yield from layout(project.root)
    yield from size(project.root)
    if not (install or run):
        return
    with tempfile.TemporaryDirectory(prefix="binder-") as folder:
        python = Path(sys.executable)
        if install:
            python = Path(folder) / "venv" / "bin" / "python"
            lines = list(installed(project.root, python))
            yield from lines
            if any(line.wrong for line in lines):
                return
        yield from costs(project, python, Path(folder))


def layout(root: Path) -> Iterator[Line]:
    """Which files repo2docker reads, and what is wrong with them."""
    for name in ("binder", ".binder"):
        if (root / name).is_dir():
            yield Line(f"the folder {name} makes Binder ignore the files beside it; move them to the root.", True)
    for name in BEFORE_CONDA:
        if (root / name).exists():
            yield Line(f"{name} makes Binder ignore environment.yml; remove it.", True)
    for name in SCRIPTS:
        path = root / name
        if path.exists() and not os.access(path, os.X_OK):
            yield Line(f"{name} is not executable; run `chmod +x {name}`.", True)
        if path.exists() and not path.read_text(encoding="utf-8").startswith("#!"):
            yield Line(f"{name} has no first line such as #!/bin/bash.", True)
    if (root / "start").exists() and 'exec "$@"' not in (root / "start").read_text(encoding="utf-8"):
        yield Line('start does not end with exec "$@", so no notebook server would start.', True)
    if (root / "apt.txt").exists():
        for line in (root / "apt.txt").read_text(encoding="utf-8").splitlines():
            name = line.partition("#")[0].strip()
            if name and not PACKAGE_NAME.fullmatch(name):
                yield Line(f"apt.txt: {name!r} is no name of a package; write one name a line.", True)
    yield from _environment(root)


def _environment(root: Path) -> Iterator[Line]:
    try:
        entries = yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        yield Line(f"environment.yml lists no dependencies ({error}); Binder would install nothing.", True)
        return
    pythons = [entry for entry in entries if re.match(r"python[=<> ]", str(entry))]
    if len(pythons) != 1:
        yield Line(f"environment.yml names {len(pythons)} versions of python; name one.", True)
    else:
        yield Line(f"environment.yml: {pythons[0]}, pip part of {len(pip_part(root))} lines")
    for words in map(str.split, pip_part(root)):
        if words[0] == "-r" and not (root / words[1]).is_file():
            yield Line(f"environment.yml reads {words[1]}, and there is no such file.", True)


def pip_part(root: Path) -> list[str]:
    """Lines of the pip part of ``environment.yml``."""
    entries = yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    return [line for entry in entries if isinstance(entry, dict) for line in entry.get("pip", [])]


def size(root: Path) -> Iterator[Line]:
    """Megabytes of what ``environment.yml`` installs, from the files of this environment."""
    found: dict[str, float] = {}
    absent = []
    for name in _names(pip_part(root)):
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:
            absent.append(name)
            continue
        paths = {file.locate() for file in files}
        found[name] = sum(path.stat().st_size for path in paths if path.is_file()) / 1e6
    heaviest = sorted(found, key=found.get, reverse=True)[:5]
    shown = ", ".join(f"{name} {found[name]:,.0f}" for name in heaviest)
    lacking = f"; not measured, not installed here: {', '.join(absent)}" if absent else ""
    yield Line(f"packages: {sum(found.values()):,.0f} MB on disk, the heaviest {shown} MB{lacking}")


def _names(lines: list[str]) -> Iterator[str]:
    for line in lines:
        with suppress(InvalidRequirement):  # an option
            yield Requirement(line).name


def installed(root: Path, python: Path) -> Iterator[Line]:
    """A bare virtual environment with what Binder's pip installs, at ``python``; how large it is."""
    venv.create(python.parents[1], with_pip=True)
    runner = [str(pin) for pin in pins(root / "requirements.txt") if pin.name in RUNNER]
    steps = {"the pip part of environment.yml": pip_part(root), "postBuild": ["--no-deps", "-e", "."]}
    for what, arguments in steps.items():
        done = _called([python, "-m", "pip", "install", "-q", "--no-cache-dir", *arguments], root)
        if done.returncode:
            yield Line(f"{what} does not install: {(done.stderr or done.stdout).strip().splitlines()[-1]}", True)
            return
    total = sum(path.lstat().st_size for path in python.parents[1].rglob("*") if not path.is_dir())
    yield Line(f"bare environment: {total / 1e6:,.0f} MB")
    _called([python, "-m", "pip", "install", "-q", *runner], root)


def pins(lock: Path) -> Iterator[Requirement]:
    """What a lock says for this Python and system, without the hashes."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        if re.match(r"[a-z0-9]", line):
            requirement = Requirement(line.removesuffix("\\").strip())
            if requirement.marker is None or requirement.marker.evaluate():
                yield Requirement(f"{requirement.name}{requirement.specifier}")


def costs(project: Project, python: Path, folder: Path) -> Iterator[Line]:
    """Time and memory of each notebook as Binder opens it, in a copy below ``folder``."""
    copy = Project(folder / "book")
    shutil.copytree(project.notebooks, copy.notebooks)
    for source in sources(copy):
        done = _called([python, "-m", "bookpress", "run", source, "--root", copy.root], project.root, HELPERS_QUICK="1")
        if done.returncode:
            yield Line(f"{source.stem} fails: {(done.stderr or done.stdout).strip().splitlines()[-1]}", True)
            continue
        row: dict[str, Any] = read_json(copy.runs / f"{source.stem}.json")
        over = row["wall_s"] > SECONDS or row["peak_mb"] > MEGABYTES
        cure = f"; over {SECONDS} s or {MEGABYTES:,} MB, make its quick run smaller." if over else ""
        yield Line(f"{source.stem}: {row['wall_s']:.0f} s, at most {row['peak_mb']:,} MB{cure}", over)


def _called(words: list[Any], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, words)), cwd=cwd, env=os.environ | environment, capture_output=True, text=True
    )
