"""Which families a fitted model leans on: shuffle one family among test cells and see what the score loses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from patchtype.cohorts import Cohort


def family_importance(model, test: Cohort, n_repeats: int = 5, seed: int = 0) -> pd.Series:
    """Loss of macro-F1 when the features of a family are permuted together among cells (Breiman 2001).

    ``model`` is fitted; ``test`` holds cells that it has not seen. All features of a family move together, so
    that correlated features inside it cannot stand in for each other. Returns one value per family.
    """
    rng = np.random.default_rng(seed)
    whole = score(model, test)
    losses = {}
    for family, members in test.families.items():
        values = []
        for _ in range(n_repeats):
            table = test.table.copy()
            table[members] = test.table[members].to_numpy()[rng.permutation(len(test))]
            values.append(whole - score(model, replace(test, table=table)))
        losses[family] = float(np.mean(values))
    return pd.Series(losses, name="loss of macro-F1")


def score(model, test: Cohort) -> float:
    """Macro-F1 of a fitted model on the cells of ``test``."""
    return f1_score(test.y, model.predict_proba(test).argmax(axis=1), average="macro", zero_division=0)
