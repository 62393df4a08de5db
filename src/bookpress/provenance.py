"""What a reader needs to know to make the same pages again: commit, data, versions, runs."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bookpress.project import Project, read_json


def revision(root: Path) -> dict[str, Any]:
    """Commit of the work tree at ``root`` and whether it holds changes; both None outside a repository."""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit_words(commit: str | None, dirty: bool | None) -> str:
    """A commit in a few characters.

    >>> commit_words("0123456789abcdef", True)
    '`0123456` with changes'
    """
    if commit is None:
        return "not in a repository"
    return f"`{commit[:7]}`" + (" with changes" if dirty else "")


def data_fingerprint(project: Project) -> str:
    """Hash of the book's data, by the function that its settings name; "none" where they name none."""
    fingerprint = project.settings.call("fingerprint")
    return fingerprint() if fingerprint else "none"


def versions(project: Project) -> dict[str, str]:
    """Version of Python and of each package that the book's settings name, and of the renderer."""
    found = {"python": platform.python_version()}
    for package in (*project.settings.versions, "jupyter-book"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def run_records(project: Project, names: list[str]) -> list[dict[str, Any]]:
    """The run record of each named notebook that has one, in the order given."""
    paths = [project.runs / f"{name}.json" for name in names]
    return [read_json(path) for path in paths if path.is_file()]


def provenance_markdown(project: Project, runs: list[dict[str, Any]]) -> str:
    """The generated half of the provenance page."""
    lines = ["| What | Value |", "| --- | --- |"]
    lines.append(f"| Pages rendered from commit | {commit_words(**revision(project.root))} |")
    lines.append(f"| Last notebook finished | {max((run['finished'] for run in runs), default='none')} |")
    lines.append(f"| Data registry | `{data_fingerprint(project)}` |")
    lines += [f"| {name} | {number} |" for name, number in versions(project).items()]
    lines += [
        "",
        "| Notebook | Cohort | Seed | Wall (s) | Peak (MB) | Commit |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {run['notebook']} | {run['cohort']}{', quick' * run['quick']} | {run['seed']} "
        f"| {run['wall_s']:.0f} | {run['peak_mb']:,} | {commit_words(run['commit'], run['dirty'])} |"
        for run in runs
    ]
    lines += ["", "To make it again:", "", "```bash", f"git clone {project.repository}",
              f"cd {project.repository.rsplit('/', 1)[-1]}", "make book", "```"]
    return "\n".join(lines) + "\n"


def run_table(runs: list[dict[str, Any]]) -> str:
    """Wall time and peak memory of each notebook, for the terminal."""
    width = max([len(run["notebook"]) for run in runs], default=8)
    rows = [f"{'notebook':<{width}}  {'wall s':>7}  {'peak MB':>7}"]
    rows += [f"{run['notebook']:<{width}}  {run['wall_s']:>7.1f}  {run['peak_mb']:>7,}" for run in runs]
    return "\n".join(rows)
