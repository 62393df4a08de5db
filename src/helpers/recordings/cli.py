"""Command line of the recordings: ``extract`` and ``simulate``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from helpers.arguments import count, processes, seconds, share
from helpers.recordings import batch, quality, results, sources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command in which the parser's ``prog`` ends."""
    command = parser.prog.split()[-1]
    parser.set_defaults(recordings_command=command)
    _COMMANDS[command][0](parser)


def main(args: argparse.Namespace) -> int:
    """Run the command; 0 when it could do its work, 1 when not one recording passed, 2 when the call was wrong."""
    try:
        return _COMMANDS[args.recordings_command][1](args)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _add_extract(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", nargs="+",
        help="NWB files, folders, addresses, or a dandiset with version such as 000020/0.210913.1639",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results; a stopped run goes on there")
    parser.add_argument("--workers", type=processes, default=os.cpu_count(), help="processes (one per core; 0: none)")
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


def _extract(args: argparse.Namespace) -> int:
    assets = sources.find(args.source, args.dandi_api)
    print(batch.plan(assets, args.out))
    if args.dry_run:
        return 0
    options = batch.Options(
        args.drop_failed_sweeps, tuple(args.allow), args.stream, args.cache, timeout=args.timeout
    )
    table = batch.run(assets, args.out, options, workers=args.workers, scheduler=args.scheduler)
    results.carry_labels([Path(source) for source in args.source if Path(source).is_dir()], args.out)
    print(results.funnel(table).to_string(index=False))
    for row in table[~table["passed"]].head(20).itertuples():
        print(f"{row.cell_id}: {row.explanation}")
    if (~table["passed"]).sum() > 20:
        print(f"and {(~table['passed']).sum() - 20} more in {args.out / 'cells.parquet'}")
    return 0 if table["passed"].any() else 1


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cells", type=count, required=True, metavar="N", help="how many recordings")
    parser.add_argument("--out", type=Path, required=True, help="folder of the NWB files; a stopped run goes on there")
    parser.add_argument("--species", choices=["mouse", "human"], default="mouse")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same cells")
    parser.add_argument("--bad-share", type=share, default=0.1, help="share of cells with a defect, at least one")
    parser.add_argument("--mies", action="store_true", help="write what MIES writes beside the sweeps")
    parser.add_argument("--workers", type=processes, default=0, help="processes (default 0: this one)")


def _simulate(args: argparse.Namespace) -> int:
    from helpers.recordings import simulation  # arbor is needed for this command only

    made = simulation.simulate(
        args.cells, args.out, args.seed, args.species, args.bad_share, args.mies, args.workers
    )
    for _ in tqdm(made, total=args.cells, unit="cell", delay=0.5):  # no bar before a call that is refused
        pass
    print(f"{args.cells} simulated {args.species} recordings in {args.out}; cells.csv says what each of them is")
    return 0


_COMMANDS = {"extract": (_add_extract, _extract), "simulate": (_add_simulate, _simulate)}
