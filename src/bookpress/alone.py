"""Each chapter alone: in an empty folder, by another Python than ours, quickly, as it opens on Binder or on Colab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from bookpress.binder import Line
from bookpress.notebook import sources
from bookpress.project import BookError, Project, read_json

#: The most that a quick chapter may take of one processor, and of the memory of a free Binder session.
SECONDS, MEGABYTES = 180, 2048


def alone(project: Project, python: Path, chapters: Collection[str] = ()) -> Iterator[Line]:
    """Run each chapter, or those named, quickly with a kernel of ``python``; tell its time and memory.

    A chapter finds its own source beside it and nothing else of the repository: what it needs has to be installed.
    """
    environment = os.environ | {"HELPERS_QUICK": "1", "HELPERS_MEMORY_MB": str(2 * MEGABYTES)}
    found = [source for source in sources(project) if source.stem in chapters or not chapters]
    if len(found) < len(chapters):
        raise BookError(f"found {', '.join(chapters)}, expected names of chapters such as {sources(project)[0].stem}.")
    for source in found:
        with tempfile.TemporaryDirectory(prefix="alone-") as folder:
            place = Project(Path(folder))
            place.notebooks.mkdir()
            words = [sys.executable, "-m", "bookpress", "run", shutil.copy(source, place.notebooks), "--root", folder]
            words += ["--python", str(python)]
            before = _processor_s()
            done = subprocess.run(words, env=environment, capture_output=True, text=True)
            if done.returncode:
                yield Line(f"{source.stem} fails: {(done.stderr or done.stdout).strip()}", True)
                continue
            row: dict[str, Any] = read_json(place.runs / f"{source.stem}.json")
        busy = _processor_s() - before
        over = busy > SECONDS or row["peak_mb"] > MEGABYTES
        cure = f"; over {SECONDS} s or {MEGABYTES:,} MB, make its quick run smaller" if over else ""
        took = f"{row['wall_s']:.0f} s, {busy:.0f} s of the processor, at most {row['peak_mb']:,} MB"
        yield Line(f"{source.stem}: {took}, {row['cohort']} cells{cure}", over)


def _processor_s() -> float:
    """What ended processes of ours have used, in seconds: a busy machine does not make a chapter slower by it."""
    used = os.times()
    return used.children_user + used.children_system
