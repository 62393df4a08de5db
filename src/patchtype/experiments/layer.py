"""What the experimenter knows: is the cortical layer of a human cell worth telling the model?

The layer is one more feature, beside a control in which the layers are dealt out anew among the cells. Whoever
chose where to record also chose, in part, which subclasses to find, so a gain may be of the sampling. Development
donors only, ten repeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from patchtype.cohorts import Cohort
from patchtype.evaluation.metrics import Estimate
from patchtype.evaluation.predictions import one_fold
from patchtype.experiments.better_model import QUICK_MEMBERS
from patchtype.experiments.better_model import development as folds_of
from patchtype.experiments.confounds import covariates, donor_gain
from patchtype.experiments.experiment import Experiment, Piece, development
from patchtype.models.average import Average
from patchtype.models.ensemble import TABLE_MEMBERS

FOLDS = folds_of("human")

#: What the model is shown.
PLAIN, LAYER, PERMUTED = "features", "features and layer", "features and permuted layer"


def with_layer(cohort: Cohort, seed: int | None = None) -> Cohort:
    """The cohort with the cortical layer as a family of its own; with a ``seed`` layers are dealt out anew."""
    depth = covariates(cohort)["layer_depth"]
    if seed is not None:
        depth = pd.Series(np.random.default_rng(seed).permutation(depth), depth.index, name=depth.name)
    table = pd.concat([cohort.table, depth], axis=1)
    return replace(cohort, table=table, families={**cohort.families, "layer": ["layer_depth"]})


def quick_average(seed: int) -> Average:
    """The mean of the four members that cost least; each is a reading, too."""
    return Average({name: TABLE_MEMBERS[name] for name in QUICK_MEMBERS}, seed, each=True)


def _pieces(data, cells: Cohort) -> Iterator[Piece]:
    told = with_layer(cells)
    for fold in FOLDS.folds(cells):
        for name, shown in ((PLAIN, cells), (LAYER, told), (PERMUTED, with_layer(cells, seed=fold.repeat))):
            yield partial(one_fold, name, quick_average, shown, fold)


def gains(predictions: pd.DataFrame, cohort: Cohort) -> dict[str, Estimate]:
    """Gain in macro-F1 from the layer, over draws of donors, by whose cells are scored; and from a permuted layer."""
    condition = predictions["cell"].map(cohort.cells["condition"])

    def gain(model: str, *conditions: str) -> Estimate:
        return donor_gain(predictions[condition.isin(conditions)], model, PLAIN, cohort)

    return {
        "all cells": gain(LAYER, "acute", "culture"), "acute cells alone": gain(LAYER, "acute"),
        "cultured cells alone": gain(LAYER, "culture"),
        "layers dealt out at random": gain(PERMUTED, "acute", "culture"),
    }


EXPERIMENTS = {"layer_human": Experiment(lambda data: development(data["human"]), FOLDS, _pieces)}
