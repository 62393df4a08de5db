"""Stage, render with Jupyter Book, check, and only then put the new book in the old one's place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bookpress.finish import finish
from bookpress.gate import check
from bookpress.project import BookError, Project
from bookpress.stage import stage


def render(project: Project) -> Path:
    """Make ``_build/html``; returns its first page.

    On any warning of the renderer and on any finding of the gate the old book stays, and BookError tells.
    """
    staged = stage(project)
    out = project.build / "jb"
    shutil.rmtree(out, ignore_errors=True)
    print("Rendering the pages", flush=True)
    program = Path(sys.executable).with_name("jupyter-book")
    done = subprocess.run(
        [program, "build", staged, "--path-output", out, "-W", "-n", "--keep-going", "-q"],
        env=os.environ | {"NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise BookError(f"Jupyter Book complains:\n{done.stdout.strip()}\nThe last good book is untouched.")
    fresh = out / "_build" / "html"
    finish(project, fresh)
    findings = check(fresh, staged / "_toc.yml")
    if findings:
        lines = "\n".join(map(str, findings))
        raise BookError(f"{lines}\n{len(findings)} findings in the pages; the last good book is untouched.")
    swap(fresh, project.html)
    return project.html / "index.html"


def swap(fresh: Path, place: Path) -> None:
    """Put folder ``fresh`` at ``place`` by renaming, so that a reader never meets half a book."""
    old = place.with_name(f"{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)
