"""Predictions in nested folds: neither the models nor the limits that judge a cell have seen it or its donor.

Each outer fold in turn is the one that is judged. Models of its other folds predict it. In these other folds, models
of inner folds predict the cells that they have not seen; temperature and limits come from those predictions alone.

A table of such predictions has, for each outer fold (``repeat``), one row for every cell: the inner ``fold`` of a cell
that helps to judge, or `JUDGED`; ``cell``, ``true``, ``donor``, ``predicted``, one ``p_<class>`` each, before
calibration, and what the flags go by: ``distance``, ``missing`` and ``margin``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from patchtype.classify import guard
from patchtype.classify.fitting import FOLDS, SEED, Models, cross_fit
from patchtype.classify.judgement import Judgement
from patchtype.cohorts import Cohort
from patchtype.evaluation import archive
from patchtype.evaluation.calibration import Temperature
from patchtype.evaluation.conformal import PredictionSets
from patchtype.evaluation.protocols import CrossValidation

#: Stands in the column ``fold`` for cells that are judged.
JUDGED = 255
PROTOCOL = f"{CrossValidation(FOLDS, 1, grouped=True)}; limits of a fold from {FOLDS} inner folds of the others"
#: Under this name, with the species, they are kept in the folder science.
KEPT = "classifier_"
#: They are kept in so many steps of a probability; half a step is the least that one can be.
STEPS = 50_000
FLAGS = ("distance", "missing", "margin")


def predictions(cohort: Cohort, others: guard.Specimens, folds: int = FOLDS, seed: int = SEED) -> pd.DataFrame:
    """The table for one cohort; ``others`` are the cells of known dendrites that make the guard."""
    outer = CrossValidation(folds, 1, grouped=True, seed=seed).folds(cohort)
    return pd.concat([of_fold(cohort, others, f.test, folds, seed).assign(repeat=f.fold) for f in outer],
                     ignore_index=True)


def of_fold(cohort: Cohort, others: guard.Specimens, judged: np.ndarray, folds: int = FOLDS,
            seed: int = SEED) -> pd.DataFrame:
    """The rows of one outer fold: ``judged`` (M,) are the positions of its cells."""
    train, test = cohort.take(np.setdiff1d(np.arange(len(cohort)), judged)), cohort.take(judged)
    inner = cross_fit(train, others, folds, seed)
    said = Models.fit(train, others, seed).says(test.x)
    return pd.concat([_rows(train, vars(inner)), _rows(test, said | {"fold": np.full(len(test), JUDGED)})],
                     ignore_index=True)


def _rows(cohort: Cohort, said: dict) -> pd.DataFrame:
    names = np.array(cohort.classes)
    return pd.DataFrame({
        "repeat": 0, "fold": said["fold"], "cell": cohort.table.index, "true": cohort.cells["subclass"].to_numpy(),
        "donor": cohort.donors, "predicted": names[said["raw"].argmax(axis=1)],
        **{f"p_{c}": said["raw"][:, k] for k, c in enumerate(names)}, **{flag: said[flag] for flag in FLAGS},
    })


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """The table as `patchtype.evaluation.archive` keeps it, so that a card says what a chapter reads."""
    columns = [f"p_{c}" for c in classes_of(table)]
    flags = {flag: table[flag].astype(kind).astype(table[flag].dtype) for flag, kind in archive.MORE.items()}
    return table.assign(**np.rint(table[columns] * STEPS) / STEPS, **flags)


def from_one_level(table: pd.DataFrame) -> pd.DataFrame:
    """The same shape from ordinary out-of-fold predictions (``fold, cell, true, donor, predicted, p_…``).

    The folds that help to judge a fold were predicted by models that have seen it: quick, and a trifle too good.
    """
    parts = [table.assign(repeat=k, fold=table["fold"].where(table["fold"] != k, JUDGED))
             for k in sorted(table["fold"].unique())]
    return pd.concat(parts, ignore_index=True)


def answers(table: pd.DataFrame, miss: float) -> pd.DataFrame:
    """Every cell as the classifier would answer it: columns of `Judgement.answers`, and ``true``, ``donor``,
    ``fold`` (the outer one), ``raw_<class>`` (before calibration); one row a cell, in the order of the cells' names.
    """
    parts = []
    for fold, inner, judged in _folds(table):
        names = classes_of(table)
        judge = Judgement.fit(_p(inner), _y(inner), inner["donor"].to_numpy(),
                              *(inner[flag].to_numpy() for flag in FLAGS), miss)
        raw = pd.DataFrame(_p(judged), judged["cell"].to_numpy(), [f"raw_{c}" for c in names])
        parts.append(judge.answers(
            _p(judged), *(judged[flag].to_numpy() for flag in FLAGS), names, judged["cell"].to_numpy(),
        ).join(raw).assign(true=judged["true"].to_numpy(), donor=judged["donor"].to_numpy(), fold=fold))
    return pd.concat(parts).sort_index()


def judged(table: pd.DataFrame, miss: float = 0.1) -> dict[str, np.ndarray]:
    """What calibration and sets make of the judged cells, as arrays for `patchtype.evaluation`.

    ``p`` (N, C) before and ``calibrated`` after; ``y``, ``donor`` (N,); ``sets`` and ``sets_by_class`` (N, C) bool,
    limits for all classes together and for each.
    """
    parts = []
    for _, inner, outer in _folds(table):
        temperature = Temperature.fit(_p(inner), _y(inner))
        before, after = temperature.apply(_p(inner)), temperature.apply(_p(outer))
        sets = {key: PredictionSets.fit(before, _y(inner), miss, by_class=each, donors=inner["donor"]).contain(after)
                for key, each in (("sets", False), ("sets_by_class", True))}
        parts.append({"p": _p(outer), "calibrated": after, "y": _y(outer), "donor": outer["donor"].to_numpy(), **sets})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def classes_of(table: pd.DataFrame) -> list[str]:
    """The classes that a table has probabilities of, in order."""
    return [column.removeprefix("p_") for column in table if column.startswith("p_")]


def _folds(table: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame, pd.DataFrame]]:
    """Each outer fold: its number, the cells that judge and those that are judged."""
    for fold, part in table.groupby("repeat"):
        outer = part["fold"] == JUDGED
        yield int(fold), part[~outer], part[outer]


def _p(table: pd.DataFrame) -> np.ndarray:
    p = np.maximum(table[[f"p_{c}" for c in classes_of(table)]].to_numpy(float), 0.5 / STEPS)
    return p / p.sum(axis=1, keepdims=True)  # kept ones are rounded, some to nought


def _y(table: pd.DataFrame) -> np.ndarray:
    return pd.Categorical(table["true"], categories=classes_of(table)).codes.astype(int)
