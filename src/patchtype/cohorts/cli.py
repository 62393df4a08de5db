"""``patchtype data``: have every public file that a cohort needs, whole, before anything runs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict

from patchtype.cohorts.cohort import SOURCES
from patchtype.cohorts.registry import DataAbsent, PublicFile, fetch, public_files
from patchtype.cohorts.tables import SCHEMAS, TableError, read
from patchtype.settings import COHORT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also the files that only external validation reads")
    parser.add_argument("--list", action="store_true", help="list the registered files and fetch nothing")
    parser.add_argument(
        "--choose", action="store_true",
        help=f"print the cohort to use: that of {COHORT}, or else published where its tables can be had, or else "
        "simulated; what is found goes to standard error",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a line per file")


def main(args: argparse.Namespace) -> int:
    """Fetch, check and validate; prints a line per file. Raises where one cannot be had."""
    try:
        if args.choose:
            cohort = choose(os.environ.get(COHORT, ""))
            print(json.dumps({"cohort": cohort}) if args.json else cohort)
        elif args.json:
            found = [(row, None) for row in public_files().values()] if args.list else checked(args.all)
            print(json.dumps({"files": [asdict(row) | {"rows": rows} for row, rows in found]}))
        elif args.list:
            for row in public_files().values():
                print(f"{row.name:<40} {row.bytes / 1e6:5.1f} MB  {row.holds}")
        else:
            for each in checked(args.all):
                print(told(*each), flush=True)
    except TableError:
        raise
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def checked(everything: bool = False) -> Iterator[tuple[PublicFile, int | None]]:
    """Fetch and validate the files: each with the number of its rows, None where it is no table that is read here."""
    for row in public_files().values():
        if row.name in SCHEMAS:
            yield row, len(read(row.name))
        elif everything:
            fetch(row.name)
            yield row, None


def told(row: PublicFile, rows: int | None) -> str:
    """The line for a file that was checked."""
    return f"{row.name:<40} {'':>6} whole" if rows is None else f"{row.name:<40} {rows:>6,} rows, whole and valid"


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
        for each in checked():
            print(told(*each), file=sys.stderr)
    except DataAbsent as error:
        if asked:
            raise
        print(f"No data, so the book is built on the package's simulated cells: {error}", file=sys.stderr)
        return "simulated"
    return asked or "published"
