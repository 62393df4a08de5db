"""Run models under a protocol and keep what they predict for cells they have not seen.

The result is one table, one row per model, cell and repeat. Every score, confusion matrix and paired
test of the book is computed from such a table, so two numbers about one model cannot contradict each other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Protocol

import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from patchtype.cohorts import Cohort
from patchtype.evaluation.protocols import Fold


class Model(Protocol):
    """What `evaluate` runs: it fits on a cohort and gives class probabilities (N, C) for another.

    Everything a model learns from data, scaling, imputation, selection and over-sampling included,
    it learns in ``fit``, from the training cells alone.
    """

    def fit(self, cohort: Cohort) -> Model: ...

    def predict_proba(self, cohort: Cohort) -> np.ndarray | dict[str, np.ndarray]:
        """One table of probabilities, or several readings of the one fit: ending of the name → table."""
        ...


def evaluate(
    models: Mapping[str, Callable[[int], Model]], cohort: Cohort, protocol, n_jobs: int = 1
) -> pd.DataFrame:
    """Out-of-fold predictions of each model.

    Parameters: ``models``, name → function that builds an unfitted model from a seed; ``n_jobs``,
    processes, each on one thread. The seed of a fold depends on its repeat and number only, so results do
    not depend on ``n_jobs``.
    A progress bar over fits goes to the terminal.
    Returns columns ``model, repeat, fold, cell, true, predicted`` and one ``p_<class>`` per class.
    """
    tasks = [(name, fold) for name in models for fold in protocol.folds(cohort)]
    results = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
        joblib.delayed(one_fold)(name, models[name], cohort, fold) for name, fold in tasks
    )
    return pd.concat(tqdm(results, total=len(tasks), disable=None, leave=False), ignore_index=True)


def one_fold(name: str, build: Callable[[int], Model], cohort: Cohort, fold: Fold) -> pd.DataFrame:
    """Rows of the prediction table of one model on one fold, on one thread; see `evaluate`."""
    model = build(fold.seed)
    if torch := sys.modules.get("torch"):  # whoever builds a network has imported it, and nobody else pays for it
        torch.set_num_threads(1)
    model = model.fit(cohort.take(fold.train))
    test = cohort.take(fold.test)
    return as_tables(name, fold, test, model.predict_proba(test))


def as_tables(name: str, fold: Fold, test: Cohort, said: np.ndarray | Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Rows of the prediction table from what `Model.predict_proba` gives, one model for each reading."""
    readings = said if isinstance(said, Mapping) else {"": said}
    return pd.concat([as_table(name + ending, fold, test, values) for ending, values in readings.items()])


def as_table(name: str, fold: Fold, test: Cohort, probabilities: np.ndarray) -> pd.DataFrame:
    """Rows of the prediction table for the test cells of one fold; ``probabilities`` is (N, C)."""
    classes = np.array(test.classes)
    return pd.DataFrame({
        "model": name, "repeat": fold.repeat, "fold": fold.fold, "cell": test.cells.index,
        "true": test.cells["subclass"].to_numpy(), "predicted": classes[probabilities.argmax(1)],
        **{f"p_{c}": probabilities[:, i] for i, c in enumerate(classes)},
    })
