"""The goals that this book set itself before it knew, and what the kept predictions say about each.

A goal is a number to reach. Its value comes with a 95 % interval, and the verdict reads both.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from helpers.cohorts import Cohort
from helpers.evaluation import archive, better, bootstrap
from helpers.evaluation.final import split
from helpers.evaluation.metrics import Estimate, corrected_mean, fold_differences, fold_scores, paired_difference
from helpers.evaluation.power import cells_needed

#: Macro-F1 that each task should reach, with donors kept apart.
GOALS = {"human": 0.85, "mouse": 0.93, "zero-shot": 0.60}

COLUMNS = ("goal", "scored on", "needed", "value", "low", "high", "cells", "verdict")


class Row(NamedTuple):
    """One line of the table of goals; ``needed`` is a macro-F1, or a gain in it."""

    goal: str
    scored_on: str
    needed: float
    estimate: Estimate
    cells: int


def verdict(needed: float, value: float, low: float, high: float) -> str:
    """What value and interval say about a goal.

    >>> verdict(0.85, 0.86, 0.83, 0.89), verdict(0.85, 0.8, 0.76, 0.84)
    ('reached, but the interval goes below', 'not reached')
    """
    if value >= needed:
        return "reached" if low >= needed else "reached, but the interval goes below"
    return "not reached, but within the interval" if high >= needed else "not reached"


def table(data: dict[str, Cohort], folder: str | Path | None = None) -> pd.DataFrame:
    """One row per goal and set of donors, with `COLUMNS`; a goal whose predictions are not kept is left out.

    ``data`` as `helpers.evaluation.better.load` returns it.
    """
    rows = [*_within(data, "human", folder), *_within(data, "mouse", folder), *_zero_shot(data["human"], folder),
            *_transfer(data["human"], folder)]
    return pd.DataFrame(
        [(r.goal, r.scored_on, r.needed, r.estimate.mean, r.estimate.low, r.estimate.high, r.cells,
          verdict(r.needed, r.estimate.mean, r.estimate.low, r.estimate.high)) for r in rows], columns=COLUMNS)


def kept(name: str, data: dict[str, Cohort], folder=None) -> pd.DataFrame | None:
    """Predictions of one experiment of `better`, or None when they are not kept."""
    own = data[better.EXPERIMENTS[name][1]]
    if name not in archive.kept(folder or archive.science_folder()):
        return None
    return archive.load(name, better.cells_of(name, own), folder)


def development_score(predictions: pd.DataFrame, model: str) -> Estimate:
    """Mean macro-F1 over folds of one model, with the corrected interval."""
    scores = fold_scores(predictions[predictions["model"] == model])["macro_f1"]
    return corrected_mean(scores, better.development("human").test_to_train)


def _within(data, species: str, folder) -> list[Row]:
    rows = []
    goal = f"{species}, {len(data[species].classes)} subclasses"
    trials = kept(f"better_{species}", data, folder)
    if trials is not None:
        rows.append(Row(goal, "development donors, cross-validated", GOALS[species],
                        development_score(trials, "average"), trials["cell"].nunique()))
    final = kept(f"better_{species}_final", data, folder)
    if final is not None:
        part = final[final["model"] == "average"]
        rows.append(Row(goal, "final donors, once", GOALS[species],
                        bootstrap.interval(part, data[species].cells["donor"]), len(part)))
    return rows


def _zero_shot(human: Cohort, folder) -> list[Row]:
    predictions = kept("better_zero_shot", {"human": human}, folder)
    if predictions is None:
        return []
    part = predictions[predictions["model"] == better.ZERO_SHOT[3]]
    dev, last = split(human)
    goal = "mouse to human, no human label"
    rows = []
    for name, cells in (("development donors", dev), ("final donors", last), ("all donors", human)):
        of = part[part["cell"].isin(cells.cells.index)]
        rows.append(Row(goal, name, GOALS["zero-shot"], bootstrap.interval(of, human.cells["donor"]), len(of)))
    return rows


def transfer(human: Cohort, folder=None) -> tuple[pd.DataFrame, dict[str, bool]] | None:
    """Kept predictions of the comparison on transfer, all training cells, and for each model whether it uses mouse.

    Only folds that every model has are kept, so that all are compared on the same; None when nothing is kept.
    """
    folder = folder or archive.science_folder()
    names = [name for name in archive.kept(folder) if name.startswith("transfer_")]
    tables, uses_mouse = [], {}
    for name in names:
        part = archive.load(name, human, folder)
        part = part[part["size"] == 0] if "size" in part else part
        uses_mouse |= dict.fromkeys(part["model"].unique(), archive.provenance(name, folder).get("twin") is not None)
        tables.append(part)
    if not tables:
        return None
    together = pd.concat(tables, ignore_index=True)
    common = together.groupby(["repeat", "fold"])["model"].nunique()
    common = common[common == together["model"].nunique()].index
    keys = pd.MultiIndex.from_frame(together[["repeat", "fold"]])
    return together[keys.isin(common)], uses_mouse


def best_gain(predictions: pd.DataFrame, uses_mouse: dict[str, bool], protocol) -> tuple[str, str, Estimate] | None:
    """The model with mouse cells that gains most over the best one without: both names and the paired gain."""
    means = fold_scores(predictions)["macro_f1"].groupby("model").mean()
    alone = means[[m for m in means.index if not uses_mouse[m]]]
    helped = means[[m for m in means.index if uses_mouse[m]]]
    if alone.empty or helped.empty:
        return None
    best, reference = helped.idxmax(), alone.idxmax()
    return best, reference, paired_difference(predictions, best, reference, protocol)


def _transfer(human: Cohort, folder) -> list[Row]:
    found = transfer(human, folder)
    protocol = better.development("human")
    gain = found and best_gain(*found, protocol)
    if not gain:
        return []
    best, reference, estimate = gain
    return [Row(f"gain from mouse: {best} over {reference}", "all donors, cross-validated", 0.0, estimate, len(human))]


def cells_for_gain(human: Cohort, folder=None, gain: float = 0.02) -> int | None:
    """Human cells that would show a ``gain`` four times in five, from the spread of the best comparison; or None."""
    found = transfer(human, folder)
    protocol = better.development("human")
    best = found and best_gain(*found, protocol)
    if not best:
        return None
    differences = fold_differences(found[0], best[0], best[1])
    return round(len(human) * cells_needed(gain, differences, protocol.test_to_train))
