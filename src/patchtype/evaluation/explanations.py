"""What a network leans on, asked in four ways, so that attention can be held against the others.

Attention says where states are mixed. *Ablation* replaces a family of a test cell by its mean over training
cells, *permutation* by that of another test cell, and both measure the loss of macro-F1. *Integrated gradients*
share the change of a cell's score from a cell without anything among its families.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

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


def integrated_gradients(model, cohort: Cohort, points: int = 24) -> pd.DataFrame:
    r"""Share of each family in each cell's score of its own subclass (Sundararajan et al. 2017), (N, T).

    The score is :math:`\log p_y`. The path runs straight from the embedded tokens of a cell whose every
    feature is at its training mean to those of the cell, so each family has a share

    .. math:: \mathrm{IG}_t = (e_t - e'_t) \cdot \int_0^1 \frac{\partial \log p_y}{\partial e_t}
              \bigl(e' + a (e - e')\bigr) \, da ,

    and the shares of a cell add up to the difference of its score from the mean cell's (completeness).
    The integral is a Gauss-Legendre sum over ``points``, in double precision. ``model`` is a fitted `BiLSTM`.
    """
    network = deepcopy(model.network).eval().double()
    tokens, y = model.tokens.transform(cohort).double(), torch.from_numpy(cohort.y)
    nodes, weights = np.polynomial.legendre.leggauss(points)
    shares = []
    for rows in torch.arange(len(cohort)).split(128):  # few at a time: the path holds every state
        with torch.no_grad():
            end = network.embed(tokens[rows])
            start = network.embed(torch.zeros_like(tokens[rows]))
        total = torch.zeros_like(start)
        for place, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            at = (start + place * (end - start)).requires_grad_()
            total += weight * torch.autograd.grad(own_score(network, at, y[rows]).sum(), at)[0]
        shares.append((total * (end - start)).sum(2))
    return pd.DataFrame(torch.cat(shares).numpy(), index=cohort.cells.index, columns=list(cohort.families))


def own_score(network, embedded: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(N,) log probability of the class ``y`` of each cell, from its embedded tokens (N, T, E)."""
    log_p = torch.log_softmax(network.heads[0](network.pool(embedded)[0]), dim=1)
    return log_p.gather(1, y[:, None]).squeeze(1)


def measures(model, train: Cohort, test: Cohort, seed: int = 0) -> pd.DataFrame:
    """Families in rows; ``attention``, ``ablation``, ``permutation`` and ``gradients`` in columns.

    Attention is its mean over test cells, gradients the mean size of a family's share.
    """
    return pd.DataFrame({
        "attention": pd.Series(model.attention(test).mean(axis=0), index=list(test.families)),
        "ablation": ablation(model, train, test),
        "permutation": family_importance(model, test, seed=seed),
        "gradients": integrated_gradients(model, test).abs().mean(),
    })


def rank_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau-b between each pair of columns: 1 is the same order of rows, -1 the reverse, 0 none.

    >>> float(rank_agreement(pd.DataFrame({"a": [1, 2, 3], "b": [3, 2, 1]})).loc["a", "b"])
    -1.0
    """
    return table.corr(method="kendall")
