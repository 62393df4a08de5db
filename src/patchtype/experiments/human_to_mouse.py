"""The other direction: do human cells help to name mouse cells when those are few, and without any mouse label?

Regimes are those of the comparison on transfer, with the species exchanged. All human cells may help; the mouse cells
are those of development donors.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

import pandas as pd

from patchtype.cohorts import Cohort
from patchtype.evaluation.predictions import as_table, one_fold
from patchtype.evaluation.sizes import SIZES, Sample
from patchtype.experiments.better_model import SEED, ZERO_SHOT
from patchtype.experiments.confounds import QUICK, average
from patchtype.experiments.experiment import Experiment, Piece, development, everyone
from patchtype.experiments.few_shot import z_scored
from patchtype.experiments.nearby import SHARES, THRESHOLDS
from patchtype.experiments.regimes import regimes
from patchtype.experiments.transfer import base
from patchtype.models.bilstm import BiLSTM
from patchtype.models.stacking import Adviser, Stacked
from patchtype.models.zero_shot import ZeroShot

#: The networks are named as `regimes.REGIMES` are, but for the first.
ALONE, ADVISED = "average of plain models", "average with human-model probabilities"
NETWORK_ALONE, PLAIN = "mouse only", "plain model"

#: Each way to use human cells, and the same model without them.
TWINS = {ADVISED: ALONE, "pretrained": NETWORK_ALONE, "joint": NETWORK_ALONE}

FOLDS = base()

#: Networks, which cost most, are trained with at most so many labelled mouse cells.
FEW = 100

#: Settings of the label-free model near its own, which is among them.
NEARBY = {
    f"consistency {threshold}, share {share}": {"threshold": threshold, "share": share}
    for threshold, share in product(THRESHOLDS, SHARES)
}
OWN = "consistency 0.6, share 0.8"


class _Pretrained(dict):
    """Repeat → network trained on the other species, each trained when it is first asked for."""

    def __init__(self, partner: Cohort, options: dict):
        super().__init__()
        self.partner, self.options = partner, options

    def __missing__(self, repeat: int) -> BiLSTM:
        self[repeat] = BiLSTM(seed=repeat, **self.options).fit(self.partner)
        return self[repeat]


class _MeanOnly:
    """The average without a reading of each learner."""

    def __init__(self, model):
        self.model = model

    def fit(self, cohort: Cohort):
        self.model.fit(cohort)
        return self

    def predict_proba(self, cohort: Cohort):
        return self.model.predict_proba(cohort)[" | average"]


def target(data) -> Cohort:
    """Mouse cells of development donors, with the four classes and the features that human cells have, too."""
    return development(data["mouse aligned"].four_classes())


def few_labels(data, cells: Cohort) -> Iterator[Piece]:
    """Pieces with `SIZES` labelled mouse cells, with and without human cells; networks where cells are few."""
    human, options = data["human aligned"], {"inputs": "family embedding", "grouped": True}
    adviser = Adviser(human, learners=QUICK)
    networks = regimes(human, _Pretrained(human, options), **options)
    models = {
        ALONE: lambda seed: _MeanOnly(average(seed)),
        ADVISED: lambda seed: _MeanOnly(Stacked(adviser, average(seed))),
        NETWORK_ALONE: networks.pop("human only"), **networks,
    }
    for size in SIZES:
        for fold in Sample(FOLDS, size).folds(cells):
            for name, build in models.items():
                if 0 < size <= FEW or name in (ALONE, ADVISED):
                    yield partial(_sized, size, name, build, cells, fold)


def _sized(size: int, *task) -> pd.DataFrame:
    table = one_fold(*task)
    table.insert(1, "size", size)
    return table


def no_label(data, cells: Cohort) -> Iterator[Piece]:
    """Pieces without a mouse label: a plain model, the steps of `ZeroShot` as they were for human cells, `NEARBY`."""
    human, own = data["human aligned"], data["mouse"].table.loc[cells.table.index]
    yield partial(_plain, human, cells)
    for name, setting in {**{name: {"steps": steps} for steps, name in ZERO_SHOT.items()}, **NEARBY}.items():
        yield partial(_named, name, setting, human, cells, own)


def _plain(human: Cohort, cells: Cohort) -> pd.DataFrame:
    said = average(SEED).fit(z_scored(human)).predict_proba(z_scored(cells))[" | average"]
    return as_table(PLAIN, everyone(cells), cells, said)


def _named(name: str, setting: dict, human: Cohort, cells: Cohort, own: pd.DataFrame) -> pd.DataFrame:
    said = ZeroShot(SEED, sncg=("Vip",), **setting).name(human, cells, own)  # human cells have no Sncg to place
    return as_table(name, everyone(cells), cells, said)


EXPERIMENTS = {
    "human_to_mouse": Experiment(target, FOLDS, few_labels, steps=100),
    "human_to_mouse_no_label": Experiment(
        target, "human labels only, transductive on mouse development cells", no_label),
}
