"""``patchtype baselines``: the table models on each species under the protocols of chapter 4, kept.

Forests and boosting on thousands of cells take minutes. What they predict out of fold is kept in ``science``, so that
chapters 4 and 5 compute scores in seconds, on any machine and without each other.
"""

from __future__ import annotations

import argparse
import time

import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from patchtype import cohorts
from patchtype.arguments import jobs
from patchtype.cohorts import Cohort
from patchtype.evaluation import archive
from patchtype.evaluation.metrics import summary
from patchtype.evaluation.predictions import evaluate
from patchtype.evaluation.protocols import CrossValidation
from patchtype.models.sparse_pca import SparsePCAModel
from patchtype.models.table import BASELINES

PROTOCOLS = (CrossValidation(5, 10), CrossValidation(5, 1, grouped=True))


def forest_on_components(seed: int) -> SparsePCAModel:
    """Class-balanced forest on sparse components, the way of Gouwens et al. (2020)."""
    forest = RandomForestClassifier(200, class_weight="balanced_subsample", random_state=seed)
    return SparsePCAModel(forest)


MODELS = {**BASELINES, "forest on components": forest_on_components}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    jobs(parser)


def main(args: argparse.Namespace) -> int:
    """Run, keep, print one line per model."""
    for cohort in [cohorts.load(species, species, source="published") for species in ("mouse", "human")]:
        for protocol in PROTOCOLS:
            start, name = time.perf_counter(), kept_as(cohort, protocol)
            predictions = evaluate(MODELS, cohort, protocol, args.jobs)
            minutes = round((time.perf_counter() - start) / 60, 1)
            archive.keep(name, predictions, protocol, cohort=cohort, seed=protocol.seed, minutes=minutes,
                         processes=args.jobs)
            for model, row in summary(predictions, protocol).iterrows():
                print(f"{name}: {model}, macro-F1 {row['macro_f1']:.3f}", flush=True)
    return 0


def kept_as(cohort: Cohort, protocol: CrossValidation) -> str:
    """Name of the experiment in the folder ``science``."""
    return f"baselines_{cohort.cells['species'].iloc[0]}{'_by_donor' if protocol.grouped else ''}"


def out_of_fold(cohort: Cohort, protocol: CrossValidation, n_jobs: int = 1) -> pd.DataFrame:
    """Out-of-fold predictions of `MODELS`: the kept ones of these cells, features and folds, or else made here.

    Columns are those of `patchtype.evaluation.evaluate`.
    """
    return archive.recall_or_run(kept_as(cohort, protocol), MODELS, cohort, protocol, n_jobs)
