"""The teaching subcommands of ``python -m bookpress``."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

from bookpress.project import BookError, Project


def seconds(text: str) -> float:
    """A positive, finite number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a positive number of seconds")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    command = parser.prog.split()[-1]
    if command == "grade":
        parser.add_argument("folder", type=Path, nargs="+", help="folders or zips with what was handed in")
        parser.add_argument("--roster", type=Path, help="CSV with one row a student; everybody in it has a grade")
        parser.add_argument("--anonymous", action="store_true", help="numbers for names; the key is beside the grades")
        parser.add_argument("--export", nargs="+", choices=("moodle", "canvas"), help="also tables to import there")
        parser.add_argument("--again", action="store_true", help="grade also what was graded before and is unchanged")
        parser.add_argument("--out", type=Path, default=Path("grades.csv"), help="table of grades (default grades.csv)")
        parser.add_argument("--chapters", type=Path, help="folder of the instructor's notebooks (default: the book's)")
        parser.add_argument("--cohort", help="cells to judge on, such as simulated, which needs no tables")
        parser.add_argument("--limit", type=seconds, default=120.0, metavar="SECONDS",
                            help="processor time of an answer, and of its check (default 120)")  # fmt: skip
    parser.add_argument("--root", type=Path, default=Path("."), help="folder that holds _toc.yml")
    parser.set_defaults(command=command)


def main(args: argparse.Namespace) -> int:
    try:
        return {"student": _student, "grade": _grade, "slides": _slides}[args.command](args)
    except BookError as error:
        print(error, file=sys.stderr)
        return 1


def _student(args: argparse.Namespace) -> int:
    from bookpress.course.bundle import KINDS, write
    from bookpress.files import write_sums

    zips = [write(Project(args.root).check(), kind) for kind in KINDS]
    for path in [*zips, write_sums(zips)]:
        print(f"wrote {path} ({path.stat().st_size / 1000:,.0f} kB)")
    return 0


def _grade(args: argparse.Namespace) -> int:
    import nbformat

    from bookpress.course import cage, gradebook
    from bookpress.course.collect import collect
    from bookpress.course.exercises import BEGIN, exercises
    from bookpress.course.grade import CHAPTER_FAILED, Marks, grade, on_cohort
    from bookpress.notebook import pair, sources

    if args.out.is_dir() or (args.out.parent.exists() and not args.out.parent.is_dir()):
        raise BookError(f"found no place for a file at {args.out}, expected a name such as grades.csv; change --out.")
    for folder in args.folder:
        if not folder.is_dir() and not (folder.is_file() and folder.suffix == ".zip"):
            raise BookError(
                f"found no folder {folder}, expected one that holds a folder for each student; check the path."
            )
    if args.chapters:
        chapters = {p.stem: nbformat.read(p, as_version=4) for p in sorted(args.chapters.glob("[0-9][0-9]_*.ipynb"))}
    else:
        chapters = {source.stem: pair(source) for source in sources(Project(args.root))}
    where = args.chapters or args.root / "notebooks"
    students = collect(args.folder, chapters, args.roster)
    if not chapters:
        raise BookError(f"found no chapter NN_name in {where}; name the instructor's folder with --chapters.")
    if not any(BEGIN in cell.source for chapter in chapters.values() for cell in chapter.cells):
        raise BookError(f"found no answer in the chapters of {where}; name the instructor's folder, not a student's.")
    cohorts, cohort = cage.settings().cohorts, args.cohort or os.environ.get("HELPERS_COHORT")
    if cohort:
        if cohort not in cohorts:
            raise BookError(f"found the cohort {cohort!r}, expected one of {', '.join(cohorts)}; change --cohort.")
        chapters = {name: on_cohort(chapter, cohort) for name, chapter in chapters.items()}
    print(cage.described(), file=sys.stderr)
    stem = args.out.with_suffix("")
    table, marks = None, Marks(stem.with_name(f"{stem.name}-marks.json"))
    for table in grade(students, chapters, args.limit, marks, args.again):
        shown = gradebook.anonymous(table, stem.with_name(f"{stem.name}-names.csv")) if args.anonymous else table
        gradebook.write_csv(shown, args.out)
    worth = {f"{name} {exercise.number}": exercise.points for name in chapters for exercise in
             exercises(chapters[name], name) if f"{name} {exercise.number}" in table}  # fmt: skip
    written = gradebook.write_feedback(shown, worth, stem.with_name(f"{stem.name}-feedback"))
    print(f"wrote {args.out} and {len(written)} files of feedback in {stem.name}-feedback")
    for name in args.export or ():
        made = gradebook.moodle(table, students) if name == "moodle" else gradebook.canvas(table, students, stem.name)
        gradebook.write_csv(made, stem.with_name(f"{stem.name}-{name}.csv"))
        print(f"wrote {stem.with_name(f'{stem.name}-{name}.csv')}")
    if table["notes"].str.contains(CHAPTER_FAILED, regex=False).any():
        print("some exercises could not be graded: the chapter's own cells failed, not the students'; the column notes "
              "says why. Put that right and grade again; where the public tables are missing, --cohort simulated does "
              "without them.", file=sys.stderr)
        return 1
    return 0


def _slides(args: argparse.Namespace) -> int:
    from bookpress.course.slides import write

    print(f"wrote {write(Project(args.root))}")
    return 0
