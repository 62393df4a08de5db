"""Predictions in nested folds: neither the models nor the limits that judge a cell have seen it or its donor.

Donors are dealt to folds once. Each fold in turn is the one that is judged: models of the other folds predict it.
Calibration and limits come from predictions of these other folds, each made by models that have seen neither it nor
the judged fold. A pair of folds that is left out together so serves both of them: with 5 folds, 15 fits.

A table of such predictions has, for each pattern (``model``) and each judged fold (``repeat``), one row for every
cell that has the pattern: the ``fold`` of a cell that helps to judge, or `JUDGED`; ``cell``, ``true``, ``donor``,
``predicted``, one ``p_<class>`` each, before calibration, and what the flags go by: ``distance``, ``missing`` and
``margin``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from patchtype import cohorts
from patchtype.classify import guard, patterns
from patchtype.classify.fitting import Models
from patchtype.classify.judgement import Judgement
from patchtype.cohorts import Cohort
from patchtype.evaluation import archive, evaluate
from patchtype.evaluation.calibration import Temperature
from patchtype.evaluation.conformal import PredictionSets
from patchtype.evaluation.protocols import CrossValidation
from patchtype.models.table import logistic_regression

FOLDS, SEED = 5, 7
#: Stands in the column ``fold`` for cells that are judged.
JUDGED = 255
PROTOCOL = (f"{CrossValidation(FOLDS, 1, grouped=True)}; limits of a fold from the others, each predicted without both")
#: Under this name, with the species, they are kept in the folder science.
KEPT = "classifier_"
#: They are kept in so many steps of a probability; half a step is the least that one can be.
STEPS = 10_000
FLAGS = ("distance", "missing", "margin")
#: In place of a pattern's name: every cell as its richest pattern.
AS_RECORDED = "as recorded"


def predictions(cohort: Cohort, others: guard.Specimens, folds: int = FOLDS, seed: int = SEED,
                chosen: Iterable[tuple[str, ...]] | None = None) -> pd.DataFrame:
    """The table for one cohort of `fitting.load`; ``others`` are the cells of known dendrites that make the guards.

    ``chosen``: some patterns only.
    """
    fold = np.zeros(len(cohort), int)
    for each in CrossValidation(folds, 1, grouped=True, seed=seed).folds(cohort):
        fold[each.test] = each.fold
    return of_folds(cohort, others, fold, chosen)


def of_folds(cohort: Cohort, others: guard.Specimens, fold: np.ndarray,
             chosen: Iterable[tuple[str, ...]] | None = None) -> pd.DataFrame:
    """The table for cells dealt to folds, ``fold`` (N,) from 0."""
    parts, folds = [], fold.max() + 1
    for i in range(folds):
        for j in range(i, folds):
            models = Models.fit(cohort.take((fold != i) & (fold != j)), others, chosen)
            for judging, told in {(i, j), (j, i)}:
                cells = cohort.take(fold == told)
                parts.append(_rows(models, cells, JUDGED if i == j else told).assign(repeat=judging))
    table = pd.concat(parts, ignore_index=True)
    order = {patterns.name(p): k for k, p in enumerate(models.experts)}
    return table.sort_values(["model", "repeat", "fold", "cell"], ignore_index=True,
                             key=lambda c: c.map(order) if c.name == "model" else c)


def _rows(models: Models, cohort: Cohort, fold: int) -> pd.DataFrame:
    """Rows of some cells, for each pattern those that have it."""
    names, parts = np.array(cohort.classes), []
    for pattern in models.experts:
        cells = cohort.take(patterns.has(cohort.table, pattern))
        if not len(cells):
            continue
        said = models.says(cells.table, pattern)
        parts.append(pd.DataFrame({
            "model": patterns.name(pattern), "repeat": 0, "fold": fold, "cell": cells.table.index,
            "true": cells.cells["subclass"].to_numpy(), "donor": cells.donors,
            "predicted": names[said["raw"].argmax(axis=1)],
            **{f"p_{c}": said["raw"][:, k] for k, c in enumerate(names)}, **{flag: said[flag] for flag in FLAGS},
        }))
    return pd.concat(parts)


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """The table as `patchtype.evaluation.archive` keeps it, so that a card says what a chapter reads."""
    columns = [f"p_{c}" for c in classes_of(table)]
    flags = {flag: table[flag].round(3).astype(kind).astype(table[flag].dtype) for flag, kind in archive.MORE.items()}
    return table.assign(**np.rint(table[columns] * STEPS) / STEPS, **flags)


def from_one_level(table: pd.DataFrame) -> pd.DataFrame:
    """The same shape from ordinary out-of-fold predictions (``fold, cell, true, donor, predicted, p_…``).

    The folds that help to judge a fold were predicted by models that have seen it: quick, and a trifle too good.
    """
    parts = [table.assign(repeat=k, fold=table["fold"].where(table["fold"] != k, JUDGED))
             for k in sorted(table["fold"].unique())]
    return pd.concat(parts, ignore_index=True)


def as_recorded(answers: pd.DataFrame) -> pd.DataFrame:
    """Of `answers` of several patterns, the richest of each cell, for which no layer need be told."""
    told = answers["pattern"].str.contains(patterns.name((patterns.LAYER,)).rpartition(", ")[2])
    rank = {patterns.name(p): k for species in patterns.READS for k, p in enumerate(patterns.patterns(species))}
    kept = answers[~told]
    return kept.loc[kept["pattern"].map(rank).groupby(level=0, sort=True).transform("min") == kept["pattern"].map(rank)]


def answers(table: pd.DataFrame, miss: float) -> pd.DataFrame:
    """Every cell as the classifier would answer it, in each pattern that it has: columns of `Judgement.answers`, and
    ``pattern``, ``true``, ``donor``, ``fold``, ``raw_<class>`` (before calibration); rows in the order of the cells'
    names within a pattern.
    """
    parts = []
    for pattern, rows in table.groupby("model", sort=False, observed=True):
        made = []
        for fold, inner, judged in _folds(rows):
            names = classes_of(table)
            raw = pd.DataFrame(_p(judged), judged["cell"].to_numpy(), [f"raw_{c}" for c in names])
            made.append(judgement(inner, miss).answers(
                _p(judged), *(judged[flag].to_numpy() for flag in FLAGS), names, judged["cell"].to_numpy(),
            ).join(raw).assign(pattern=pattern, true=judged["true"].to_numpy(), donor=judged["donor"].to_numpy(),
                               fold=fold))
        parts.append(pd.concat(made).sort_index())
    return pd.concat(parts)


def unseen(species: str, source: str = "published", seed: int = SEED) -> pd.DataFrame:
    """Predictions of cells with the pattern "steps only" for donors that the models had not seen, and their ``donor``.

    Of published cells, those of the shipped classifier that are kept. Of others, those of a logistic regression in one
    level of folds, see `from_one_level`.
    """
    if source == "published":
        cells = cohorts.load(species, "aligned", source=source)
        table = archive.load(KEPT + species, cells).query("model == 'steps only'")
    else:
        cells = cohorts.load(species, species, source=source)
        protocol = CrossValidation(5, n_repeats=1, grouped=True, seed=seed)
        table = evaluate({"regression": logistic_regression}, cells, protocol).drop(columns=["repeat", "model"])
        table = from_one_level(table)
    return table.assign(donor=table["cell"].map(cells.cells["donor"]))


def judgement(rows: pd.DataFrame, miss: float) -> Judgement:
    """The judgement that rows of one pattern give."""
    return Judgement.fit(_p(rows), _y(rows), rows["donor"].to_numpy(), *(rows[f].to_numpy() for f in FLAGS), miss)


def judged(table: pd.DataFrame, miss: float = 0.1) -> dict[str, np.ndarray]:
    """What calibration and sets make of the judged cells of one pattern, as arrays for `patchtype.evaluation`.

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
