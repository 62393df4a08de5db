"""The paper's four networks, kept: under its own mouse protocol, ten times, with trees, and on human folds."""

from __future__ import annotations

from patchtype.evaluation.protocols import CrossValidation, HoldOut
from patchtype.experiments.experiment import Experiment, out_of_fold
from patchtype.models.bilstm import VARIANTS, BiLSTM
from patchtype.models.objectives import PriorCorrected
from patchtype.models.table import boosting, random_forest

ARCFACE = "ArcFace + focal loss"

#: Ways to read the one ArcFace network, by the ending of the name: the power of the class shares that is multiplied in.
POWERS = {"": 0.0, ", prior added": 0.7, ", prior removed": -1.0}

#: A fifth of the cells tests; a quarter of the others, `VALIDATION`, stops the training: 60, 20 and 20 %.
HOLD_OUT, VALIDATION = HoldOut(0.2, 10), 0.25
#: Human cells are few, so each is tested: five folds, ten times, and a fifth of the training cells stops the training.
FOLDS, HUMAN_VALIDATION = CrossValidation(5, 10), 0.2


def networks(validation: float, epochs: int | None = None) -> dict:
    """Builder of each network of the paper, and of the one with the family embedding, by the name shown in tables.

    ``validation``: share of the training cells that stops the training; ``epochs`` caps it, for a quick run.

    >>> sorted(networks(0.2))[-2:]
    ['attention, family embedding', 'last step']
    """

    def plain(**variant):
        return lambda seed: BiLSTM(seed, validation=validation, epochs=epochs, **variant)

    built = {name: plain(**variant) for name, variant in VARIANTS.items()}
    arcface = built[ARCFACE]
    return {
        **built,
        ARCFACE: lambda seed: PriorCorrected(arcface(seed), POWERS),
        "attention, family embedding": plain(inputs="family embedding"),
    }


def _mouse(data, cells):
    trees = {"random forest": random_forest, "gradient boosting": boosting}
    return out_of_fold(networks(VALIDATION) | trees, cells, HOLD_OUT.folds(cells))


def _human(data, cells):
    return out_of_fold(networks(HUMAN_VALIDATION), cells, FOLDS.folds(cells))


EXPERIMENTS = {
    "networks_mouse": Experiment(lambda data: data["mouse"], HOLD_OUT, _mouse),
    "networks_human": Experiment(lambda data: data["human"], FOLDS, _human),
}
