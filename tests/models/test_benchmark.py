"""The benchmark compares like with like: the same model, the same protocol, arithmetic counted rightly."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from patchtype.evaluation import CrossValidation
from patchtype.experiments.regimes import REGIMES, pretrain, regimes
from patchtype.models.tokens import FamilyTokens
from tests.models.conftest import make_cohort


@pytest.fixture
def bench(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("training")


@pytest.mark.parametrize("shape", [(12, 150), (8, 8)])
def test_the_arithmetic_of_a_cell_is_what_the_library_counts(bench, shape):
    network = bench.plain.PlainBiLSTM(*shape, classes=[4]).eval()
    # Fused kernels are not counted, so the same pass is made without them.
    with FlopCounterMode(display=False) as counter, torch.backends.mkldnn.flags(enabled=False), torch.no_grad():
        network.encode(torch.zeros(10, *shape))
    # Left out of the formula: the attention scores and the pooling, vectors against matrices.
    assert counter.get_total_flops() / 10 == pytest.approx(bench.flops_per_cell(*shape), rel=0.01)


@pytest.mark.parametrize("regime", REGIMES)
def test_the_plain_side_learns_what_the_package_learns(bench, regime):
    train, test, mouse = (make_cohort(n=n, shift=5, seed=seed) for n, seed in ((200, 1), (200, 2), (300, 3)))
    scaler = FamilyTokens().fit(mouse)
    other = scaler.transform(mouse), torch.from_numpy(mouse.y)
    donor = bench.plain.pretrain(other, 0, 7)
    tokens = FamilyTokens().fit(train)
    network = bench.plain.fit(regime, tokens.transform(train), torch.from_numpy(train.y), other, donor, 0, 7)
    with torch.no_grad():
        theirs = network.eval()(tokens.transform(test)).argmax(1).numpy()
    model = regimes(mouse, pretrain(mouse, 1, epochs=7), epochs=7)[regime](0).fit(train)
    ours = model.predict_proba(test).argmax(1)
    assert min((theirs == test.y).mean(), (ours == test.y).mean()) > 0.9
    assert np.mean(theirs == ours) > 0.9


def test_the_plain_side_takes_one_task_after_the_other(bench):
    human, mouse = (make_cohort(n=n, seed=seed) for n, seed in ((100, 1), (150, 2)))
    fold = next(iter(CrossValidation(5, 1).folds(human)))
    scaled = FamilyTokens().fit(mouse).transform(mouse).numpy(), mouse.y
    _, (donor,) = bench.in_turn(1, bench.plain_mouse, [(scaled, 0, 1)])
    tasks = [(regime, human, fold, scaled, donor, 1) for regime in REGIMES]
    seconds, results = bench.in_turn(1, bench.plain_fold, tasks)
    assert seconds > 0
    assert [p.shape for p in results] == 3 * [(len(fold.test), len(human.classes))]
    np.testing.assert_allclose([p.sum(axis=1) for p in results], 1, rtol=1e-5)


def test_random_cells_have_the_shape_that_is_promised(bench):
    cells = bench.random_cells(20, "human", 0)
    assert FamilyTokens().fit(cells).transform(cells).shape == (20, 12, 150)
