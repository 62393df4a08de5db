"""``patchtype science``: every method of the fair comparison, on the same donor-grouped folds, kept.

Each method is one experiment of `patchtype.evaluation.archive`, written when it is done. A run that was interrupted
goes on with the first method that is not there; ``--again`` starts anew.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from dataclasses import replace
from itertools import islice
from pathlib import Path

import joblib
import pandas as pd
from tqdm import tqdm

from patchtype import cohorts, settings
from patchtype.arguments import count, jobs, processes
from patchtype.cohorts import Cohort
from patchtype.evaluation import archive
from patchtype.evaluation.predictions import one_fold
from patchtype.evaluation.protocols import CrossValidation
from patchtype.evaluation.sizes import SIZES, Sample
from patchtype.experiments.methods import METHODS

#: Experiments of the comparison are files with this beginning.
PREFIX = "transfer_"
#: Times that the cells are cut into folds, for all training cells; for samples of them no more than `FEWER`.
REPEATS, FEWER = 10, 3


def base(repeats: int = REPEATS) -> CrossValidation:
    """The folds of the comparison: five, donors apart."""
    return CrossValidation(5, repeats, grouped=True)


def cuts(protocol: CrossValidation, size: int) -> CrossValidation:
    """The folds of one number of training cells, the first of ``protocol``; 0 is all cells.

    >>> str(cuts(base(), 0)), str(cuts(base(), 50)), str(cuts(base(1), 50))
    ('donor-grouped 5-fold x 10', 'donor-grouped 5-fold x 3', 'donor-grouped 5-fold x 1')
    """
    return replace(protocol, n_repeats=min(protocol.n_repeats, FEWER)) if size else protocol


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD",
                        help=f"which ones (default all): {', '.join(METHODS)}")
    parser.add_argument("--cohort", default="published", choices=cohorts.SOURCES, help="whose cells")
    parser.add_argument("--repeats", type=count, default=REPEATS,
                        help=f"times that the cells are cut (default: %(default)s; samples at most {FEWER} times)")
    parser.add_argument("--sizes", type=processes, nargs="+", default=SIZES,
                        help="training cells, 0 for all (default: %(default)s)")
    jobs(parser)
    parser.add_argument("--again", action="store_true", help="run methods that are there already")
    parser.add_argument("--out", type=Path, dest="folder", help="where to keep predictions (default science)")


def main(args: argparse.Namespace) -> int:
    """Run what is not there yet, one line per method; exit 2 for a wrong call."""
    folder = args.folder or settings.science_folder()
    mouse = cohorts.load("mouse", "aligned", source=args.cohort)
    human = cohorts.load("human", "human", source=args.cohort)
    for name in args.methods:
        if not args.again and archive.is_kept(PREFIX + name, human, folder):
            print(f"{name:<20} kept", flush=True)
            continue
        method, protocol = METHODS[name], base(args.repeats)
        try:  # before the first minutes of training
            list(Sample(protocol, max(args.sizes)).folds(human))
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        start = time.perf_counter()
        predictions, seconds = run(name, mouse, human, protocol, args.sizes, args.jobs)
        archive.keep(PREFIX + name, predictions, protocol, folder, cohort=human, title=method.title, twin=method.twin,
                     sizes=list(args.sizes), fewer=str(cuts(protocol, 1)), seed=protocol.seed,
                     cpu_minutes=round(seconds / 60, 2))
        print(f"{name:<20} {seconds / 60:.1f} CPU minutes, {(time.perf_counter() - start) / 60:.1f} in all", flush=True)
    return 0


def run(name: str, mouse: Cohort, human: Cohort, protocol: CrossValidation, sizes, n_jobs: int = 1,
        first: int | None = None) -> tuple[pd.DataFrame, float]:
    """Out-of-fold predictions of one method for each number of training cells, and the CPU seconds they took.

    Parameters: ``mouse`` with the common features and all its classes, ``human`` with all features; ``sizes``,
    training cells, 0 for all; ``first``, only so many folds of each size, for a look.
    The column ``size`` says the training cells, ``model`` the method with its learner.
    """
    begin = time.process_time()
    build = METHODS[name].build(mouse, protocol.n_repeats)
    spent = time.process_time() - begin
    tasks = [(size, fold) for size in sizes
             for fold in islice(Sample(cuts(protocol, size), size).folds(human), first)]
    results = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
        joblib.delayed(_timed)(name, build, human, fold, size) for size, fold in tasks)
    tables, seconds = zip(*tqdm(results, total=len(tasks), desc=name, disable=None, leave=False), strict=True)
    return pd.concat(tables, ignore_index=True), spent + sum(seconds)


def small(mouse: Cohort, human: Cohort) -> pd.DataFrame:
    """Predictions of two methods and their twins on one repeat, for cells that no long run was made of."""
    protocol = base(1)
    least = min(len(fold.train) for fold in protocol.folds(human))
    sizes = [*(size for size in (25, 50) if size < least), 0]
    tables = [run(name, mouse, human, protocol, sizes)[0] for name in ("aligned", "stacked_aligned")]
    return pd.concat(tables, ignore_index=True)


def _timed(name: str, build, human: Cohort, fold, size: int) -> tuple[pd.DataFrame, float]:
    start = time.process_time()
    with warnings.catch_warnings():
        # Small samples have classes with fewer cells than inner folds, which scikit-learn says each time.
        warnings.filterwarnings("ignore", "The least populated class in y has only")
        table = one_fold(name, build, human, fold)
    table.insert(1, "size", size)
    return table, time.process_time() - start
