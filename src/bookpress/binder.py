"""What Binder will make of the repository: which files it reads, what they install, what makes it install anew."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import yaml
from packaging.requirements import InvalidRequirement, Requirement

from bookpress.project import BookError

# repo2docker takes the first of these that it finds and leaves the later ones unread.
# https://repo2docker.readthedocs.io/en/latest/config_files/
BEFORE_CONDA = ("Dockerfile", "Project.toml", "JuliaProject.toml", "REQUIRE", "default.nix", "install.R", "DESCRIPTION")
SCRIPTS = ("postBuild", "start")
PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]+")


@dataclass(frozen=True)
class Line:
    """One line of the report: a measurement, or something wrong with what to do about it."""

    what: str
    wrong: bool = False

    def __str__(self) -> str:
        return f"{'WRONG: ' * self.wrong}{self.what}"


def check_binder(root: Path) -> Iterator[Line]:
    """The report, line by line, as it comes about."""
    yield from layout(root)
    yield from size(root)
    yield from layers(root)


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


def layers(root: Path) -> Iterator[Line]:
    """What repo2docker copies before it installs: with a change of these files, and of no other, it installs anew."""
    if find_spec("repo2docker") is None:
        yield Line("jupyter-repo2docker is not installed here, so nobody has looked at its Dockerfile")
        return
    words = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(root)]
    done = subprocess.run(words, capture_output=True, text=True)
    before, whole, after = (done.stdout + done.stderr).partition("src/ ${REPO_DIR}/")
    if done.returncode or not whole:
        raise BookError(f"repo2docker makes no Dockerfile of {root}: {(done.stderr or done.stdout).strip()}")
    if "env update" not in before:
        yield Line("repo2docker copies the whole repository before it installs environment.yml, so every change of a "
                   "text installs it anew; write the pins into environment.yml itself.", True)
        return
    files = ", ".join(re.findall(r"^COPY .*?\bsrc/(\S+)", before, flags=re.MULTILINE))
    scripts = ", ".join(name for name in SCRIPTS if f"RUN ./{name}" in after)
    yield Line(f"repo2docker installs anew when {files} or a name in apt.txt changes; any other change runs {scripts}")
