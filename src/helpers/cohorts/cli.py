"""``python -m helpers data``: have every public file that a cohort needs, whole, before anything runs."""

from __future__ import annotations

import argparse
import sys

from helpers.cohorts.registry import DataUnavailable, fetch, public_files
from helpers.cohorts.tables import SCHEMAS, TableError, read

#: Exit status when the data cannot be had.
NO_DATA = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also the files that only external validation reads")
    parser.add_argument("--list", action="store_true", help="list the registered files and fetch nothing")


def main(args: argparse.Namespace) -> int:
    """Fetch, check and validate; prints a line per file. Exit 3 and one sentence when a file cannot be had."""
    if args.list:
        for row in public_files().values():
            print(f"{row.name:<40} {row.bytes / 1e6:5.1f} MB  {row.holds}")
        return 0
    try:
        for row in public_files().values():
            if row.name in SCHEMAS:
                print(f"{row.name:<40} {len(read(row.name)):>6,} rows, whole and valid")
            elif args.all:
                print(f"{fetch(row.name).name:<40} {'':>6} whole")
    except (DataUnavailable, TableError) as error:
        print(f"No data: {error}", file=sys.stderr)
        return NO_DATA
    return 0
