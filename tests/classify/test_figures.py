"""The figures of a card, from a few answers and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from patchtype.classify import nesting, patterns, training

CLASSES = ("Pvalb", "Sst", "Vip")


def answers() -> pd.DataFrame:
    """Six cells: three answered rightly and one wrongly, one undecided, one unlike."""
    p = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]])
    return pd.DataFrame({
        "subclass": ["Pvalb", "Sst", "Pvalb", "Sst", "Sst", "Vip"], "donor": list("aabbcc"),
        "true": ["Pvalb", "Sst", "Sst", "Sst", "Pvalb", "Vip"],
        "verdict": ["answered", "answered", "answered", "undecided", "unlike", "answered"],
        "set": ["Pvalb", "Sst", "Pvalb", "Pvalb Sst", "Sst", "Vip"], "unlike": [False] * 4 + [True, False],
        "excitatory": [False, True, True, False, False, False], **{f"p_{c}": p[:, k] for k, c in enumerate(CLASSES)},
        **{f"raw_{c}": np.full(6, 1 / 3) for c in CLASSES},
    })


def test_figures_by_hand():
    found = training.figures_of(answers(), CLASSES)
    assert (found["cells"], found["donors"]) == (6, 3)
    assert found["answered"] == pytest.approx(4 / 6) and found["accuracy"] == pytest.approx(4 / 6)
    assert found["accuracy_answered"] == pytest.approx(3 / 4)
    assert found["right_answered"] == {"Pvalb": (1, 1.0), "Sst": (2, 0.5), "Vip": (1, 1.0)}
    assert found["false_alarms"] == pytest.approx(1 / 6) and found["excitatory_alarms"] == pytest.approx(2 / 6)
    # Pvalb: 1 of 2 found, 1 of 2 named rightly; Sst: 2 of 3 and 2 of 3.
    assert found["f1"] == pytest.approx({"Pvalb": 1 / 2, "Sst": 2 / 3, "Vip": 1})
    assert found["macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)
    truth = np.array([0, 1, 1, 1, 0, 2])
    p = answers()[[f"p_{c}" for c in CLASSES]].to_numpy()
    assert found["brier"] == pytest.approx(((p - np.eye(3)[truth]) ** 2).sum(axis=1).mean())
    assert found["log_loss"] == pytest.approx(-np.log(p[np.arange(6), truth]).mean())


def test_a_subclass_that_no_cell_has_counts_in_no_mean():
    """As where a laboratory's own cells hold two of three."""
    found = training.figures_of(answers().iloc[:4], CLASSES)
    assert found["f1"] == pytest.approx({"Pvalb": 2 / 3, "Sst": 4 / 5, "Vip": 0})
    assert found["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert found["right_answered"].keys() == {"Pvalb", "Sst"}


def test_as_recorded_is_the_richest_pattern():
    rich, poor = (patterns.name(p) for p in (("ramp", "short_square", "downward"), ("downward",)))
    table = pd.DataFrame({"pattern": [poor, poor, rich], "n": [1, 2, 3]}, index=["a", "b", "a"])
    assert nesting.as_recorded(table)["n"].to_dict() == {"a": 3, "b": 2}


def test_limits_come_from_judged_cells_alone(monkeypatch):
    """Rows of cells that helped to judge others are no part of what the shipped limits are made from."""
    cells = pd.DataFrame({"fold": [nesting.JUDGED, 0, nesting.JUDGED, 1], "model": "steps only", "cell": list("abcd")})
    used = []

    class Fitted:
        species, experts = "human", {("downward",): None}

    class Cohort:
        classes, x, y, table = ("a",), np.zeros((2, 1)), np.zeros(2, int), pd.DataFrame({"tau": [0, 0]})

    monkeypatch.setattr(training.Models, "fit", lambda *a: Fitted)
    monkeypatch.setattr(nesting, "judgement", lambda rows, miss: used.append(rows["cell"].tolist()))
    training.train(Cohort, None, cells)
    assert used == [["a", "c"]]
