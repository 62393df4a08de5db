"""``patchtype experiments``: what chapters 5, 7 and 8 read beside the transfer and the better model, run and kept.

Each experiment is one of `patchtype.evaluation.archive`, written when it is done; those that are there are left
alone unless ``--again`` is given. Its pieces are put aside in ``_build/experiments`` as they are made, so a run that
was stopped goes on from there.
"""

from __future__ import annotations

import argparse
import shutil
import time
import warnings
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from patchtype import settings
from patchtype.evaluation import archive
from patchtype.experiments import experiment, human_to_mouse, layer, nearby, networks
from patchtype.experiments.experiment import Piece, load
from patchtype.files import read_parquet, write_parquet, write_text

EXPERIMENTS = {
    name: each for module in (networks, layer, human_to_mouse, nearby) for name, each in module.EXPERIMENTS.items()
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", choices=[[], *EXPERIMENTS], default=[], metavar="NAME",
                        help=f"which ones (default all): {', '.join(EXPERIMENTS)}")
    experiment.add_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run what is not there yet, one line per experiment."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", "The least populated class in y has only")
    folder, data = args.folder or settings.science_folder(), load(args.cohort)
    for name in experiment.missing(args.names or EXPERIMENTS, lambda name: EXPERIMENTS[name].cells(data), args.again,
                                   folder):
        wanted = EXPERIMENTS[name]
        cells = wanted.cells(data)
        aside = settings.build_folder() / "experiments" / f"{name}-{archive.identity(cells)}"
        if args.again:
            shutil.rmtree(aside, ignore_errors=True)
        made = [made_once(piece, aside / f"{number:04d}") for number, piece in
                enumerate(tqdm(wanted.pieces(data, cells), desc=name, disable=None, leave=False))]
        predictions, seconds = pd.concat([table for table, _ in made], ignore_index=True), sum(s for _, s in made)
        experiment.keep(name, predictions, wanted.protocol, cells, seconds, folder, wanted.steps)
        shutil.rmtree(aside)
    return 0


def made_once(piece: Piece, path: Path) -> tuple[pd.DataFrame, float]:
    """What a piece makes and the CPU seconds that took, read from a file if an earlier run came so far."""
    table, seconds = path.with_suffix(".parquet"), path.with_suffix(".txt")
    if not seconds.exists():  # it is written last, so that its presence says that the table is whole
        start = time.process_time()
        made = piece()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(table, made)
        write_text(seconds, f"{time.process_time() - start:.3f}\n")
    return read_parquet(table), float(seconds.read_text())
