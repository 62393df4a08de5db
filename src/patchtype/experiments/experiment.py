"""What a kept experiment is: cells, protocol, and predictions made in pieces, so that one piece can be made anew."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from patchtype import cohorts
from patchtype.cohorts import Cohort
from patchtype.evaluation import archive
from patchtype.evaluation.final import split
from patchtype.evaluation.predictions import one_fold
from patchtype.evaluation.protocols import Fold

Data = Mapping[str, Cohort]
Piece = Callable[[], pd.DataFrame]


@dataclass(frozen=True)
class Experiment:
    """``cells(data)`` are the cells that it predicts; ``pieces(data, cells)`` gives functions that make predictions.

    Each makes one table, whatever was made before it. ``data`` is what `load` returns. ``steps``: how finely
    probabilities are kept, see `archive.keep`.
    """

    cells: Callable[[Data], Cohort]
    protocol: object
    pieces: Callable[[Data, Cohort], Iterator[Piece]]
    steps: int = archive.STEPS

    def kept(self, name: str, data: Data, folder: str | Path | None = None) -> pd.DataFrame:
        """The predictions kept under a name, with true labels; `archive.ArchiveError` where there are none."""
        return archive.load(name, self.cells(data), folder)


def load(source: str = "published") -> dict[str, Cohort]:
    """The cohorts that experiments read: ``human`` and ``mouse`` with all features, and with the common ones alone.

    Those are ``human aligned`` and ``mouse aligned``.
    """
    return {
        "human": cohorts.load("human", "human", source=source),
        "mouse": cohorts.load("mouse", "mouse", source=source),
        "mouse aligned": cohorts.load("mouse", "aligned", source=source),
        "human aligned": cohorts.load("human", "aligned", source=source),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of a command that keeps experiments."""
    parser.add_argument("--cohort", default="published", choices=cohorts.SOURCES, help="whose cells")
    parser.add_argument("--again", action="store_true", help="run experiments that are there already")
    parser.add_argument("--out", type=Path, dest="folder", help="where to keep predictions (default science)")


def missing(names: Iterable[str], cells: Callable[[str], Cohort], again: bool, folder: Path) -> Iterator[str]:
    """The experiments that are not kept yet about their cells, or all; says of each other that it is kept."""
    for name in names:
        if again or not archive.is_kept(name, cells(name), folder):
            yield name
        else:
            print(f"{name:<24} kept", flush=True)


def keep(name: str, predictions: pd.DataFrame, protocol, cells: Cohort, seconds: float, folder: Path,
         steps: int = archive.STEPS) -> None:
    """Keep what an experiment predicts, and say how many ``seconds`` of the processor it took."""
    archive.keep(name, predictions, protocol, folder, cohort=cells, steps=steps, cpu_minutes=round(seconds / 60, 2),
                 test_to_train=getattr(protocol, "test_to_train", None))
    print(f"{name:<24} {seconds / 60:.1f} CPU minutes", flush=True)


def development(cohort: Cohort) -> Cohort:
    """The cells of development donors."""
    return split(cohort)[0]


def out_of_fold(models: Mapping[str, Callable[[int], object]], cohort: Cohort, folds: Iterable[Fold]
                ) -> Iterator[Piece]:
    """A piece for each model on each fold; models take turns within a fold."""
    for fold in folds:
        for name, build in models.items():
            yield partial(one_fold, name, build, cohort, fold)


def everyone(cohort: Cohort) -> Fold:
    """A fold that tests all cells and trains on none: for models that learn elsewhere."""
    return Fold(0, 0, np.arange(0), np.arange(len(cohort)))
