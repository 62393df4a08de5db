"""The teaching subcommands of ``python -m helpers``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from helpers.book.project import BookError, Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    command = parser.prog.split()[-1]
    if command == "grade":
        parser.add_argument("folder", type=Path, help="one folder a student, with notebooks NN_name.ipynb")
        parser.add_argument("--out", type=Path, default=Path("grades.csv"), help="table of grades (default grades.csv)")
        parser.add_argument("--chapters", type=Path, help="folder of the instructor's notebooks (default: the book's)")
        parser.add_argument("--limit", type=_seconds, default=120.0, metavar="SECONDS", help="time of one cell")
    parser.add_argument("--root", type=Path, default=Path("."), help="folder that holds _toc.yml")
    parser.set_defaults(command=command)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text}, expected a positive number of seconds")
    return seconds


def main(args: argparse.Namespace) -> int:
    try:
        return {"student": _student, "grade": _grade, "slides": _slides}[args.command](args)
    except BookError as error:
        print(error, file=sys.stderr)
        return 1


def _student(args: argparse.Namespace) -> int:
    from helpers.files import write_sums
    from helpers.teaching.bundle import KINDS, write

    zips = [write(Project(args.root), kind) for kind in KINDS]
    for path in [*zips, write_sums(zips)]:
        print(f"wrote {path} ({path.stat().st_size / 1000:,.0f} kB)")
    return 0


def _grade(args: argparse.Namespace) -> int:
    import nbformat

    from helpers.book.notebook import pair, sources
    from helpers.teaching.grade import grade, write_grades

    if args.chapters:
        chapters = {p.stem: nbformat.read(p, as_version=4) for p in sorted(args.chapters.glob("[0-9][0-9]_*.ipynb"))}
    else:
        chapters = {source.stem: pair(source) for source in sources(Project(args.root))}
    if not chapters:
        raise BookError(f"found no chapter NN_name in {args.chapters or args.root / 'notebooks'}; name their folder.")
    table = grade(args.folder, chapters, args.limit)
    write_grades(table, args.out)
    print(f"wrote {args.out}")
    return 0


def _slides(args: argparse.Namespace) -> int:
    from helpers.teaching.slides import write

    print(f"wrote {write(Project(args.root))}")
    return 0
