"""Cells unlike the training cells: those it should not answer for, and simulated ones whose truth is known.

Excitatory cells and the other species come from public tables; wrong units and missing protocols are put into
published cells of the own species on purpose. Nothing of this takes part in training.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import cohorts, families
from helpers.classify.classifier import FEATURES, Classifier
from helpers.cohorts import extracted
from helpers.cohorts.celltypes import cell_types

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
        table, specimens = cell_types(species)
        dendrites = specimens["tag__dendrite_type"].where(table["threshold_v_rheo"].notna())  # those with a long square
        yield f"{species} excitatory cells (spiny dendrites)", table[(dendrites == "spiny").to_numpy()]
        yield f"control: {species} aspiny cells, same database", table[(dendrites == "aspiny").to_numpy()]
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
    """Share of each group that is called *unlike*, left *undecided* and *answered*, and the number of ``cells``."""
    rows = {}
    for name, table in strangers(classifier.species):
        verdict = classifier.answers(table)["verdict"]
        rows[name] = {"cells": len(table), **{v: float((verdict == v).mean())
                                              for v in ("unlike", "undecided", "answered")}}
    return pd.DataFrame.from_dict(rows, orient="index").astype({"cells": int})


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
