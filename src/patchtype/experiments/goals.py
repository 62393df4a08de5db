"""The goals of this book, and what the kept predictions say about each.

A goal is a number to reach. Its value comes with a 95 % interval, and the verdict reads both. Where the same labels
chose the method, a score flatters: such a row is *tuned* and gets no other verdict. Goals and scores entered the
repository together, so nothing shows that a goal came first.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from patchtype.cohorts import Cohort
from patchtype.evaluation import archive, bootstrap
from patchtype.evaluation.final import split
from patchtype.evaluation.metrics import Estimate, corrected_mean, fold_scores, paired_difference
from patchtype.evaluation.power import cells_needed
from patchtype.experiments import better_model as better
from patchtype.experiments import gains, layer
from patchtype.experiments import transfer as science
from patchtype.experiments.experiment import Data
from patchtype.experiments.kept import EXPERIMENTS
from patchtype.experiments.paper import paper

#: Macro-F1 that each task should reach, with donors kept apart.
GOALS = {"human": 0.85, "mouse": 0.93, "zero-shot": 0.60}

COLUMNS = ("goal", "scored on", "needed", "value", "low", "high", "cells", "verdict", "covers")

#: What the verdict says where the labels that score a method chose it, too.
TUNED = "tuned on these donors"

#: What the ends of an interval answer for.
FOLDS, DONORS = "the draw of folds", "the draw of donors"


class Row(NamedTuple):
    """One line of the table of goals; ``needed`` is a macro-F1, or a gain in it; ``covers``, `FOLDS` or `DONORS`."""

    goal: str
    scored_on: str
    needed: float
    estimate: Estimate
    cells: int
    covers: str
    tuned: bool = False


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

    ``data`` as `patchtype.experiments.experiment.load` returns it.
    """
    rows = [*_within(data, "human", folder), *_layer(data, folder), *_within(data, "mouse", folder),
            *_zero_shot(data["human"], folder), *_transfer(data["human"], folder)]
    return pd.DataFrame(
        [(r.goal, r.scored_on, r.needed, r.estimate.mean, *r.estimate.interval, r.cells,
          TUNED if r.tuned else verdict(r.needed, r.estimate.mean, *r.estimate.interval), r.covers) for r in rows],
        columns=COLUMNS)


def kept(name: str, data: Data, folder=None) -> pd.DataFrame:
    """Predictions of an experiment of `better_model` or `kept`; an empty table where none are, or without ``data``."""
    if not data or name not in archive.kept(folder):
        return pd.DataFrame()
    if name in EXPERIMENTS:
        return EXPERIMENTS[name].kept(name, data, folder)
    return archive.load(name, better.cells_of(name, data[better.EXPERIMENTS[name][1]]), folder)


def development_score(predictions: pd.DataFrame, model: str) -> Estimate:
    """Mean macro-F1 over folds of one model, with the corrected interval."""
    scores = fold_scores(predictions[predictions["model"] == model])["macro_f1"]
    return corrected_mean(scores, better.development("human").test_to_train)


def _within(data, species: str, folder) -> list[Row]:
    rows = []
    goal = f"{species}, {len(data[species].classes)} subclasses"
    trials = kept(f"better_{species}", data, folder)
    if len(trials):
        rows.append(Row(goal, "development donors, cross-validated", GOALS[species],
                        development_score(trials, "average"), trials["cell"].nunique(), FOLDS, tuned=True))
    final = kept(f"better_{species}_final", data, folder)
    if len(final):
        part = final[final["model"] == "average"]
        rows.append(Row(goal, "final donors", GOALS[species],
                        bootstrap.interval(part, data[species].cells["donor"]), len(part), DONORS))
    return rows


def _layer(data, folder) -> list[Row]:
    """The human goal at ten repeats, without and with the layer, and what the layer adds."""
    predictions = kept("layer_human", data, folder)
    if not len(predictions):
        return []
    where = "development donors, ten repeats, quick average"
    cells = predictions["cell"].nunique()
    rows = [Row(f"human, {shown}", where, GOALS["human"], development_score(predictions, shown), cells, FOLDS, True)
            for shown in (layer.PLAIN, layer.LAYER)]
    return [*rows, Row("human, gain from the layer", where, 0.0,
                        paired_difference(predictions, layer.LAYER, layer.PLAIN, layer.FOLDS), cells, FOLDS, True)]


def nearby_scores(data: Data, folder=None) -> pd.Series | None:
    """Macro-F1 of each setting near the label-free model's, and of ranks with the mixture known, by name; or None."""
    predictions = kept("nearby_settings", data, folder)
    return fold_scores(predictions)["macro_f1"].droplevel(["repeat", "fold"]) if len(predictions) else None


def zero_shot_steps(predictions: pd.DataFrame, human: Cohort) -> dict[tuple[str, str], Estimate]:
    """Macro-F1 of the label-free model over draws of donors, by step and by "development" or "final" donors."""
    of = dict(zip(("development", "final"), split(human), strict=True))
    steps = better.ZERO_SHOT.values() if len(predictions) else ()
    return {
        (step, kind): bootstrap.interval(
            predictions[(predictions["model"] == step) & predictions["cell"].isin(part.cells.index)],
            human.cells["donor"])
        for kind, part in of.items() for step in steps
    }


def _zero_shot(human: Cohort, folder) -> list[Row]:
    steps = zero_shot_steps(kept("better_zero_shot", {"human": human}, folder), human)
    names = {"development": "development donors", "final": "final donors, second scoring"}
    return [
        Row("mouse to human, no human label", names[kind], GOALS["zero-shot"], steps[better.ZERO_SHOT[3], kind],
            len(part), DONORS, kind == "development")
        for kind, part in zip(names, split(human), strict=True) if steps
    ]


def _transfer(human: Cohort, folder) -> list[Row]:
    if not _compared(folder):
        return []
    best = gains.best_gain(human, folder)
    goal = f"gain from mouse: {gains.title(best['model'])} over {gains.title(best['reference'])}"
    return [Row(goal, "all donors, cross-validated", 0.0, gains.estimate(best), len(human), FOLDS)]


def cells_for_gain(human: Cohort, folder=None) -> int | None:
    """Human cells that would show the paper's gain four times in five, by the best way to use mouse cells; or None."""
    if not _compared(folder):
        return None
    best = gains.best_gain(human, folder)
    gain = paper()["joint_gain_macro_f1"]["value"]
    return int(round(cells_needed(gain, best["smallest"], best["cells"]), -2))


def _compared(folder) -> bool:
    """Whether predictions of the comparison on transfer are kept."""
    return any(name.startswith(science.PREFIX) for name in archive.kept(folder))
