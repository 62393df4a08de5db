"""Grade a folder of submitted notebooks: every exercise alone, judged by a process that runs no student's code.

From a submission only the answers are taken. The chapter's own cells prepare the ground and the chapter's own
checks judge, so that neither a changed check nor a broken cell elsewhere in the notebook moves a grade.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pandas as pd

from bookpress.course import cage
from bookpress.course.collect import Student
from bookpress.course.exercises import Exercise, context, exercises, stub, tags
from bookpress.course.judge import CHAPTER_FAILED, LATE, PREPARE_S, WALL
from bookpress.files import write_text
from bookpress.notebook import with_parameters

#: Seconds of processor time for an answer, and as many for what its check asks of it.
LIMIT_S = 120
MEMORY_GB = 4
ANSI = re.compile(r"\x1b\[[0-9;]*m")
HEADING = re.compile(r"^#+ Exercise (\d+)\b", re.MULTILINE)


@dataclass(frozen=True)
class Mark:
    """Whether an answer passed its check, and why not."""

    passed: bool
    reason: str = ""


def answer(submission: nbformat.NotebookNode, chapter: nbformat.NotebookNode, exercise: Exercise) -> str | None:
    """Code that a student wrote for an exercise, checks and stubs left out; None where the exercise is not found.

    The exercise begins at its heading, or at its cell where the heading is gone, and goes on to the next exercise:
    a student's own headings and cells in between belong to it.
    """
    ours = {kind: chapter.cells[at] for kind, at in (("solution", exercise.solution), ("check", exercise.check))}
    stubbed = stub(ours["solution"].source, exercise.number)
    code: list[str] | None = None
    for cell in submission.cells:
        if cell.cell_type == "markdown":
            numbers = [int(number) for number in HEADING.findall(cell.source)]
            if exercise.number in numbers:
                code = code or []
            elif code is not None and (numbers or "**Take away**" in cell.source):
                break
        elif cell.cell_type == "code":
            if code is None and cell.get("id") == ours["solution"].get("id", ""):
                code = []
            given = "check" in tags(cell) or cell.source.strip() == ours["check"].source.strip()
            if code is not None and not given:
                code.append(cell.source)
    if code is None:
        return None
    return "\n\n".join(source for source in code if source.strip() != stubbed.strip())


def mark(
    chapter: nbformat.NotebookNode, exercise: Exercise, code: str | None, limit_s: float = LIMIT_S,
    memory_gb: float = MEMORY_GB,
) -> Mark:  # fmt: skip
    """Judge one answer by the chapter's check, in processes and a folder that are gone afterwards; never raises."""
    if code is None:
        return Mark(False, "no such exercise in the notebook")
    if not code.strip():
        return Mark(False, "not answered")
    job = _job(chapter, exercise, code) | {"limit_s": limit_s, "memory_gb": memory_gb}
    with tempfile.TemporaryDirectory(prefix="grade-") as folder:
        work = Path(folder, "student")
        judges = Path(folder, "judge")
        for place in (work, judges):
            (place / "_build").mkdir(parents=True)
        (work / "lib").mkdir()
        for name, package in cage.packages().items():
            (work / "lib" / name).symlink_to(package)
        environment = dict(os.environ) | cage.data()
        environment |= {
            cage.BUILD: f"{judges}/_build", "MPLBACKEND": "agg", "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(str(package.parent) for package in cage.packages().values())),
        }  # fmt: skip
        # A file, not a pipe: whoever should hold a pipe open could make us wait.
        with open(Path(folder, "verdict"), "w+b") as verdict:
            process = subprocess.Popen(
                [sys.executable, "-m", "bookpress.course.judge"], cwd=judges, env=environment, stdin=subprocess.PIPE,
                stdout=verdict, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            try:
                wait_s = PREPARE_S + 2 * WALL * limit_s + 30
                process.communicate(json.dumps(job | {"work": str(work)}).encode(), wait_s)
            except subprocess.TimeoutExpired:
                return Mark(False, f"{LATE}{wait_s:g} s")
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            verdict.seek(0)
            try:
                said = json.loads(verdict.read())
            except ValueError:
                return Mark(False, f"{CHAPTER_FAILED}the judge gave no verdict")
    return Mark(bool(said["passed"]), _clean(said["reason"]))


def _job(chapter: nbformat.NotebookNode, exercise: Exercise, code: str) -> dict:
    solution, check = (chapter.cells[at].source for at in (exercise.solution, exercise.check))
    before = context(chapter, exercise, f"{solution}\n{code}")
    return {
        "context": [with_parameters(source, quick=True) for source in before],
        "solution": solution, "check": check, "answer": code,
    }  # fmt: skip


def on_cohort(chapter: nbformat.NotebookNode, cohort: str) -> nbformat.NotebookNode:
    """The chapter as if its parameter ``cohort`` said so."""
    other = copy.deepcopy(chapter)
    for cell in other.cells:
        if cell.cell_type == "code":
            cell.source = with_parameters(cell.source, cohort=cohort)
    return other


def _clean(text: str) -> str:
    """Words that a student's code may have chosen, fit for a table: one line, no control characters, not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in ANSI.sub("", text)).split())
    return line[:300]


class Marks:
    """Marks kept in a file by what was judged, so that a second call grades only what is new or changed."""

    def __init__(self, path: Path | None):
        self.path, self.kept = path, {}
        try:
            found = json.loads(path.read_text("utf-8")) if path else {}
            self.kept = {key: Mark(bool(passed), str(reason)) for key, (passed, reason) in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            pass  # graded anew

    def of(self, chapter, exercise, code: str | None, limit_s: float, again: bool = False) -> Mark:
        key = hashlib.sha256(json.dumps([_job(chapter, exercise, code or ""), cage.isolated()]).encode()).hexdigest()
        if again or key not in self.kept:
            found = mark(chapter, exercise, code, limit_s)
            if found.reason.startswith((CHAPTER_FAILED, LATE)):
                return found  # of the machine or the moment: tried again next time
            self.kept[key] = found
            if self.path:
                rows = {key: [found.passed, found.reason] for key, found in self.kept.items()}
                write_text(self.path, json.dumps(rows, indent=0) + "\n")
        return self.kept[key]


def grade(
    students: list[Student], chapters: dict[str, nbformat.NotebookNode], limit_s: float = LIMIT_S,
    marks: Marks | None = None, again: bool = False, tell: Callable[[str], None] = print,
) -> Iterator[pd.DataFrame]:  # fmt: skip
    """The table after each student: points by exercise (``01_data 1``), ``points``, ``of``, ``percent``, ``notes``.

    Everybody is in it from the first; who is not graded yet has no points and says so.
    """
    marks = marks or Marks(None)
    known = [name for name in chapters if any(name in student.notebooks for student in students)]
    columns = {name: exercises(chapters[name], name) for name in known}
    of = sum(exercise.points for name in known for exercise in columns[name])
    rows = [
        {"student": student.name} | {f"{name} {e.number}": 0.0 for name in known for e in columns[name]}
        | {"points": 0.0, "of": float(of), "percent": 0.0, "notes": "not graded yet"} for student in students
    ]  # fmt: skip
    for student, row in zip(students, rows, strict=True):
        notes = list(student.notes)
        for name in known:
            notebook = student.notebooks.get(name)
            if notebook is None:
                if not any(note.startswith((f"{name}:", "nothing")) for note in notes):
                    notes.append(f"{name}: not handed in")
                continue
            for exercise in columns[name]:
                found = marks.of(chapters[name], exercise, answer(notebook, chapters[name], exercise), limit_s, again)
                row[f"{name} {exercise.number}"] = float(exercise.points) if found.passed else 0.0
                row["points"] += row[f"{name} {exercise.number}"]
                if found.reason:
                    notes.append(f"{name} {exercise.number}: {found.reason}")
        row["percent"] = round(100 * row["points"] / of, 1) if of else 0.0
        row["notes"] = " | ".join(notes)
        tell(f"{student.name}: {row['points']:g} of {of:g} points")
        yield pd.DataFrame(rows)
    if not students:
        yield pd.DataFrame(rows, columns=["student", "points", "of", "percent", "notes"])
