"""What a network leans on, asked in four ways, so that attention can be held against the others.

Attention says where states are mixed. *Ablation* replaces a family of a test cell by its mean over training
cells, *permutation* by that of another test cell, and both measure the loss of macro-F1. *Integrated gradients*
share the change of a cell's score from a cell without anything among its families. Attention and gradients are
asked of the model, which has the methods ``attention`` and ``integrated_gradients``, as `BiLSTM` does.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from patchtype.cohorts import Cohort
from patchtype.evaluation.importance import family_importance, score


def ablation(model, train: Cohort, test: Cohort) -> pd.Series:
    """Loss of macro-F1 on ``test`` when one family is set to its mean over ``train``, one value per family.

    Any fitted model of `patchtype.evaluation` will do. A feature that no training cell has stays missing.
    """
    whole, means = score(model, test), train.table.mean()
    losses = {}
    for family, members in test.families.items():
        losses[family] = whole - score(model, replace(test, table=test.table.assign(**means[members])))
    return pd.Series(losses, name="ablation")


def measures(model, train: Cohort, test: Cohort, seed: int = 0) -> pd.DataFrame:
    """Families in rows; ``attention``, ``ablation``, ``permutation`` and ``gradients`` in columns.

    Attention is its mean over test cells, gradients the mean size of a family's share.
    """
    return pd.DataFrame({
        "attention": pd.Series(model.attention(test).mean(axis=0), index=list(test.families)),
        "ablation": ablation(model, train, test),
        "permutation": family_importance(model, test, seed=seed),
        "gradients": pd.DataFrame(model.integrated_gradients(test), columns=list(test.families)).abs().mean(),
    })


def rank_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau-b between each pair of columns: 1 is the same order of rows, -1 the reverse, 0 none.

    >>> float(rank_agreement(pd.DataFrame({"a": [1, 2, 3], "b": [3, 2, 1]})).loc["a", "b"])
    -1.0
    """
    return table.corr(method="kendall")
