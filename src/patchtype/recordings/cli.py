"""``patchtype extract``: recordings in, feature families and a verdict per cell out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from patchtype.arguments import jobs, seconds
from patchtype.recordings import batch, quality, results, sources
from patchtype.recordings.commands import KINDS
from patchtype.recordings.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", nargs="+",
        help="NWB 2 or Axon files (.nwb, .abf), folders, addresses, or a dandiset such as 000020/0.210913.1639",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results; a stopped run goes on there")
    parser.add_argument("--electrode", metavar="NAME", help="only this electrode of files with several; without it "
                        "each electrode is a cell of its own")
    parser.add_argument("--protocol", action="append", default=[], type=protocol, metavar="NAME=KIND",
                        help="what the stimulus of that name is, such as FI_curve=long_square, where the command does "
                        f"not show it; * is every name; one of {', '.join(KINDS)}; repeatable")
    jobs(parser, least=0, help="processes (default: one per core; 0: none beside this one)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="work on this Dask cluster instead")
    parser.add_argument("--stream", action="store_true",
                        help="read remote NWB files in blocks: less traffic, more waiting; all blocks come from one "
                        "version of the file, but its checksum is compared only where every block was read")
    parser.add_argument("--cache", metavar="DIR", help="where a worker keeps the one file it has fetched")
    parser.add_argument("--timeout", type=seconds, default=60.0, help="seconds without a byte that end an attempt")
    parser.add_argument("--drop-failed-sweeps", action="store_true", help="leave out sweeps beyond ipfx's limits")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="CODE", choices=sorted(quality.waivable()),
        help="a quality reason that costs nothing this time, such as no_short_squares; repeatable",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object with every cell's verdict instead")
    parser.add_argument("--dry-run", action="store_true", help="only say how many files and GB")
    parser.add_argument("--dandi-api", metavar="URL", help=argparse.SUPPRESS)
    parser.epilog = ("Exit status: 0 there are results; 1 not one recording passed, the reasons are printed; "
                     "2 the call was wrong, or the disk is full.")


def protocol(text: str) -> tuple[str, str]:
    """A stimulus name and what it is, as ``--protocol`` takes them.

    >>> protocol("FI_curve=long_square")
    ('FI_curve', 'long_square')
    """
    name, _, kind = text.rpartition("=")
    if not name or kind not in KINDS:
        raise argparse.ArgumentTypeError(
            f"found {clean(text)!r}, expected NAME=KIND with a kind among {', '.join(KINDS)}")
    return name, kind


def main(args: argparse.Namespace) -> int:
    """Extract; 0 when it could do its work, 1 when not one recording passed, 2 when the call was wrong."""
    try:
        return _extract(args)
    except OSError as error:
        if error.errno not in batch.FULL:
            raise
        print(f"error: found no space left on the disk at {clean(error.filename or args.out)}, expected room for the "
              "results; free some and give the same command again, finished cells are kept", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _extract(args: argparse.Namespace) -> int:
    assets = sources.find(args.source, args.dandi_api)
    said = batch.plan(assets, args.out)
    if args.dry_run:
        print(json.dumps({"plan": said}) if args.json else said)
        return 0
    if not args.json:
        print(said)
    options = batch.Options(
        args.drop_failed_sweeps, tuple(args.allow), args.electrode, tuple(args.protocol), args.stream, args.cache,
        timeout=args.timeout,
    )
    table = batch.run(assets, args.out, options, workers=args.jobs, scheduler=args.scheduler)
    results.carry_labels([Path(source) for source in args.source if Path(source).is_dir()], args.out)
    if args.json:
        print(summary(table, args.out))
    else:
        print(results.funnel(table).to_string(index=False))
        for row in table[table["passed"] & (table["no_families"] != "")].head(20).itertuples():
            print(f"{row.cell_id}: {row.n_features} features, no vector families: {row.no_families}")
        for row in table[~table["passed"]].head(20).itertuples():
            print(f"{row.cell_id}: {row.explanation}")
        if (~table["passed"]).sum() > 20:
            print(f"and {(~table['passed']).sum() - 20} more in {clean(args.out / 'cells.csv')}")
    return 0 if table["passed"].any() else 1


def summary(table: pd.DataFrame, out: Path) -> str:
    """What a run gave, for programs: one JSON object in ASCII.

    Keys: ``out``, ``recordings``, ``passed``, ``cells``; a cell has the columns of ``cells.csv`` that are text, see
    `results.cell_table`, with ``reasons`` and ``notes`` as lists of codes.
    """
    cells = table.select_dtypes(["string", "bool"]).to_dict("records")
    for cell in cells:
        cell |= {kind: [code for code in cell[kind].split(";") if code] for kind in ("reasons", "notes")}
    return json.dumps({"out": str(out), "recordings": len(cells), "passed": int(table["passed"].sum()), "cells": cells})
