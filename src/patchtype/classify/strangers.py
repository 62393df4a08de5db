"""Cells unlike the training cells: those it should not answer for, and simulated ones whose truth is known.

Excitatory cells and the other species come from public tables; wrong units and missing protocols are put into
published cells of the own species on purpose. Nothing of this takes part in training: excitatory cells are those of
donors that did not make the guard.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from patchtype import cohorts, families
from patchtype.classify import guard, nesting
from patchtype.classify.classifier import FEATURES, Classifier
from patchtype.classify.judgement import FALSE_ALARM
from patchtype.cohorts import external, extracted

#: What may become of a cell.
VERDICTS = ("unlike", "excitatory", "undecided", "answered")
#: What each flag goes by.
SCORES = {"distance": "unlike", "margin": "excitatory"}
#: Units whose conversion factor is easily lost, and what the loss does to a value.
WRONG_UNITS = {"potentials × 1,000": ("mV",), "currents × 1,000": ("pA",), "times × 1,000": ("s",)}
#: Families that are missing when a protocol was not recorded.
WITHOUT = {
    "no ramp": ("ap_ramp",), "no ramp, no short square": ("ap_ramp", "ap_short_square"),
    "no downward step": ("passive", "sag"), "passive and sag only": (
        "excitability", "firing", "ap_rheo", "ahp_rheo", "ap_ramp", "ap_short_square"),
}


def strangers(species: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Name and aligned feature table of each group; groups of files that cannot be had are left out."""
    other = "human" if species == "mouse" else "mouse"
    own = cohorts.load(species, FEATURES).table
    try:
        others = guard.specimens(species).held_out
        yield f"{species} excitatory cells (spiny dendrites)", others.table[others.spiny]
        yield f"control: {species} aspiny cells, same database", others.table[~others.spiny]
    except cohorts.DataUnavailable:
        pass
    yield f"{other} interneurons", cohorts.load(other, FEATURES).table
    for name, units in WRONG_UNITS.items():
        scaled = [feature for feature in own if families.unit(feature) in units]
        yield name, own.assign(**(1e3 * own[scaled]))
    for name, lost in WITHOUT.items():
        columns = [f for family in lost for f in families.families(FEATURES)[family]]
        yield name, own.assign(**dict.fromkeys(columns, np.nan))


def met(classifier: Classifier) -> pd.DataFrame:
    """Share of each group with each of `VERDICTS`, and the number of ``cells``."""
    rows = {}
    for name, table in strangers(classifier.species):
        verdict = classifier.answers(table)["verdict"]
        rows[name] = {"cells": len(table), **{v: float((verdict == v).mean()) for v in VERDICTS}}
    return pd.DataFrame.from_dict(rows, orient="index").astype({"cells": int})


def detected(classifier: Classifier, nested: pd.DataFrame, draws: int = 500) -> pd.DataFrame:
    """How well both scores tell excitatory cells from interneurons, all of donors that have not been learnt from.

    ``nested`` are the `patchtype.classify.nesting.predictions` of the classifier, for the published interneurons.
    One row for each group of interneurons and each of `SCORES`. Columns of `guard.detection` at `FALSE_ALARM`;
    ``flagged`` and ``alarms``, shares of the excitatory cells and of the interneurons beyond the shipped limit, NaN
    where cells lack more features than the classifier allows.
    """
    own = nested[nested["fold"] == nesting.JUDGED]
    others = guard.specimens(classifier.species).held_out
    cells = _scored(classifier, others.table, others.donors)
    spiny, aspiny = cells[others.spiny], cells[~others.spiny]
    rows = _compared("published interneurons", own, spiny, classifier.judgement)
    rows |= _compared("aspiny cells, same database", aspiny, spiny, classifier.judgement)
    if classifier.species == "mouse":
        with contextlib.suppress(cohorts.DataUnavailable):
            rows |= _motor(classifier)
    found = {key: guard.detection(*groups, FALSE_ALARM, draws) | shares for key, (groups, shares) in rows.items()}
    return pd.DataFrame.from_dict(found, orient="index").astype({"cells": int})


def _scored(classifier: Classifier, table: pd.DataFrame, donors) -> pd.DataFrame:
    """`SCORES` and ``donor`` of some cells; features that the table lacks are missing."""
    answers = classifier.answers(table.reindex(columns=list(classifier.features)))
    return answers[list(SCORES)].assign(donor=np.asarray(donors))


def _compared(name: str, known: pd.DataFrame, strange: pd.DataFrame, judgement=None) -> dict:
    """(Group, flag) → what `guard.detection` compares, and the shares beyond the limits of a judgement."""
    rows = {}
    for score, flag in SCORES.items():
        limit = np.nan if judgement is None else getattr(judgement, f"{score}_limit")
        shares = {key: float((group[score] > limit).mean()) if judgement else np.nan
                  for key, group in (("flagged", strange), ("alarms", known))}
        rows[name, flag] = (known[score], known["donor"], strange[score], strange["donor"]), shares
    return rows


def _motor(classifier: Classifier) -> dict:
    """Motor cortex, from another laboratory: the shipped scores, and a guard made anew on the features it gives."""
    known, (table, animals) = external.motor(), external.motor_excitatory()
    cells = [_scored(classifier, *group) for group in ((known.table, known.donors), (table, animals))]
    rows = _compared("motor cortex, another laboratory", *cells)
    learnt = guard.specimens(classifier.species).learnt
    shared = [f for f in table if learnt.table[f].notna().any()]
    made = guard.fitted(cohorts.load(classifier.species, FEATURES),
                        replace(learnt, table=learnt.table[shared].reindex(columns=learnt.table.columns)))
    for group, values in zip(cells, (known.table, table), strict=True):
        group["margin"] = made.margin(values.reindex(columns=list(classifier.features)))
    name = f"the same, guard made anew on the {len(shared)} features it gives"
    return rows | {key: row for key, row in _compared(name, *cells).items() if key[1] == "excitatory"}


def simulated(classifier: Classifier, folder: Path) -> dict[str, float]:
    """How simulated cells of a folder made by ``extract`` are named: the whole way from recording to answer.

    Returns ``cells``, ``accuracy``, ``answered``, ``accuracy_answered`` and ``chance`` (share of the commonest).
    Simulated cells are caricatures of their class: this shows that the way is sound, not how good it is on real cells.
    """
    cohort = extracted.load(folder, classifier.species, FEATURES, "simulated")
    answers = classifier.answers(cohort.table)
    right, answered = answers["subclass"] == cohort.cells["subclass"], answers["verdict"] == "answered"
    return {"cells": len(cohort), "accuracy": float(right.mean()), "answered": float(answered.mean()),
            "accuracy_answered": float(right[answered].mean()), "chance": float(cohort.counts().max() / len(cohort))}
