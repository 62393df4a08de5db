"""A cell's sweeps with what was measured on them, drawn into given matplotlib axes.

Every mark is read off what `patchtype.recordings.cell.extract` returned; none is placed by eye.
"""

from __future__ import annotations

import numpy as np

from patchtype.classify.traces import AFTER_S, Trace, of_steps, thinned

MARK, INK, GOLD = "#AA3377", "#4477AA", "#997700"


def amount(value: float, unit: str, digits: int = 0) -> str:
    """A measured value as it stands in a figure.

    >>> amount(-63.4, "mV")
    '−63 mV'
    """
    return f"{value:.{digits}f} {unit}".replace("-", "−")


def line(ax, t, v, **how) -> None:
    """A voltage (mV) over time, thinned so that no spike is lost."""
    ax.plot(*thinned(Trace("", t, v, 0.0), 700), **{"color": INK, "linewidth": 0.9} | how)


def _first(cell):
    """The first long square."""
    return cell.protocol.steps[cell.prepared.of("long_square")[0]]


def told(cell) -> str:
    """The long squares of a cell in words: how many, how long, from which current to which."""
    steps, step = of_steps(cell.prepared), _first(cell)
    ends = f"from {amount(steps[0].i_pa, 'pA')} to {amount(steps[-1].i_pa, 'pA')}"
    return f"{len(steps)} steps of {step.end_s - step.onset_s:g} s, {ends}"


def command(ax, cell):
    """The command of all sweeps, the long squares on a grey ground; returns the first of these."""
    for sweep in cell.prepared.recording.sweeps:
        edges = np.r_[0, np.flatnonzero(np.diff(sweep.i_pa)) + 1, len(sweep.i_pa) - 1]
        ax.step(edges / sweep.rate, sweep.i_pa[edges], where="post", color="black", linewidth=0.7)
    step = _first(cell)
    ax.axvspan(step.onset_s, step.end_s, color="#999999", alpha=0.25, linewidth=0)
    ax.set_ylabel("command (pA)")
    return step


def three_sweeps(ax, cell) -> None:
    """Whole sweeps with the strongest long square, with the one at rheobase, and with the most negative one."""
    prepared, (least, *_, most) = cell.prepared, of_steps(cell.prepared)
    for pa, colour in zip((most.i_pa, cell.features["rheobase_i"], least.i_pa), (GOLD, MARK, INK), strict=True):
        k = next(k for k in prepared.of("long_square") if np.isclose(cell.protocol.steps[k].amplitude_pa, pa))
        sweep = prepared.recording.sweeps[k]
        line(ax, np.arange(len(sweep.v_mv)) / sweep.rate, sweep.v_mv, color=colour, label=amount(pa, "pA"))
    ax.set_ylabel("voltage (mV)")
    ax.legend(loc="lower right", bbox_to_anchor=(1.02, 0.96), ncols=3)


def features(column, title: str, cell) -> float:
    """Three axes of a figure, one below the other: `spike_and_latency` and `sag`; returns the slope of the latter."""
    spike, wait, below = column
    spike_and_latency(spike, wait, cell)
    spike.set_title(f"{title} cell")
    for ax in column:
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel("voltage (mV)")
    return sag(below, cell)


def spike_and_latency(spike, wait, cell) -> None:
    """At rheobase: the first spike with threshold, peak, fast trough and width, and below it the wait for it."""
    f, s = cell.features, cell.scalars
    trace = next(one for one in of_steps(cell.prepared) if np.isclose(one.i_pa, f["rheobase_i"]))
    t, v, begin = trace.t_s, trace.v_mv, f["latency_rheo"]
    near = (t > begin - 0.002) & (t < begin + 0.006)
    spike.plot(1000 * (t[near] - begin), v[near], color=INK)
    for name, away, across, up in (("threshold", (0, -7), "right", "top"), ("peak", (12, 3), "left", "center"),
                                   ("fast_trough", (0, -7), "left", "top")):
        x, y = 1000 * (s[f"{name}_t_long_square"] - s["threshold_t_long_square"]), s[f"{name}_v_long_square"]
        spike.plot(x, y, "o", color=MARK, markersize=5)
        words = name.replace("_", " ") + (" " if name == "peak" else "\n") + amount(y, "mV")
        spike.annotate(words, (x, y), xytext=away, ha=across, va=up, textcoords="offset points")
    half = (s["peak_v_long_square"] + s["fast_trough_v_long_square"]) / 2
    left, width = 1000 * (t[(t >= begin) & (v >= half)][0] - begin), 1000 * f["width_rheo"]
    spike.plot([left, left + width], [half, half], color=MARK, linewidth=2.5)
    spike.text(left + width + 0.3, half, f"width {amount(width, 'ms', 2)}", va="center")
    spike.set(xlabel="time from threshold (ms)", xlim=(-2.3, 6.2), ylim=(-165, 90))
    first = (t > -0.05) & (t < begin + 0.05)
    line(wait, 1000 * t[first], v[first])
    wait.axvline(0, color="black", linestyle=":", linewidth=1)
    wait.annotate("", (1000 * begin, -75), (0, -75), arrowprops={"arrowstyle": "<->", "color": MARK})
    wait.text(30 * begin, -79, f"latency {amount(1000 * begin, 'ms')}", va="top")
    wait.set(xlabel=f"time from step onset (ms), {amount(trace.i_pa, 'pA')}", ylim=(-115, 70))


def sag(ax, cell) -> float:
    """The negative steps: sag of the strongest, lowest voltages of the others; returns their slope (mV / pA)."""
    f, (strongest, *others) = cell.features, [one for one in of_steps(cell.prepared) if one.i_pa < 0]
    for one in (strongest, *others):
        line(ax, 1000 * one.t_s, one.v_mv, alpha=1 if one is strongest else 0.5)
    rest = strongest.v_mv[strongest.t_s < 0].mean()
    ax.plot(1000 * f["sag_peak_t"], f["vm_for_sag"], "o", color=MARK, markersize=5)
    ax.plot([0, 500], [f["vm_for_sag"] + f["sag"] * (rest - f["vm_for_sag"])] * 2, "--", color=MARK, linewidth=1)
    inside = [(one.t_s >= 0) & (one.t_s < one.t_s[-1] - AFTER_S) for one in others]
    low = [np.where(during, one.v_mv, np.inf).argmin() for one, during in zip(others, inside, strict=True)]
    x, y = zip(*((1000 * one.t_s[k], one.v_mv[k]) for one, k in zip(others, low, strict=True)), strict=True)
    ax.plot(x, y, "D", color=GOLD, markersize=5)
    ax.set(xlabel="time from step onset (ms)", xlim=(-60, 550), ylim=(-107, -38))
    words = f"sag {amount(100 * f['sag'], '%')}\ninput resistance {amount(f['input_resistance'], 'MΩ')}"
    y_words, side = (0.02, "bottom") if f["sag"] > 0.1 else (0.97, "top")
    ax.text(0.5, y_words, words, transform=ax.transAxes, ha="center", va=side)
    return np.polyfit([one.i_pa for one in others], y, 1)[0]
