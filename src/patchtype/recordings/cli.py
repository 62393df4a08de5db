"""``patchtype extract``: recordings in, feature families and a verdict per cell out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from patchtype.arguments import jobs, seconds
from patchtype.recordings import batch, quality, results, sources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", nargs="+",
        help="NWB files, folders, addresses, or a dandiset with version such as 000020/0.210913.1639",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results; a stopped run goes on there")
    jobs(parser, least=0, help="processes (default: one per core; 0: none beside this one)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="work on this Dask cluster instead")
    parser.add_argument("--stream", action="store_true", help="read remote files in blocks: less traffic, more waiting")
    parser.add_argument("--cache", metavar="DIR", help="where a worker keeps the one file it has fetched")
    parser.add_argument("--timeout", type=seconds, default=60.0, help="seconds without a byte that end an attempt")
    parser.add_argument("--drop-failed-sweeps", action="store_true", help="leave out sweeps beyond ipfx's limits")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="CODE", choices=sorted(quality.RULES),
        help="a quality reason that costs no cell this time, such as no_short_squares; repeatable",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say how many files and GB")
    parser.add_argument("--dandi-api", metavar="URL", help=argparse.SUPPRESS)
    parser.epilog = ("Exit status: 0 there are results; 1 not one recording passed, the reasons are printed; "
                     "2 the call was wrong.")


def main(args: argparse.Namespace) -> int:
    """Extract; 0 when it could do its work, 1 when not one recording passed, 2 when the call was wrong."""
    try:
        return _extract(args)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _extract(args: argparse.Namespace) -> int:
    assets = sources.find(args.source, args.dandi_api)
    print(batch.plan(assets, args.out))
    if args.dry_run:
        return 0
    options = batch.Options(
        args.drop_failed_sweeps, tuple(args.allow), args.stream, args.cache, timeout=args.timeout
    )
    table = batch.run(assets, args.out, options, workers=args.jobs, scheduler=args.scheduler)
    results.carry_labels([Path(source) for source in args.source if Path(source).is_dir()], args.out)
    print(results.funnel(table).to_string(index=False))
    for row in table[~table["passed"]].head(20).itertuples():
        print(f"{row.cell_id}: {row.explanation}")
    if (~table["passed"]).sum() > 20:
        print(f"and {(~table['passed']).sum() - 20} more in {args.out / 'cells.parquet'}")
    return 0 if table["passed"].any() else 1
