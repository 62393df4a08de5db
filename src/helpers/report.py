"""Numbers on their way from a notebook to the reader.

A notebook records each number it wants to say under a key. The number goes to ``_build/results`` with its
interval, cohort and protocol, and, through ``glue``, into the prose. Nothing else may put a result on a page.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from patchtype.experiments.paper import paper
from patchtype.files import read_parquet, write_parquet, write_text
from patchtype.settings import build_folder


class Results:
    """The numbers of one notebook, written to ``_build/results/<notebook>.json`` as they are recorded.

    >>> results = Results("00_example", folder="/tmp/example")
    >>> results.record("n_cells", 12, n=12, cohort="simulated")
    12
    """

    def __init__(self, notebook: str, folder: str | Path | None = None):
        self.notebook = notebook
        self.path = Path(folder or build_folder() / "results") / f"{notebook}.json"
        self.results: dict[str, dict] = {}
        self._write()

    def record(self, key: str, value: float, *, n: int, cohort: str, interval=None, protocol: str = "",
               unit: str = "", note: str = "") -> float:
        """Keep a number and glue it under its key, so that prose can show it; returns the value.

        ``n``: cells behind it. ``interval``: (low, high), 95 %, or NaN where too few runs gave none.
        The paper's value of the same key is added.
        ValueError if the key was recorded before or the value is not finite.
        """
        if key in self.results:
            raise ValueError(f"found the result {key!r} twice in {self.notebook}, expected one value a key")
        if not math.isfinite(value):
            raise ValueError(f"found {value} for the result {key!r}, expected a finite number")
        value = value if isinstance(value, int) else float(value)
        self.results[key] = {
            "value": value, "interval": _limits(interval),
            "n": int(n), "cohort": cohort, "protocol": str(protocol), "unit": unit, "note": note,
            "paper": paper().get(key, {}).get("value"),
        }
        self._write()
        _glue(key, value)
        if self.results[key]["paper"] is not None:
            _glue(f"paper_{key}", self.results[key]["paper"])
        return value

    def say(self, key: str, sentence: str) -> str:
        """Glue a computed sentence under a key and return it."""
        _glue(key, Sentence(sentence))
        return sentence

    def keep(self, predictions) -> None:
        """Keep a table of out-of-fold predictions for later chapters, see `predictions`."""
        path = build_folder() / "predictions" / f"{self.notebook}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(path, predictions)

    def _write(self) -> None:
        content = {"notebook": self.notebook, "results": self.results}
        write_text(self.path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def predictions(notebook: str):
    """Out-of-fold predictions that an earlier notebook kept; FileNotFoundError says how to make them."""
    path = build_folder() / "predictions" / f"{notebook}.parquet"
    if not path.exists():
        raise FileNotFoundError(f"found no {path}, expected the predictions of {notebook}; run that notebook first")
    return read_parquet(path)


def _limits(interval) -> list[float] | None:
    """Both ends as floats; None where there is no interval, or too few runs gave none."""
    if interval is None or any(math.isnan(end) for end in interval):
        return None
    return [float(end) for end in interval]


class Sentence(str):
    """A string that a notebook shows without quotation marks."""

    def __repr__(self) -> str:
        return str(self)


def _glue(key: str, value) -> None:
    from myst_nb import glue

    glue(key, value, display=False)


def verdict(result: dict) -> str:
    """One phrase on our value against the paper's, from the interval of ours.

    >>> verdict({"value": 0.9, "interval": [0.88, 0.92], "paper": 0.87})
    'above the paper'
    """
    if result["paper"] is None:
        return "not in the paper"
    if result["interval"] is None:
        if not isinstance(result["value"], int):
            return "no interval"
        return "equal" if result["value"] == result["paper"] else "different"
    low, high = result["interval"]
    if low <= result["paper"] <= high:
        return "agrees, as does zero" if low <= 0 <= high else "agrees"
    return "above the paper" if result["value"] > result["paper"] else "below the paper"


def ledger_markdown(results: dict[str, dict]) -> str:
    """A Markdown table of every result that the paper reports too, side by side with the paper's value.

    ``results`` is the ``results`` part of ``_build/results.json``. Keys of the paper that this run did not
    produce are listed as such: the ledger hides nothing.
    """
    rows = ["| Quantity | Verdict | Paper | This book | 95 % interval | Cells | Protocol |", "|" + "---|" * 7]
    for key, published in paper().items():
        what, value = published["what"], _number(published["value"], digits=4)
        if "spread" in published:
            value += f" ± {_number(published['spread'], digits=4)}"
        if key not in results:
            rows.append(f"| {what} | not computed | {value} | – | – | – | – |")
            continue
        ours = results[key]
        interval = "–" if ours["interval"] is None else " to ".join(_number(end) for end in ours["interval"])
        label = "" if ours["cohort"] == "published" else f" ({ours['cohort']})"
        rows.append(f"| {what} | {verdict(ours)} | {value} | {_number(ours['value'])}{label} | {interval} | "
                    f"{ours['n']:,} | {ours['protocol'] or '–'} |")
    return "\n".join(rows) + "\n"


def _number(value: float, digits: int = 3) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"
