"""Grade a folder of submitted notebooks: every exercise alone, in a kernel of its own, under a time limit.

From a submission only the answers are taken. The chapter's own cells prepare the ground and the chapter's own
checks judge, so that neither a changed check nor a broken cell elsewhere in the notebook moves a grade.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pandas as pd
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.validator import NotebookValidationError

import bookpress
from bookpress.course.exercises import Exercise, context, exercises, tags
from bookpress.files import write_text
from bookpress.project import BookError, Project

LIMIT_S = 120
START_S = 180
CHAPTER_FAILED = "the chapter's own cells failed: "
ANSI = re.compile(r"\x1b\[[0-9;]*m")
#: Counts what a check asserts instead of stopping at the first failure; its last line of output is the result.
JUDGE = """
_passed, _failed = 0, []
for _statement, _point in {statements!r}:
    try:
        exec(compile(_statement, "<check>", "exec"), globals())
        _passed += _point
    except AssertionError as _error:
        _failed.append(str(_error))
    except Exception as _error:
        _failed.append(f"{{type(_error).__name__}}: {{_error}}")
import json as _json
print()
print({token!r} + _json.dumps([_passed, _failed]))
"""


@dataclass(frozen=True)
class Mark:
    """Checks passed of one exercise, and why the others were not."""

    passed: int
    checks: int
    reason: str = ""


def statements(check: str) -> list[tuple[str, bool]]:
    """Top-level statements of a check cell, each as source, and whether it asserts: each that does is a point.

    >>> statements("a = 1\\nassert a, 'no'")
    [('a = 1', False), ("assert a, 'no'", True)]
    """
    return [
        (ast.unparse(node), any(isinstance(part, ast.Assert) for part in ast.walk(node)))
        for node in ast.parse(check).body
    ]


def n_checks(check: str) -> int:
    """How many points a check cell gives."""
    return sum(point for _, point in statements(check))


def answer(submission: nbformat.NotebookNode, number: int) -> str | None:
    """Code that a student wrote under the heading of an exercise, checks left out; None without the heading."""
    heading = re.compile(rf"^#+ Exercise {number}\b", re.MULTILINE)
    code: list[str] | None = None
    for cell in submission.cells:
        if cell.cell_type == "markdown":
            if heading.search(cell.source):
                code = []
            elif code is not None and re.search(r"^#{1,3} |^:::", cell.source, re.MULTILINE):
                break
        elif cell.cell_type == "code" and code is not None and "check" not in tags(cell):
            code.append(cell.source)
    return None if code is None else "\n\n".join(code)


def mark(chapter: nbformat.NotebookNode, exercise: Exercise, code: str | None, limit_s: float = LIMIT_S) -> Mark:
    """Run one answer against the chapter's check; never longer than ``limit_s`` a cell, and never raises."""
    check = chapter.cells[exercise.check].source
    total = n_checks(check)
    if code is None:
        return Mark(0, total, "no such heading in the notebook")
    token = f"mark-{os.urandom(8).hex()}:"
    judge = JUDGE.format(statements=statements(check), token=token)
    sources = [*context(chapter, exercise, code), code, judge]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(_quick(source)) for source in sources])
    at = len(sources) - 2
    try:
        _execute(notebook, limit_s)
    except CellTimeoutError:
        return Mark(0, total, f"took longer than {limit_s:g} s")
    except CellExecutionError as error:
        failed = next(i for i, cell in enumerate(notebook.cells) if _failed(cell))
        where = "" if failed >= at else CHAPTER_FAILED
        if error.ename == "NotImplementedError":
            return Mark(0, total, "not answered")
        return Mark(0, total, f"{where}{error.ename}: {ANSI.sub('', error.evalue)}"[:300])
    except (DeadKernelError, RuntimeError) as error:
        return Mark(0, total, f"the kernel died ({error})"[:300])
    outputs = notebook.cells[-1].outputs
    said = "".join(output["text"] for output in outputs if output.get("name") == "stdout")  # warnings go to stderr
    if token not in said:
        return Mark(0, total, "the check gave no result; does the answer end the program or close its output?")
    passed, reasons = json.loads(said.rpartition(token)[2])
    if any(reason.startswith("NotImplementedError") for reason in reasons):  # the stub stands inside a function
        return Mark(0, total, "not answered")
    return Mark(min(passed, total), total, "; ".join(dict.fromkeys(reasons))[:300])


def _quick(source: str) -> str:
    return re.sub(r"^quick = False", "quick = True", source, flags=re.MULTILINE)


def _failed(cell: nbformat.NotebookNode) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def _execute(notebook: nbformat.NotebookNode, limit_s: float) -> None:
    """Run in this interpreter's kernel, in a folder that is removed afterwards.

    It holds only what chapters read: a copy of what earlier ones left behind here, and the kept predictions.
    """
    from bookpress.run import PrivateKernelManager

    here = Path.cwd()
    book = Project(here.parent if here.name == "notebooks" else here)
    kept = book.root / book.settings.kept
    environment = dict(os.environ)
    for name, value in os.environ.items():  # the kernel starts elsewhere
        if name.startswith("HELPERS_") and Path(value).is_dir():
            environment[name] = str(Path(value).resolve())
    package = str(Path(bookpress.__file__).resolve().parents[1])
    with tempfile.TemporaryDirectory(prefix="grade-") as folder:
        left = Path(os.environ.get("HELPERS_BUILD") or book.build) / "predictions"
        if left.is_dir():
            shutil.copytree(left, Path(folder, "_build", "predictions"))
        if kept.is_dir():
            Path(folder, kept.name).symlink_to(kept.resolve())
        environment |= {"HELPERS_BUILD": f"{folder}/_build", "MPLBACKEND": "agg", "PYTHONPATH": package}
        client = NotebookClient(
            notebook, kernel_name="python3", kernel_manager_class=PrivateKernelManager, timeout=limit_s,
            startup_timeout=START_S, interrupt_on_timeout=False, shutdown_kernel="immediate",
            resources={"metadata": {"path": folder}},
        )  # fmt: skip
        client.execute(env=environment)


def submissions(folder: Path) -> list[tuple[str, Path]]:
    """Student and notebook: ``STUDENT/NN_name.ipynb``, one folder a student. BookError when there is none."""
    if not folder.is_dir():
        raise BookError(f"found no folder {folder}, expected one that holds a folder for each student; check the path.")
    found = [(path.parent.name, path) for path in sorted(folder.glob("*/*.ipynb"))]
    if not found:
        raise BookError(f"found no STUDENT/NN_name.ipynb in {folder}, expected one folder a student; check the path.")
    return found


def grade(
    folder: Path, chapters: dict[str, nbformat.NotebookNode], limit_s: float = LIMIT_S, tell=print
) -> pd.DataFrame:
    """One row a student: ``passed``, ``checks``, one column an exercise (``01_data 1``: "3/5") and ``notes``."""
    handed_in = submissions(folder)
    known = [name for name in chapters if any(path.stem == name for _, path in handed_in)]
    columns = {name: exercises(chapters[name], name) for name in known}
    rows = []
    for student in dict.fromkeys(student for student, _ in handed_in):
        mine = {path.stem: path for who, path in handed_in if who == student}
        row, notes = {"student": student, "passed": 0, "checks": 0}, []
        notes += [f"{name}: no chapter of this name" for name in sorted(set(mine) - set(chapters))]
        for name in known:
            notebook, reason = _read(mine.get(name))
            if reason:
                notes.append(f"{name}: {reason}")
            for exercise in columns[name]:
                code = answer(notebook, exercise.number) if notebook else None
                got = (
                    mark(chapters[name], exercise, code, limit_s) if notebook
                    else Mark(0, n_checks(chapters[name].cells[exercise.check].source))
                )  # fmt: skip
                row[f"{name} {exercise.number}"] = f"{got.passed}/{got.checks}"
                row["passed"], row["checks"] = row["passed"] + got.passed, row["checks"] + got.checks
                if got.reason:
                    notes.append(f"{name} {exercise.number}: {got.reason}")
        rows.append(row | {"notes": " | ".join(notes)})
        tell(f"{student}: {row['passed']} of {row['checks']} checks")
    return pd.DataFrame(rows)


def _read(path: Path | None) -> tuple[nbformat.NotebookNode | None, str]:
    if path is None:
        return None, "not handed in"
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except (OSError, ValueError, NotebookValidationError, AttributeError, KeyError) as error:
        return None, f"not a readable notebook ({type(error).__name__})"
    return notebook, ""


def write_grades(table: pd.DataFrame, path: Path) -> None:
    """The table as CSV; whole or not at all."""
    write_text(path, table.to_csv(index=False))
