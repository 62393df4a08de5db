"""The figure that opens the book: a real recording to step through, and a small classifier to play with.

The classifier is a multinomial regression on five features of the mouse cells and their products, fitted here and
computed in the reader's browser by ``assets/static/opening.js`` from weights that stand in the page: no server is
asked. Where no script runs, a table shows what the classifier says of a typical cell of each subclass.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler

from helpers import figures
from patchtype.cohorts import Cohort, DataUnavailable, fetch

#: Feature → (name, unit, factor from the table to the reader's unit, lowest, highest, step, whether in logarithms).
SLIDERS = {
    "width_rheo": ("spike width", "ms", 1000, 0.25, 1.6, 0.01, True),
    "input_resistance": ("input resistance", "MΩ", 1, 50, 500, 5, True),
    "sag": ("sag", "", 1, 0.0, 0.4, 0.005, False),
    "adapt_hero": ("adaptation", "", 1, -0.05, 0.6, 0.005, False),
    "avg_rate_hero": ("firing rate", "Hz", 1, 2, 120, 1, True),
}
RECORDING = "2019_07_24_0055_fsi.abf"
WINDOW_S, STEPS_PA, BINS = (0.1, 0.7), (-100, -50, 0, 50, 100, 200, 300), 240
WIDTH, HEIGHT = 640, 220  # of the drawing, in its own units
SCALE = "585,65 638,65 638,10"  # a bar of 50 ms and 50 mV, right of the step: see `points`


def transformed(values: np.ndarray) -> np.ndarray:
    """(N, F) values in readers' units, those that vary by factors in logarithms, as `opening.js` has them."""
    logs = [row[-1] for row in SLIDERS.values()]
    values = np.asarray(values, dtype=float)
    return np.where(logs, np.log(np.maximum(values, 1e-3)), values)


@dataclass(frozen=True)
class Opening:
    """What `opening` returns; a notebook shows it as HTML.

    ``model``: weights as the page holds them. ``score``: macro-F1 on donors kept apart. ``typical``: subclass by
    feature, medians in readers' units. ``sweeps``: the recording, None where it cannot be had.
    """

    model: dict
    score: float
    typical: pd.DataFrame
    sweeps: list[dict] | None
    source: str

    def probabilities(self, values) -> np.ndarray:
        """(C,) probabilities of the subclasses for F values in readers' units; what the browser computes too."""
        z = (transformed(values) - self.model["mean"]) / self.model["scale"]
        n = len(z)
        terms = np.concatenate([z, [z[i] * z[j] for i in range(n) for j in range(i, n)]])
        scores = np.asarray(self.model["weights"]) @ terms + self.model["bias"]
        e = np.exp(scores - scores.max())
        return e / e.sum()

    def _repr_html_(self) -> str:
        data = {
            "model": self.model,
            "classes": [{"name": c, "colour": figures.SUBCLASS_COLOURS[c]} for c in self.typical.index],
            "sliders": [
                dict(zip(("name", "unit", "low", "high", "step", "log"), (*row[:2], *row[3:]), strict=True))
                for row in SLIDERS.values()
            ],
            "typical": self.typical.to_numpy().tolist(),
            "sweeps": self.sweeps,
        }
        packed = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
        return (
            f'<div class="opening"><script type="application/json">{packed}</script>{self._recording()}'
            f'<div class="opening-model"><p class="opening-title">Set a cell’s features, and see '
            f"what a classifier calls it</p>"
            f"{self._table()}</div></div>"
        )

    def _recording(self) -> str:
        if self.sweeps is None:
            return ""
        shown = next(sweep for sweep in self.sweeps if sweep["pa"] == 100)
        return (
            f'<div class="opening-cell"><p class="opening-title">A neuron answers a step of current</p>'
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Voltage of a fast-spiking interneuron during '
            f'a step of current of half a second: the stronger the current, the faster its train of spikes.">'
            f'<polyline class="opening-voltage" points="{points(shown["mv"])}"/>'
            f'<polyline class="opening-current" points="{current(shown["pa"])}"/>'
            f'<polyline class="opening-scale" points="{SCALE}"/></svg>'
            '<p class="opening-note">A real recording, '
            '<a href="https://github.com/swharden/pyABF">pyABF’s sample files</a> (MIT licence): a fast-spiking '
            "interneuron, voltage above, current below. The bar is 50 ms wide and 50 mV high.</p></div>"
        )

    def _table(self) -> str:
        names = [f"{name} ({unit})" if unit else name for name, unit, *_ in SLIDERS.values()]
        head = "".join(f"<th>{html.escape(name)}</th>" for name in ("a typical cell", *names, "the classifier says"))
        rows = ""
        for subclass, values in self.typical.iterrows():
            p = self.probabilities(values.to_numpy())
            best = int(p.argmax())
            told = "".join(f"<td>{value:.3g}</td>" for value in values)
            rows += f"<tr><th>{subclass}</th>{told}<td>{self.typical.index[best]}, {100 * p[best]:.0f} %</td></tr>"
        return f'<table class="opening-static"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def opening(mouse: Cohort) -> Opening:
    """The opening figure on a cohort of mouse cells with the aligned features.

    >>> opening(mouse)  # doctest: +SKIP
    """
    factors = [row[2] for row in SLIDERS.values()]
    table = (mouse.table[list(SLIDERS)] * factors).dropna()
    labels, donors = mouse.cells.loc[table.index, "subclass"], mouse.cells.loc[table.index, "donor"]
    model = make_pipeline(
        FunctionTransformer(transformed), StandardScaler(), PolynomialFeatures(2, include_bias=False),
        LogisticRegression(class_weight="balanced", max_iter=5000),
    )  # fmt: skip
    said = cross_val_predict(model, table.to_numpy(), labels, groups=donors, cv=GroupKFold(5))
    model.fit(table.to_numpy(), labels)
    scaler, regression = model[1], model[-1]
    order = list(regression.classes_)
    classes = [name for name in mouse.classes if name in order]
    rows = [order.index(name) for name in classes]
    weights = {
        "mean": scaler.mean_, "scale": scaler.scale_, "weights": regression.coef_[rows],
        "bias": regression.intercept_[rows],
    }  # fmt: skip
    return Opening(
        {name: np.round(values, 9).tolist() for name, values in weights.items()},
        float(f1_score(labels, said, average="macro")),
        table.groupby(labels).median().reindex(classes),
        recording(),
        str(mouse.cells["source"].iloc[0]),
    )


def recorded(name: str) -> dict[int, np.ndarray]:
    """Step in pA → voltage in mV over `WINDOW_S`, the first step of each sweep of a real recording (ABF, 20 kHz).

    Empty where the file can neither be found nor fetched, or nothing here reads it.
    """
    try:
        import pyabf

        abf = pyabf.ABF(str(fetch(name)))
    except (ImportError, DataUnavailable):
        return {}
    first, last = (round(t * abf.dataRate) for t in WINDOW_S)
    sweeps = {}
    for number in abf.sweepList:
        abf.setSweep(number)
        sweeps[round(float(abf.sweepC[(first + last) // 2]))] = abf.sweepY[first:last].copy()
    return sweeps


def recording() -> list[dict] | None:
    """Some sweeps of `RECORDING`, as least and greatest mV in each of `BINS` bins of time; None where it is absent."""
    sweeps = []
    for step, voltage in recorded(RECORDING).items():
        if step in STEPS_PA:
            bins = np.array_split(voltage, BINS)
            ends = [(b.min(), b.max()) if b.argmin() < b.argmax() else (b.max(), b.min()) for b in bins]
            sweeps.append({"pa": step, "mv": np.rint(ends).astype(int).ravel().tolist()})
    return sweeps or None


def points(mv: list[int]) -> str:
    """A sweep as points of the drawing: −110 to 40 mV over the upper three quarters of its height."""
    x = np.linspace(0, WIDTH, len(mv))
    y = 165 * (40 - np.asarray(mv)) / 150
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def current(pa: int) -> str:
    """The command as points of the drawing, −100 to 300 pA over its lowest quarter."""
    on, off = (WIDTH * (t - WINDOW_S[0]) / (WINDOW_S[1] - WINDOW_S[0]) for t in (0.1468, 0.6468))
    rest, step = (210 - 35 * (i + 100) / 400 for i in (0, pa))
    corners = [(0, rest), (on, rest), (on, step), (off, step), (off, rest), (WIDTH, rest)]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
