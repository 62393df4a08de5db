"""``patchtype better``: the better model, tried on development donors and scored on final ones.

Each step is one experiment of `patchtype.evaluation.archive`, written when it is done; steps that are there are
left alone unless ``--again`` is given. The rule that sets final donors aside is `patchtype.evaluation.final`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from patchtype import settings
from patchtype.cohorts import Cohort
from patchtype.evaluation.final import split
from patchtype.evaluation.predictions import as_table, as_tables, evaluate
from patchtype.evaluation.protocols import CrossValidation, Fold
from patchtype.experiments import experiment
from patchtype.models.average import Average
from patchtype.models.encoder import EncoderPlan, FamilyEncoder
from patchtype.models.ensemble import TABLE_MEMBERS, Pool, members
from patchtype.models.table import boosting
from patchtype.models.zero_shot import ZeroShot

#: Seed of every fit on final donors and of the label-free model.
SEED = 7

#: Encoder by species: a species with few cells needs more passes over them.
PLANS = {
    "human": EncoderPlan(pretrain_epochs=6, epochs=40),
    "mouse": EncoderPlan(pretrain_epochs=4, epochs=20),
}

#: Steps of the label-free model, by the name of what each adds.
ZERO_SHOT = {0: "each species ranked", 1: "consistent features", 2: "balanced quantiles", 3: "self-training"}


def development(species: str) -> CrossValidation:
    """Folds of the development donors: five, donors apart, cut ten times, for single cuts differ."""
    return CrossValidation(5, 10, grouped=True, seed=11 if species == "human" else 12)


def candidates(species: str, partner: Cohort) -> dict[str, Callable[[int], object]]:
    """What is compared on development donors, by name; members of the average are read from its one fit."""
    built = {
        "average": lambda seed: Average(members(partner, plan=PLANS[species]), seed, each=True),
        "boosting": boosting,
    }
    if species == "human":
        plain = replace(PLANS[species], pretrain_epochs=0)
        built["encoder, not pretrained"] = lambda seed: FamilyEncoder(seed, plan=plain)
    return built


def run_development(species: str, own: Cohort, partner: Cohort) -> tuple[pd.DataFrame, object, Cohort]:
    dev, _ = split(own)
    protocol = development(species)
    return evaluate(candidates(species, partner), dev, protocol), protocol, dev


#: Members whose inner folds cost little: with them weights learnt inside the training cells can be tried.
QUICK_MEMBERS = ("discriminant", "support vectors", "support vectors on ratios", "random trees")


def run_pool(species: str, own: Cohort, partner: Cohort) -> tuple[pd.DataFrame, object, Cohort]:
    """Quick members weighted by what they do on inner folds, beside their plain mean: does nested selection pay?"""
    dev, _ = split(own)
    protocol = development(species)
    quick = {name: TABLE_MEMBERS[name] for name in QUICK_MEMBERS}
    models = {"pool": lambda seed: Pool(quick, seed), "mean": lambda seed: Average(quick, seed)}
    return evaluate(models, dev, protocol), protocol, dev


def run_final(species: str, own: Cohort, partner: Cohort) -> tuple[pd.DataFrame, object, Cohort]:
    """Trained on all development donors, scored on the final ones."""
    dev, last = split(own)
    fold = Fold(0, 0, np.arange(len(dev)), np.arange(len(last)))
    tables = [as_tables(name, fold, last, build(SEED).fit(dev).predict_proba(last))
              for name, build in candidates(species, partner).items()]
    return pd.concat(tables, ignore_index=True), "trained on development donors, tested on final donors", last


def run_zero_shot(species: str, own: Cohort, partner: Cohort) -> tuple[pd.DataFrame, object, Cohort]:
    """Mouse labels and features, and the features of all human cells; no human label."""
    fold = Fold(0, 0, np.arange(0), np.arange(len(own)))
    tables = []
    for steps, name in ZERO_SHOT.items():
        p = ZeroShot(SEED, steps=steps).name(partner, own, own.table)
        tables.append(as_table(name, fold, own, p))
    return pd.concat(tables, ignore_index=True), "mouse labels only, transductive on all human cells", own


#: Experiment → what runs it and on which species.
EXPERIMENTS = {
    "better_human": (run_development, "human"),
    "better_mouse": (run_development, "mouse"),
    "better_human_pool": (run_pool, "human"),
    "better_zero_shot": (run_zero_shot, "human"),
    "better_human_final": (run_final, "human"),
    "better_mouse_final": (run_final, "mouse"),
}


def cells_of(name: str, own: Cohort) -> Cohort:
    """The cells that an experiment predicts, of all cells of its species: what `archive.load` wants."""
    dev, last = split(own)
    if name == "better_zero_shot":
        return own
    return last if name.endswith("_final") else dev


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--experiments", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS), metavar="NAME",
                        help=f"which ones (default all): {', '.join(EXPERIMENTS)}")
    experiment.add_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run what is not there yet, one line per experiment."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    folder, data = args.folder or settings.science_folder(), experiment.load(args.cohort)

    def cells(name: str) -> Cohort:
        return cells_of(name, data[EXPERIMENTS[name][1]])

    for name in experiment.missing(args.experiments, cells, args.again, folder):
        run, species = EXPERIMENTS[name]
        partner = data["mouse aligned" if species == "human" else "human"]
        start = time.process_time()
        predictions, protocol, of = run(species, data[species], partner)
        experiment.keep(name, predictions, protocol, of, time.process_time() - start, folder)
    return 0
