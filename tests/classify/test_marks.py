"""Marks on a trace stand where the features of the cell say."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from patchtype.classify import marks, traces
from patchtype.recordings.cell import extract


@pytest.fixture(scope="module")
def cell(mouse_file):
    return extract(mouse_file)


@pytest.fixture
def axes():
    fig, axes = plt.subplots(3)
    yield axes
    plt.close(fig)


def test_steps_are_given_from_the_most_negative_to_the_strongest(cell):
    steps = traces.of_steps(cell.prepared)
    assert [one.i_pa for one in steps] == sorted(one.i_pa for one in steps)
    assert len(steps) == len(cell.prepared.of("long_square"))
    assert steps[0].i_pa < 0 < steps[-1].i_pa and steps[0].title == f"−{-steps[0].i_pa:.0f} pA"
    assert steps[-1].v_mv.max() > 0 > steps[0].v_mv.max(), "only the strongest step makes it fire"


def test_the_spike_is_marked_at_its_measured_potentials_and_width(cell, axes):
    marks.spike_and_latency(axes[0], axes[1], cell)
    f, s = cell.features, cell.scalars
    dots = [float(line.get_ydata()[0]) for line in axes[0].lines if line.get_marker() == "o"]
    assert dots == [s[f"{name}_v_long_square"] for name in ("threshold", "peak", "fast_trough")]
    words = [text.get_text() for text in (*axes[0].texts, *axes[1].texts)]
    assert f"width {1000 * f['width_rheo']:.2f} ms" in words
    assert f"latency {1000 * f['latency_rheo']:.0f} ms" in words
    trace = axes[0].lines[0]
    assert np.interp(0, trace.get_xdata(), trace.get_ydata()) == pytest.approx(s["threshold_v_long_square"], abs=2)


def test_the_slope_of_the_lowest_potentials_is_the_input_resistance(cell, axes):
    slope = marks.sag(axes[2], cell)
    assert 1000 * slope == pytest.approx(cell.features["input_resistance"], rel=0.05)
    assert f"sag {100 * cell.features['sag']:.0f} %" in axes[2].texts[0].get_text()
