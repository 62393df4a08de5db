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


def test_the_protocol_is_told_and_drawn_as_its_steps_are(cell, axes):
    steps = traces.of_steps(cell.prepared)
    step = marks.command(axes[0], cell)
    assert (step.kind, len(axes[0].lines)) == ("long_square", len(cell.prepared.recording.sweeps))
    ends = (f"{one.i_pa:.0f} pA".replace("-", "−") for one in (steps[0], steps[-1]))
    assert marks.told(cell) == "{} steps of {:g} s, from {} to {}".format(
        len(steps), step.end_s - step.onset_s, *ends)
    ground = axes[0].patches[0].get_extents().transformed(axes[0].transData.inverted())
    assert (ground.x0, ground.x1) == pytest.approx((step.onset_s, step.end_s))


def test_three_sweeps_are_the_strongest_that_at_rheobase_and_the_most_negative(cell, axes):
    marks.three_sweeps(axes[1], cell)
    steps = traces.of_steps(cell.prepared)
    wanted = (steps[-1].i_pa, cell.features["rheobase_i"], steps[0].i_pa)
    assert [drawn.get_label() for drawn in axes[1].lines] == [marks.amount(pa, "pA") for pa in wanted]
    assert [drawn.get_ydata().max() > 0 for drawn in axes[1].lines] == [True, True, False]


def test_a_column_of_features_has_all_marks_and_the_title(cell, axes):
    assert marks.features(axes, "some", cell) == pytest.approx(cell.features["input_resistance"] / 1000, rel=0.05)
    assert axes[0].get_title(loc="center") + axes[0].get_title(loc="left") == "some cell"
    assert [ax.get_ylabel() for ax in axes] == ["voltage (mV)"] * 3
    assert all(len(ax.lines) > 1 for ax in axes)
