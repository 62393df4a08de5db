"""``patchtype simulate``: recordings of model neurons, to try the other commands on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from patchtype.arguments import count, jobs, share
from patchtype.simulation import cell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cells", type=count, required=True, metavar="N", help="how many recordings")
    parser.add_argument("--out", type=Path, required=True, help="folder of the NWB files; a stopped run goes on there")
    parser.add_argument("--species", choices=["mouse", "human"], default="mouse")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same cells")
    parser.add_argument("--bad-share", type=share, default=0.1, help="share of cells with a defect, at least one")
    parser.add_argument("--mies", action="store_true", help="write what MIES writes beside the sweeps")
    jobs(parser, default=0, least=0, help="processes (default 0: this one)")


def main(args: argparse.Namespace) -> int:
    """Simulate; 0 when the recordings are there, 2 when the call was wrong."""
    try:
        return _simulate(args)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _simulate(args: argparse.Namespace) -> int:
    made = cell.simulate(
        args.cells, args.out, args.seed, args.species, args.bad_share, args.mies, args.jobs
    )
    for _ in tqdm(made, total=args.cells, unit="cell", delay=0.5):  # no bar before a call that is refused
        pass
    print(f"{args.cells} simulated {args.species} recordings in {args.out}; labels.csv says what each of them is")
    return 0
