"""Cells from elsewhere: those that should get no answer, and those of other laboratories whose truth is known.

Excitatory cells and the other species come from public tables; wrong units and lost steps are put into published cells
of the own species on purpose. Nothing of this takes part in training: excitatory cells are those of donors that did
not make the guard.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from patchtype import cohorts, families
from patchtype.classify import fitting, guard, nesting, patterns
from patchtype.classify.classifier import Classifier
from patchtype.classify.judgement import FALSE_ALARM
from patchtype.cohorts import external, extracted
from patchtype.cohorts.celltypes import cell_types
from patchtype.models.table import MarginSVC, scaled

#: What may become of a cell.
VERDICTS = ("unlike", "excitatory", "undecided", "answered")
#: The pattern that cells of other laboratories have: long steps, up and down.
STEPS = ("downward",)
#: What each flag goes by.
SCORES = {"distance": "unlike", "margin": "excitatory"}
#: Units whose conversion factor is easily lost, and what the loss does to a value.
WRONG_UNITS = {"potentials × 1,000": ("mV",), "currents × 1,000": ("pA",), "times × 1,000": ("s",)}
#: What a cell has of which no step made it fire.
SILENT = ("passive", "sag")


def strangers(species: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Name and feature table of each group; groups of files that cannot be had are left out."""
    other = "human" if species == "mouse" else "mouse"
    names = list(patterns.features(species))
    own = cohorts.load(species, species).table[names]
    try:
        others = guard.specimens(species).held_out
        table = others.table.reindex(columns=names)
        yield f"{species} excitatory cells (spiny dendrites)", table[others.spiny]
        yield f"control: {species} aspiny cells, same database", table[~others.spiny]
    except cohorts.DataUnavailable:
        pass
    yield f"{other} interneurons", cohorts.load(other, other).table.reindex(columns=names)
    for name, units in WRONG_UNITS.items():
        scaled_ = [feature for feature in own if families.unit(feature) in units]
        yield name, own.assign(**(1e3 * own[scaled_]))
    lost = [f for family, members in patterns.members(species).items() if family not in SILENT for f in members]
    yield "passive and sag only", own.assign(**dict.fromkeys(lost, np.nan))


def met(classifier: Classifier) -> pd.DataFrame:
    """Share of each group with each of `VERDICTS`, and the number of ``cells``."""
    rows = {}
    for name, table in strangers(classifier.species):
        verdict = classifier.answers(table)["verdict"]
        rows[name] = {"cells": len(table), **{v: float((verdict == v).mean()) for v in VERDICTS}}
    return pd.DataFrame.from_dict(rows, orient="index").astype({"cells": int})


def detected(classifier: Classifier, nested: pd.DataFrame, draws: int = 500) -> pd.DataFrame:
    """How well both scores tell excitatory cells from interneurons, all of donors that have not been learnt from.

    ``nested`` are the `patchtype.classify.nesting.predictions` of the classifier, for the published interneurons. All
    cells are scored as of the pattern *steps only*, which is what they share.
    One row for each group of interneurons and each of `SCORES`. Columns of `guard.detection` at `FALSE_ALARM`;
    ``flagged`` and ``alarms``, shares of the excitatory cells and of the interneurons beyond the shipped limit, NaN
    where cells lack more features than the classifier allows.
    """
    own = nested[(nested["fold"] == nesting.JUDGED) & (nested["model"] == patterns.name(STEPS))]
    others = guard.specimens(classifier.species).held_out
    cells = scored(classifier, others.table, others.donors)
    spiny, aspiny = cells[others.spiny], cells[~others.spiny]
    judgement = classifier.judgements[STEPS]
    rows = _compared("published interneurons", own, spiny, judgement)
    rows |= _compared("aspiny cells, same database", aspiny, spiny, judgement)
    if classifier.species == "mouse":
        with contextlib.suppress(cohorts.DataUnavailable):
            rows |= _motor(classifier)
    found = {key: guard.detection(*groups, FALSE_ALARM, draws) | shares for key, (groups, shares) in rows.items()}
    return pd.DataFrame.from_dict(found, orient="index").astype({"cells": int})


def scored(classifier: Classifier, table: pd.DataFrame, donors) -> pd.DataFrame:
    """`SCORES` and ``donor`` of some cells as of `STEPS`; features that the table lacks are missing."""
    said = classifier.models.says(table.reindex(columns=list(classifier.columns)), STEPS)
    return pd.DataFrame({score: said[score] for score in SCORES}, table.index).assign(donor=np.asarray(donors))


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
    cells = [scored(classifier, *group) for group in ((known.table, known.donors), (table, animals))]
    rows = _compared("motor cortex, another laboratory", *cells)
    learnt = guard.specimens(classifier.species).learnt
    shared = [f for f in table if f in classifier.features and learnt.table[f].notna().any()]
    own = cohorts.load(classifier.species, classifier.species).table
    made = guard.fitted(own[shared].to_numpy(), learnt, shared, range(len(shared)))
    for group, values in zip(cells, (known.table, table), strict=True):
        group["margin"] = made.margin(values[shared])
    name = f"the same, guard made anew on the {len(shared)} features it gives"
    return rows | {key: row for key, row in _compared(name, *cells).items() if key[1] == "excitatory"}


def elsewhere(classifier: Classifier) -> pd.DataFrame:
    """How the classifier does on cells of other laboratories and platforms.

    One row a set: ``cells``, ``macro_f1`` (over the subclasses there) and ``accuracy`` with every cell named, whatever
    its flags say; ``answered`` and ``accuracy_answered``. Where a set has cells of animals that training has seen, the
    models are fitted anew without these animals; limits are those that ship. Then motor cortex again, which gives a
    third of the features and was recorded at room temperature, on the four subclasses that are shared with human:
    support vectors made anew on what it gives, with each set z-scored by itself, and, as what could be hoped for, the
    same trained on motor cortex by folds. Rows of files that cannot be had are left out; there are none for human.
    """
    rows = {}
    for name in external.SETS if classifier.species == "mouse" else ():
        with contextlib.suppress(cohorts.DataUnavailable):
            known = external.load(name)
            table = known.table
            if name == "cell types":  # it gives more than the features that both species share
                more, _ = cell_types("mouse", "mouse")
                table = more.set_axis(more.index.astype(str), axis=0).loc[table.index]
            table = table.reindex(columns=list(classifier.columns))
            answers = _unacquainted(classifier, table, known.donors).answers(table)
            answered = answers[answers["verdict"] == "answered"]
            right = answered["subclass"] == known.cells.loc[answered.index, "subclass"]
            rows[name] = _named(known.cells["subclass"], answers["subclass"]) | {
                "answered": len(answered) / len(answers),
                "accuracy_answered": float(right.mean()) if len(right) else np.nan}
            if name == "motor":
                rows |= _anew(cohorts.load("mouse", "mouse").four_classes(), known.four_classes())
    return pd.DataFrame.from_dict(rows, orient="index")


def _unacquainted(classifier: Classifier, table: pd.DataFrame, donors) -> Classifier:
    """The classifier as it is without cells of some donors, for the patterns of a table."""
    cohort = fitting.load(classifier.species)
    shared = np.isin(cohort.donors, donors)
    if not shared.any():
        return classifier
    chosen = list(dict.fromkeys(patterns.pattern_of(table, classifier.species)))
    made = fitting.Models.fit(cohort.take(~shared), guard.specimens(classifier.species).learnt, chosen)
    return replace(classifier, models=made)


def _named(true, named) -> dict[str, float]:
    return {"cells": len(true), "macro_f1": f1_score(true, named, average="macro", labels=sorted(set(true))),
            "accuracy": accuracy_score(true, named)}


def _anew(learnt: cohorts.Cohort, known: cohorts.Cohort) -> dict[str, dict[str, float]]:
    """Motor cortex by support vectors on its own features, learnt elsewhere and at home."""
    shared = [f for f in known.table if f in learnt.table]

    def z(table):
        return make_pipeline(*scaled(StandardScaler)).fit_transform(table[shared])

    machine = MarginSVC(C=fitting.SOFTNESS, class_weight="balanced")
    true = known.cells["subclass"].to_numpy()
    away = machine.fit(z(learnt.table), learnt.cells["subclass"]).predict(z(known.table))
    folds = StratifiedKFold(5, shuffle=True, random_state=nesting.SEED)
    home = cross_val_predict(machine, z(known.table), true, cv=folds)
    return {f"motor, made anew on its {len(shared)} features": _named(true, away),
            "motor, the same trained there": _named(true, home)}


def simulated(classifier: Classifier, folder: Path) -> dict[str, float]:
    """How simulated cells of a folder made by ``extract`` are named: the whole way from recording to answer.

    Returns ``cells``, ``accuracy``, ``answered``, ``accuracy_answered`` and ``chance`` (share of the commonest).
    Empty where the folder has not the features that the classifier reads. Simulated cells are caricatures of their
    class: this shows that the way is sound, not how good it is on real cells.
    """
    cohort = extracted.load(folder, classifier.species, classifier.species, "simulated")
    answers = classifier.answers(cohort.table.reindex(columns=list(classifier.features)))
    if (answers["missing"] > len(classifier.features) / 4).all():
        return {}
    right, answered = answers["subclass"] == cohort.cells["subclass"], answers["verdict"] == "answered"
    return {"cells": len(cohort), "accuracy": float(right.mean()), "answered": float(answered.mean()),
            "accuracy_answered": float(right[answered].mean()), "chance": float(cohort.counts().max() / len(cohort))}
