"""The three ways to train for human cells, side by side on the same folds.

What may stop a training is an argument. The *matched* setting stops every regime on macro-F1. The *paper's*
setting stops human-only training on accuracy and the others on macro-F1, so its baseline is chosen by
another score than its rivals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import joblib
from tqdm.auto import tqdm

from patchtype.cohorts import Cohort
from patchtype.evaluation.protocols import repeat_of
from patchtype.models.bilstm import BiLSTM, Partner
from patchtype.models.training import Plan

REGIMES = ("human only", "pretrained", "joint")

#: Setting → the score that stops each regime.
STOP_ON = {
    "matched": dict.fromkeys(REGIMES, "macro_f1"),
    "paper": {"human only": "accuracy", "pretrained": "macro_f1", "joint": "macro_f1"},
}


def pretrain(partner: Cohort, n_repeats: int, n_jobs: int = 1, **options) -> dict[int, BiLSTM]:
    """One model of the other species for each repeat, shared by the repeat's folds: it sees no test species.

    ``options`` go to `BiLSTM`. Returns repeat → fitted model.
    """
    results = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
        joblib.delayed(_fit)(BiLSTM(seed=repeat, **options), partner) for repeat in range(n_repeats))
    return dict(enumerate(tqdm(results, total=n_repeats, desc="pretraining", disable=None, leave=False)))


def regimes(partner: Cohort, pretrained: Mapping[int, BiLSTM], stopping: str = "matched",
            **options) -> dict[str, Callable[[int], BiLSTM]]:
    """Name → builder of each regime, for `evaluate`.

    Parameters: ``partner``, cells of the other species; ``pretrained``, what `pretrain` returned;
    ``stopping``, one of `STOP_ON`; ``options``, what else `BiLSTM` takes, alike for all three.

    >>> regimes(mouse, {0: donor}, "paper")["human only"](0).plan.stop_on  # doctest: +SKIP
    'accuracy'
    """
    if stopping not in STOP_ON:
        raise ValueError(f"found stopping={stopping!r}, expected one of {tuple(STOP_ON)}")
    both = Partner.of(partner)
    plan = options.pop("plan", Plan())
    plans = {name: replace(plan, stop_on=score) for name, score in STOP_ON[stopping].items()}
    return {
        "human only": lambda seed: BiLSTM(seed, plan=plans["human only"], **options),
        "pretrained": lambda seed: BiLSTM(
            seed, plan=plans["pretrained"], pretrained=pretrained[repeat_of(seed)], **options),
        "joint": lambda seed: BiLSTM(seed, plan=plans["joint"], partner=both, **options),
    }


def _fit(model: BiLSTM, cohort: Cohort) -> BiLSTM:
    import torch

    torch.set_num_threads(1)
    return model.fit(cohort)
