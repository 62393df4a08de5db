"""``patchtype data``: have every public file that a cohort needs, whole, before anything runs."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TextIO

from patchtype.cohorts.cohort import SOURCES
from patchtype.cohorts.registry import DataAbsent, DataUnavailable, fetch, public_files
from patchtype.cohorts.tables import SCHEMAS, TableError, read
from patchtype.settings import COHORT

#: Exit status when the data cannot be had.
NO_DATA = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also the files that only external validation reads")
    parser.add_argument("--list", action="store_true", help="list the registered files and fetch nothing")
    parser.add_argument(
        "--choose", action="store_true",
        help=f"print the cohort to use: that of {COHORT}, or else published where its tables can be had, or else "
        "simulated; what is found goes to standard error",
    )


def main(args: argparse.Namespace) -> int:
    """Fetch, check and validate; prints a line per file. Exit 3 and one sentence when a file cannot be had."""
    if args.list:
        for row in public_files().values():
            print(f"{row.name:<40} {row.bytes / 1e6:5.1f} MB  {row.holds}")
        return 0
    try:
        if args.choose:
            print(choose(os.environ.get(COHORT, "")))
        else:
            check(args.all)
    except (DataUnavailable, TableError) as error:
        print(f"No data: {error}", file=sys.stderr)
        return NO_DATA
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def check(everything: bool = False, out: TextIO | None = None) -> None:
    """Fetch and validate the files, with a line for each on ``out`` (standard output)."""
    for row in public_files().values():
        if row.name in SCHEMAS:
            print(f"{row.name:<40} {len(read(row.name)):>6,} rows, whole and valid", file=out)
        elif everything:
            print(f"{fetch(row.name).name:<40} {'':>6} whole", file=out)


def choose(asked: str) -> str:
    """The cohort of a book on this machine: the one asked for, or published, or simulated where there is no data.

    Raises DataUnavailable or TableError when the tables are needed and damaged, or asked for and absent;
    ValueError for another word.
    """
    if asked and asked not in SOURCES:
        raise ValueError(f"{COHORT} is {asked!r}; it must be one of {', '.join(SOURCES)}")
    if asked == "simulated":
        return asked
    try:
        check(out=sys.stderr)
    except DataAbsent as error:
        if asked:
            raise
        print(f"No data, so the book is built on the package's simulated cells: {error}", file=sys.stderr)
        return "simulated"
    return asked or "published"
