"""The methods of the fair comparison: how each is built, and which one shows what it would do without the mouse.

A method is a named builder; many give several readings, one per learner, called ``method | learner``. Two
comparisons can be made of each reading that uses mouse cells: with its *twin*, the same learner without
them, and with the best reading that uses none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from patchtype.cohorts import Cohort
from patchtype.experiments.regimes import pretrain, regimes
from patchtype.models.adversarial import Adversarial
from patchtype.models.alignment import ALIGNERS, Scaled
from patchtype.models.average import SEPARATOR, LearnerAverage, Viewed
from patchtype.models.pooling import Pooled
from patchtype.models.stacking import Adviser, Stacked


@dataclass(frozen=True)
class Method:
    """One method: ``build(mouse, n_repeats)`` gives a builder for `patchtype.evaluation.evaluate`.

    ``twin``: the method that is alike but for the mouse, or None if this one uses no mouse cell.
    ``title``: its name in tables.
    """

    title: str
    build: Callable
    twin: str | None = None


def _aligned(mouse: Cohort, n_repeats: int):
    return lambda seed: Viewed(LearnerAverage(seed), mouse.families)


def _stacked(aligned: bool):
    def build(mouse: Cohort, n_repeats: int):
        adviser = Adviser(mouse)
        families = mouse.families
        if aligned:
            return lambda seed: Stacked(adviser, _AlignedButAdvice(seed, families))
        return lambda seed: Stacked(adviser, LearnerAverage(seed))
    return build


class _AlignedButAdvice:
    """The average, shown the aligned families and the advice, not the features that only human cells have."""

    def __init__(self, seed: int, families):
        self.model, self.families = LearnerAverage(seed), families

    def fit(self, cohort: Cohort):
        self.shown = {**self.families, "advice": cohort.families["advice"]}
        self.viewed = Viewed(self.model, self.shown).fit(cohort)
        return self

    def predict_proba(self, cohort: Cohort):
        return self.viewed.predict_proba(cohort)


def _pooled(aligner, **options):
    def build(mouse: Cohort, n_repeats: int):
        four = mouse.four_classes()
        return lambda seed: Pooled(four, aligner, seed=seed, **options)
    return build


def _adversarial(alone: bool):
    def build(mouse: Cohort, n_repeats: int):
        four = None if alone else mouse.four_classes()
        return lambda seed: Adversarial(four, seed, families=mouse.families)
    return build


def _bilstm(regime: str):
    def build(mouse: Cohort, n_repeats: int):
        four = mouse.four_classes()
        options = {"inputs": "family embedding", "grouped": True}
        donors = pretrain(four, n_repeats, **options) if regime == "pretrained" else {}
        make = regimes(four, donors, **options)[regime]
        return lambda seed: Viewed(make(seed), mouse.families)
    return build


#: Every method of the comparison, by the name of its experiment.
METHODS = {
    "full": Method("human only, all features", lambda mouse, n: LearnerAverage),
    "aligned": Method("human only, common features", _aligned),
    "stacked_full": Method("mouse-model probabilities, all features", _stacked(aligned=False), "full"),
    "stacked_aligned": Method("mouse-model probabilities, common features", _stacked(aligned=True), "aligned"),
    "scaled_alone": Method("human only, scaled", _pooled(Scaled, weights=(0.0,))),
    **{
        f"pooled_{key}": Method(f"pooled, {title}", _pooled(ALIGNERS[title]), "scaled_alone")
        for key, title in {
            "z": "species-wise z", "quantile": "species-wise quantiles", "coral": "CORAL",
            "gaussian": "Gaussian transport", "transport": "class-wise transport"}.items()
    },
    "network_alone": Method("human only, small network", _adversarial(alone=True)),
    "adversarial": Method("adversarial network", _adversarial(alone=False), "network_alone"),
    "bilstm_alone": Method("human only, BiLSTM", _bilstm("human only")),
    "bilstm_pretrained": Method("BiLSTM, pretrained", _bilstm("pretrained"), "bilstm_alone"),
    "bilstm_joint": Method("BiLSTM, joint", _bilstm("joint"), "bilstm_alone"),
}


def reading(model: str) -> tuple[str, str]:
    """Method and learner of a name in the ``model`` column; the learner is empty where a method has one only.

    >>> reading("full | average"), reading("adversarial")
    (('full', 'average'), ('adversarial', ''))
    """
    method, _, learner = model.partition(SEPARATOR)
    return method, learner


def twin(model: str) -> str | None:
    """The reading without mouse cells that differs in nothing else, or None.

    >>> twin("stacked_full | average"), twin("full | average")
    ('full | average', None)
    """
    method, learner = reading(model)
    other = METHODS[method].twin
    return None if other is None else other + (SEPARATOR + learner if learner else "")
