"""The teaching subcommands of ``python -m bookpress``."""

from __future__ import annotations

import argparse
import math
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
        parser.add_argument("folder", type=Path, help="one folder a student, with notebooks NN_name.ipynb")
        parser.add_argument("--out", type=Path, default=Path("grades.csv"), help="table of grades (default grades.csv)")
        parser.add_argument("--chapters", type=Path, help="folder of the instructor's notebooks (default: the book's)")
        parser.add_argument("--limit", type=seconds, default=120.0, metavar="SECONDS", help="time of one cell")
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

    from bookpress.course.exercises import BEGIN
    from bookpress.course.grade import CHAPTER_FAILED, grade, submissions, write_grades
    from bookpress.notebook import pair, sources

    submissions(args.folder)  # what can be wrong with the call is told before the first minute of grading
    if args.out.is_dir() or (args.out.parent.exists() and not args.out.parent.is_dir()):
        raise BookError(f"found no place for a file at {args.out}, expected a name such as grades.csv; change --out.")
    if args.chapters:
        chapters = {p.stem: nbformat.read(p, as_version=4) for p in sorted(args.chapters.glob("[0-9][0-9]_*.ipynb"))}
    else:
        chapters = {source.stem: pair(source) for source in sources(Project(args.root))}
    where = args.chapters or args.root / "notebooks"
    if not chapters:
        raise BookError(f"found no chapter NN_name in {where}; name the instructor's folder with --chapters.")
    if not any(BEGIN in cell.source for chapter in chapters.values() for cell in chapter.cells):
        raise BookError(f"found no answer in the chapters of {where}; name the instructor's folder, not a student's.")
    table = grade(args.folder, chapters, args.limit)
    write_grades(table, args.out)
    print(f"wrote {args.out}")
    if table["notes"].str.contains(CHAPTER_FAILED, regex=False).any():
        print("some exercises could not be graded: the chapter's own cells failed, not the students'; the column notes "
              "says why. Put that right and grade again.", file=sys.stderr)
        return 1
    return 0


def _slides(args: argparse.Namespace) -> int:
    from bookpress.course.slides import write

    print(f"wrote {write(Project(args.root))}")
    return 0
