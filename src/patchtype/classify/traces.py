"""Three sweeps that show a cell, and their drawing: lines that follow the page's colours, light or dark."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np

from patchtype.recordings.protocols import Prepared

BEFORE_S, AFTER_S = 0.1, 0.2  # shown around the step
COLUMNS = 380  # a drawn trace has the least and the greatest value of each of so many bins
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 400, 130, 40, 18, 16  # of one panel, in units of the drawing


@dataclass(frozen=True)
class Trace:
    """One sweep around its step: time from the step's onset (s), potential (mV), size of the step (pA)."""

    title: str
    t_s: np.ndarray
    v_mv: np.ndarray
    i_pa: float


def pick(prepared: Prepared | None, rheobase_pa: float) -> list[Trace]:
    """The strongest downward step, the step at rheobase and the strongest upward step of a recording.

    Sweeps without a whole step are passed over; fewer than three are returned where the recording has fewer.
    """
    if prepared is None:
        return []
    sizes = {k: prepared.protocol.steps[k].amplitude_pa for k in prepared.of("long_square")}
    up = {n: pa for n, pa in sizes.items() if pa > 0}
    chosen = {}
    if min(sizes.values(), default=0) < 0:
        chosen[min(sizes, key=sizes.get)] = "downward step"
    if up and np.isfinite(rheobase_pa):
        chosen[min(up, key=lambda n: abs(up[n] - rheobase_pa))] = "at rheobase"
    if up:
        chosen.setdefault(max(up, key=up.get), "strongest step")
    return [_trace(prepared.sweep(n), f"{title}, {sizes[n]:+.0f} pA".replace("-", "−"), sizes[n])
            for n, title in chosen.items()]


def of_steps(prepared: Prepared) -> list[Trace]:
    """Every long step of a recording, from the most negative to the strongest."""
    steps = [(prepared.protocol.steps[k].amplitude_pa, k) for k in prepared.of("long_square")]
    return [_trace(prepared.sweep(k), f"{pa:+.0f} pA".replace("-", "−"), pa) for pa, k in sorted(steps)]


def _trace(sweep, title: str, pa: float) -> Trace:
    (onset, end), rate = sweep.epochs["stim"], sweep.sampling_rate
    first = max(onset - round(BEFORE_S * rate), 0)
    last = min(end + round(AFTER_S * rate), len(sweep.v))
    return Trace(title, (np.arange(first, last) - onset) / rate, sweep.v[first:last], pa)


def thinned(trace: Trace, columns: int = COLUMNS) -> tuple[np.ndarray, np.ndarray]:
    """Time and potential with the extremes of each bin kept, so that no spike is lost.

    >>> v = np.zeros(1000); v[500] = 30
    >>> float(thinned(Trace("", np.arange(1000) / 1000, v, 0.0), 10)[1].max())
    30.0
    """
    t, v = [], []
    for rows in np.array_split(np.arange(len(trace.v_mv)), columns):
        if len(rows):
            pair = np.sort([rows[trace.v_mv[rows].argmin()], rows[trace.v_mv[rows].argmax()]])
            t.extend(trace.t_s[pair])
            v.extend(trace.v_mv[pair])
    return np.array(t), np.array(v)


def drawing(traces: list[Trace], name: str) -> str:
    """The traces below each other as one SVG element with a text for those who cannot see it; "" without traces."""
    if not traces:
        return ""
    said = "; ".join(f"{t.title}: {_said(t.v_mv.min())} to {_said(t.v_mv.max())} mV" for t in traces)
    text = f"Membrane potential of {name} in {len(traces)} sweeps with a step of current. {said}."
    panels = "".join(_panel(trace, k * HEIGHT) for k, trace in enumerate(traces))
    return (f'<svg viewBox="0 0 {WIDTH} {HEIGHT * len(traces) + 14}" role="img" aria-label="{escape(text)}">'
            f'<title>{escape(text)}</title>{panels}'
            f'<text x="{WIDTH}" y="{HEIGHT * len(traces) + 10}" text-anchor="end">time from step onset (s)</text>'
            '</svg>')


def _said(mv: float) -> str:
    return f"{mv:.0f}".replace("-", "−")


def _squeezed(mv: float) -> str:
    """Five figures, as wrong units give them, do not fit beside the axis."""
    return f' textLength="{LEFT - 6}" lengthAdjust="spacingAndGlyphs"' if len(_said(mv)) > 5 else ""


def _panel(trace: Trace, top: float) -> str:
    t, v = thinned(trace)
    low, high = 10 * np.floor(v.min() / 10), 10 * np.ceil(v.max() / 10)
    right, ceiling, floor = WIDTH - 6, top + TOP, top + HEIGHT - BOTTOM

    def across(seconds):
        return LEFT + (seconds - t[0]) / (t[-1] - t[0]) * (right - LEFT)

    def up(mv):
        return floor - (mv - low) / (high - low) * (floor - ceiling)

    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across(t), up(v), strict=True))
    ticks = "".join(f'<text x="{LEFT - 4}" y="{up(mv) + 4:.1f}" text-anchor="end"{_squeezed(mv)}>{_said(mv)}</text>'
                    for mv in (low, high))
    ticks += "".join(f'<text x="{across(s):.1f}" y="{floor + 13:.1f}" text-anchor="middle">{s:g}</text>'
                     for s in (0.0, 0.5, 1.0) if t[0] <= s <= t[-1])
    return (f'<text x="{LEFT}" y="{top + 11}" class="strong">{escape(trace.title)} (mV)</text>'
            f'<path d="M{LEFT},{ceiling}V{floor}H{right}" class="axis"/>'
            f'<polyline points="{points}" class="trace"/>{ticks}')
