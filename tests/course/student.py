"""A student with nothing but the bundle: install by its README, work through chapters, hand in, be graded.

``python -m tests.course.student 01_data``: every wrong answer that is listed is tried first, then a right one. Ann
hands in what she has then, Bob the untouched notebooks. The instructor's bundle grades both: Ann has all points, Bob
none. Says what each step took. ``make check-student`` is the same. A room without network is
``unshare -n python -m tests.course.student 01_data 02_quality_control --cohort simulated --environment FOLDER``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pandas as pd
from nbformat.v4 import new_code_cell

from bookpress.course import bundle
from bookpress.course.exercises import exercises
from bookpress.notebook import with_parameters
from bookpress.project import Project

from .attempts import ANSWERS, ROOT, answers, in_place


def clean() -> dict[str, str]:
    """This process's environment without what names the repository, its packages or its settings."""
    ours = ("PYTHONPATH", "VIRTUAL_ENV", "HELPERS_BUILD", "HELPERS_COHORT", "HELPERS_QUICK", "HELPERS_SCIENCE")
    return {name: value for name, value in os.environ.items() if name not in ours}


def called(words: Sequence[str | Path], folder: Path) -> tuple[float, int]:
    """Run a command in a folder, and end with what it said where it fails; seconds, and MB at its most."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(list(map(str, words)), cwd=folder, env=clean(), stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            said.seek(0)
            sys.exit(f"{' '.join(map(str, words))} failed:\n{said.read().decode(errors='replace')[-3000:]}")
    return time.monotonic() - begun, used.ru_maxrss // (1024 if sys.platform == "linux" else 1 << 20)


def install(folder: Path) -> None:
    """The lines of the README up to the one that installs the requirements."""
    block = re.search(r"```console\n(.+?)```", (folder / "README.md").read_text("utf-8"), re.DOTALL)[1]
    lines = [line.removeprefix("$ ").partition("#")[0].strip() for line in block.splitlines()]
    last = next(i for i, line in enumerate(lines) if "-r requirements.txt" in line)
    for line in lines[: last + 1]:
        words = line.replace("python3 ", f"{sys.executable} ", 1).split()
        try:
            print(f"{line}: {called(words, folder)[0]:.0f} s", flush=True)
        except SystemExit as error:  # of torch's own index alone: the README says to go on
            if "--index-url" not in line:
                raise
            print(f"{line}: {str(error).strip().splitlines()[-1]}", flush=True)
    size = sum(path.lstat().st_size for path in (folder / ".venv").rglob("*") if path.is_file())
    print(f"the environment: {size / 1e9:.1f} GB", flush=True)


def at_work(notebook: nbformat.NotebookNode, chapter: nbformat.NotebookNode, name: str) -> dict[str, tuple[str, str]]:
    """Put into a student's notebook, for each exercise, all wrong answers with the check after each, then a right one.

    Returns the id of each check's cell: right or wrong, and which answer it judges.
    """
    kinds: dict[str, tuple[str, str]] = {}
    cells = {cell["id"]: cell for cell in notebook.cells}
    for exercise in exercises(chapter, name):
        solution, check = (chapter.cells[at] for at in (exercise.solution, exercise.check))
        listed = [answer for answer in answers(name) if answer[0] == exercise.number]
        wrong, right = ([answer for answer in listed if answer[1] == kind] for kind in ("wrong", "right"))
        worked = []
        for n, (number, kind, form, _, code) in enumerate([*wrong, right[0]]):
            source = "\n".join(filter(None, in_place(solution.source, code)))
            tags = {"tags": ["raises-exception"]}
            answer = new_code_cell(source, id=f"answer-{number}-{n}", metadata=dict(tags))
            judge = new_code_cell(check.source, id=f"check-{number}-{n}", metadata=dict(tags))
            kinds[judge["id"]] = kind, f"{name} {number}, {form}"
            worked += [answer, judge]
        last = cells[solution["id"]]
        last.source = worked[-2].source  # what is handed in
        kinds[check["id"]] = "right", f"{name} {exercise.number}, {right[0][2]}"
        at = notebook.cells.index(last)
        notebook.cells[at:at] = worked[:-2]
        kinds.pop(worked[-1]["id"])
    return kinds


def complaint(cell: nbformat.NotebookNode) -> str:
    """What a check that was run says, empty when it passed."""
    for output in cell.outputs:
        if output.output_type == "error":
            return f"{output.ename}: {output.evalue}"
    return ""


def misjudged(notebook: nbformat.NotebookNode, kinds: dict[str, tuple[str, str]]) -> list[str]:
    """Wrong answers that passed, right ones that did not."""
    found = []
    for cell in notebook.cells:
        kind, which = kinds.get(cell["id"], ("", ""))
        said = complaint(cell) if kind else ""
        if (kind == "right") == bool(said) and kind:
            found.append(f"{which}: {said or 'passed'}")
    return found


def work(folder: Path, chapters: Path, name: str, cohort: str, quick: bool) -> tuple[Path, list[str]]:
    """One chapter from its first cell to its last; the notebook to hand in, and what was misjudged."""
    path = folder / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    chapter = nbformat.read(chapters / path.name, as_version=4)
    kinds = at_work(notebook, chapter, name)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = with_parameters(cell.source, cohort=cohort, quick=quick)
    path = folder / f"{name} at work.ipynb"
    nbformat.write(notebook, path)
    execute = [".venv/bin/jupyter", "execute", "--inplace", "--timeout=-1", "--startup_timeout=600"]
    seconds, megabytes = called([*execute, path.name], folder)
    notebook = nbformat.read(path, as_version=4)
    found = misjudged(notebook, kinds)
    tried = [kind for kind, _ in kinds.values()]
    print(f"{name}: {seconds:.0f} s, {megabytes:,} MB; {tried.count('wrong')} wrong answers and {tried.count('right')} "
          f"right ones, {len(found)} misjudged", *found, sep="\n  ", flush=True)  # fmt: skip
    notebook.cells = [cell for cell in notebook.cells if not re.match(r"(answer|check)-\d+-\d+$", cell["id"])]
    nbformat.write(notebook, path)
    return path, found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.course.student", description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", default=["01_data"], help="such as 01_data, its default")
    parser.add_argument("--cohort", default="published", choices=("published", "simulated"), help="cells to work on")
    parser.add_argument("--quick", action="store_true", help="with quick = True, as on a slow laptop")
    parser.add_argument("--environment", type=Path, help="one that is ready, in place of a new one by the README")
    args = parser.parse_args(argv)
    known = sorted(path.stem for path in ANSWERS.glob("*.txt"))
    if unknown := [name for name in args.chapters if name not in known]:
        parser.error(f"found the chapter {unknown[0]!r}, expected one of {', '.join(known)}")
    with tempfile.TemporaryDirectory(prefix="course-") as place:
        for kind in bundle.KINDS:
            zipfile.ZipFile(bundle.write(Project(ROOT).check(), kind)).extractall(place)
        student, instructor = (Path(place, kind) for kind in bundle.KINDS)
        if args.environment:
            (student / ".venv").symlink_to(args.environment.resolve())
        else:
            install(student)
        (instructor / ".venv").symlink_to((student / ".venv").resolve())
        found = []
        for name in args.chapters:
            done, wrong = work(student, instructor, name, args.cohort, args.quick)
            found += wrong
            for who, handed_in in (("Ann", done), ("Bob", student / f"{name}.ipynb")):
                (student / "in" / who).mkdir(parents=True, exist_ok=True)
                shutil.copy(handed_in, student / "in" / who / f"{name}.ipynb")
        if (student / "_build").is_dir():
            shutil.copytree(student / "_build", instructor / "_build")
        command = [".venv/bin/python", "-m", "bookpress", "grade", student / "in", "--chapters", "."]
        command += ["--cohort", args.cohort]
        seconds, _ = called(command, instructor)
        table = pd.read_csv(instructor / "grades.csv").set_index("student")
        print(f"graded in {seconds:.0f} s", table.drop(columns="notes").T.to_string(), sep="\n")
        print(*table["notes"].dropna()[["Ann"] if pd.notna(table.loc["Ann", "notes"]) else []], sep="\n", end="")
        return int(bool(found) or table["percent"].to_dict() != {"Ann": 100.0, "Bob": 0.0})


if __name__ == "__main__":
    sys.exit(main())
