"""Numbers on their way from a notebook to the reader.

A notebook records each number it wants to say under a key. The number goes to ``_build/results`` with its
interval, cohort and protocol, and, through ``glue``, into the prose. Nothing else may put a result on a page.
Sentences are written by a person, who leaves the numbers to ``glue`` and lists at the end of the chapter what
they claim (`Results.check`), so that the build fails when a sentence stops being true.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from helpers.forest import Forest, Row, strip
from patchtype import cohorts
from patchtype.evaluation.metrics import Estimate
from patchtype.experiments.paper import paper
from patchtype.files import write_text
from patchtype.settings import build_folder

NOT_THESE_CELLS = (
    "The sentences of this chapter were written for the published cells. {why}: the numbers in them are computed anew, "
    "but what is concluded from them need not hold."
)


class Results:
    """The numbers of one notebook, written to ``_build/results/<notebook>.json`` as they are recorded.

    ``cohort`` is the source of the cells and is what every number is recorded under, unless it says otherwise.
    Where it is not the published one, or ``quick`` repeats make the scores coarse, the line on data at the
    chapter's head says that its conclusions need not hold, and `check` lets them pass.

    >>> results = Results("00_example", cohort="simulated", folder="/tmp/example")
    >>> results.record("n_cells", 12, n=12)
    12
    >>> results.check({"twelve cells are many": False})  # not the published cells: a note stands instead
    """

    def __init__(self, notebook: str, folder: str | Path | None = None, *, cohort: str = "", quick: bool = False):
        self.notebook, self.cohort, self.quick = notebook, cohort, quick
        self.path = Path(folder or build_folder() / "results") / f"{notebook}.json"
        self.results: dict[str, dict] = {}
        self.said: set[str] = set()
        self._write()
        if cohort:
            self.say("data", cohorts.described(cohort) + (f". {self.note()}" if self.note() else ""))

    def note(self) -> str:
        """What stands in the place of checked conclusions; empty where they are checked."""
        if self.cohort and self.cohort != "published":
            return NOT_THESE_CELLS.format(why=f"These are {self.cohort} cells")
        return NOT_THESE_CELLS.format(why="This was a quick run") if self.quick else ""

    def record(self, key: str, value: float | Estimate, *, n: int, cohort: str = "", interval=None, protocol: str = "",
               unit: str = "", note: str = "") -> float:
        """Keep a number and glue it under its key, so that prose can show it; returns the value.

        ``n``: cells behind it. ``interval``: (low, high), 95 %, or NaN where too few runs gave none; an `Estimate`
        brings its own, and a p value makes it a difference, told with its sign. A number with an interval is glued
        as ``<key>_told`` too: "0.751 (0.713 to 0.789)"; without one, ``<key>_told`` is the number with as many digits
        as a sentence needs. The paper's value of the same key is added.
        ValueError if the key was recorded before or the value is not finite.
        """
        signed = False
        if isinstance(value, Estimate):
            interval, signed = value.interval, not math.isnan(value.p)
            note = note or (f"corrected {p_words(value.p)}" if signed else "")
            value = value.mean
        if key in self.results:
            raise ValueError(f"found the result {key!r} twice in {self.notebook}, expected one value a key")
        if not math.isfinite(value):
            raise ValueError(f"found {value} for the result {key!r}, expected a finite number")
        value = value if isinstance(value, int) else float(value)
        self.results[key] = {
            "value": value, "interval": _limits(interval),
            "n": int(n), "cohort": cohort or self.cohort, "protocol": str(protocol), "unit": unit, "note": note,
            "paper": paper().get(key, {}).get("value"),
        }
        self._write()
        glue(key, value)
        glue(f"{key}_told", Sentence(told(value, self.results[key]["interval"], signed, unit)))
        if self.results[key]["paper"] is not None:
            glue(f"paper_{key}", self.results[key]["paper"])
        return value

    def table(self, prefix: str, scores: pd.DataFrame, *, n, protocol: str = "", names: Mapping[str, str] | None = None,
              columns: Iterable[str] = ("macro_f1", "accuracy"), suffix: str = "", **how) -> None:
        """Record ``columns`` of a table with one row a model (`patchtype.evaluation.summary`).

        A row is recorded as ``<prefix><row>_<column><suffix>``, with the interval of its columns ``<column>_low``
        and ``<column>_high`` where there are such. ``names`` gives rows shorter names; rows that it does not hold
        are left out.
        """
        for row, values in scores.iterrows():
            if names is not None and row not in names:
                continue
            for column in columns:
                ends = [values.get(f"{column}_{end}", math.nan) for end in ("low", "high")]
                key = f"{prefix}{plain(names[row] if names else row)}_{column}{suffix}"
                self.record(key, values[column], n=n, interval=ends, protocol=protocol, **how)

    def series(self, prefix: str, values: Mapping, *, n, **how) -> None:
        """Record each value of a Series or dict, numbers or estimates, as ``<prefix><name>``; words are glued."""
        for name, value in values.items():
            if isinstance(value, str):
                self.say(f"{prefix}{plain(name)}", value)
            else:
                value = value if isinstance(value, Estimate | int) else float(value)
                self.record(f"{prefix}{plain(name)}", value, n=n, **how)

    def say(self, key: str, sentence: str) -> str:
        """Glue words that depend on the cells, such as a subclass's name, under a key and return them."""
        glue(key, Sentence(sentence))
        self.said.add(key)
        return sentence

    def absent(self, *keys: str, words: Iterable[str] = ()) -> None:
        """Glue a dash in the place of each number, told, and of ``words`` that these cells do not give.

        >>> Results("00_example", cohort="simulated", folder="/tmp/example").absent("gain", words=["best"])
        """
        told = {f"{key}_told" for key in keys if key not in self.results}
        for key in sorted(told | (set(words) - self.said)):
            glue(key, Sentence("–"))

    def check(self, claims: Mapping[str, bool]) -> None:
        """AssertionError that lists the sentences of the chapter which its numbers no longer bear out.

        ``claims`` maps a sentence, or its gist, to whether it holds. Only the published cells in a full run are
        held to it: on others `note` stands at the chapter's head.
        """
        broken = [sentence for sentence, holds in claims.items() if not bool(holds)]
        if broken and not self.note():
            listed = "\n".join(f"- {sentence}" for sentence in broken)
            raise AssertionError(
                f"found claims of {self.notebook} that its numbers do not bear out; correct the text, or find what "
                f"moved:\n{listed}"
            )

    def _write(self) -> None:
        content = {"notebook": self.notebook, "results": self.results}
        write_text(self.path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def _limits(interval) -> list[float] | None:
    """Both ends as floats; None where there is no interval, or too few runs gave none."""
    if interval is None or any(math.isnan(end) for end in interval):
        return None
    return [float(end) for end in interval]


class Sentence(str):
    """A string that a notebook shows without quotation marks.

    A number keeps them: the renderer reads what it is given as Python, and would make "4,178" a pair, "+0.60" a 0.6.
    """

    def __repr__(self) -> str:
        return super().__repr__() if set(self) <= set("+-0123456789.,") else str(self)


def glue(key: str, value) -> None:
    """Leave a value for the page under its key. Where no page can be made, as on Binder or Colab, nothing is done.

    >>> glue("n_cells", 12)
    """
    with contextlib.suppress(ModuleNotFoundError):
        from myst_nb import glue as keep

        keep(key, value, display=False)


def plain(name) -> str:
    """A name as part of a key.

    >>> plain("random forest, donors apart (chapter 4)")
    'random_forest_donors_apart_chapter_4'
    """
    words = "".join(letter if letter.isalnum() else " " for letter in str(name)).split()
    return "_".join(words)


def p_words(p: float) -> str:
    """A p value as one says it.

    >>> p_words(0.00096), p_words(0.0312)
    ('p < 0.001', 'p = 0.03')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.01 else f"p = {p:.2f}"


def told(value: float, interval=None, signed: bool = False, unit: str = "") -> str:
    """A number as it stands in a sentence, with its 95 % interval if it has one; with signs where it is a difference.

    >>> told(0.751, (0.713, 0.789)), told(-0.0159, (-0.028, 0.001), signed=True)
    ('0.751 (0.713 to 0.789)', '−0.016 (−0.028 to +0.001)')
    >>> told(4178), told(64.3, unit="%"), told(0.61)
    ('4,178', '64 %', '0.61')
    >>> told(5.652, (-0.535, 12.063), signed=True, unit="percentage points")
    '+5.7 percentage points (−0.5 to +12.1)'
    """
    if interval is not None:
        digits = f"{'+z' if signed else 'z'}.{1 if unit else 3}f"
        first, low, high = (format(float(number), digits) for number in (value, *interval))
        return f"{first}{' ' * bool(unit)}{unit} ({low} to {high})".replace("-", "−")
    shown = f"{value:,}" if isinstance(value, int) else f"{value:.0f} %" if unit == "%" else f"{value:z.2f}"
    return shown.replace("-", "−")


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
        return "includes both the paper's value and zero" if low <= 0 <= high else "agrees"
    return "above the paper" if result["value"] > result["paper"] else "below the paper"


def ledger_markdown(results: dict[str, dict]) -> str:
    """The ledger: rows of intervals on common axes, then a table of every number that the paper reports too.

    ``results`` is the ``results`` part of ``_build/results.json``. Keys of the paper that this run did not
    produce are listed as such: the ledger hides nothing.
    """
    drawn = [
        _ledger_forest(results, "Scores", 0.4, 1.0, lambda key: "gain" not in key and not key.endswith("_cells")),
        _ledger_forest(results, "Gains from mouse cells", -0.15, 0.15, lambda key: "gain" in key),
        _strip(results),
    ]
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
    folded = ":::{dropdown} Every row with its cells and protocol\n" + "\n".join(rows) + "\n:::\n"
    return "\n\n".join([*filter(None, drawn), folded])


def _strip(results: dict[str, dict]) -> str:
    """The macro-F1 of the models of each chapter, by chapter and by what was named; empty where there is none."""
    rows: dict[str, dict[str, float]] = {}
    for key, row in results.items():
        elsewhere = re.match(r"external_\w+_(raw|z)$", key)
        unlabelled = re.match(r"(zero_shot_(?!auc)|final_zero)", key)
        score = elsewhere or unlabelled or key.startswith("final_") or "macro_f1" in key
        if not score or re.search("gain|_(floor|best|worst)$", key) or row["n"] < 20 or isinstance(row["value"], int):
            continue
        kind = ("cells elsewhere" if elsewhere else "human, no human label" if unlabelled
                else "mouse" if re.search("mouse|opening", key) else "human")
        kind += "" if row["cohort"] == "published" else f" ({row['cohort']})"
        rows.setdefault(f"{int(row['notebook'][:2])}: {kind}", {})[_name(key)] = row["value"]
    rows = {name: rows[name] for name in sorted(rows, key=lambda name: (int(name.partition(":")[0]), name))}
    return strip(rows, "Scores of the chapters: a dot a model; macro-F1", 0.2, 1.0) if rows else ""


#: Learners by the short names that keys have.
LEARNERS = {"hgb": "boosting", "lr": "logistic regression", "rf": "random forest", "svm": "support vectors",
            "spca": "sparse components and", "smote": "with SMOTE", "bilstm": "BiLSTM", "arcface": "ArcFace"}


def _name(key: str) -> str:
    """What a score is of, in words; its row says of which species and which chapter.

    >>> _name("human_hgb_macro_f1_by_donor"), _name("human_only_macro_f1"), _name("final_zero")
    ('boosting by donor', 'human only', 'final donors')
    """
    short = re.sub(r"_macro_f1|^(human|mouse)_(?!only)|^zero_shot_|^external_|(?<=^final_)(human|mouse|zero)$", "", key)
    return " ".join(LEARNERS.get(word, word) for word in re.sub("^final_$", "final_donors", short).split("_"))


def _ledger_forest(results: dict[str, dict], caption: str, low: float, high: float, belongs) -> str:
    """The rows of the ledger on one axis, the paper's value as a diamond; empty where no row belongs there."""
    rows = []
    for key, published in paper().items():
        if key in results and belongs(key):
            ours = results[key]
            label = "" if ours["cohort"] == "published" else f" ({ours['cohort']})"
            words = f"{_number(ours['value'])}{label}, paper {_number(published['value'])}: {verdict(ours)}"
            rows.append(Row(published["what"], ours["value"], ours["interval"], published["value"], words))
    return Forest(rows, f"{caption}: dot, this book; diamond, the paper", low, high).html() if rows else ""


def _number(value: float, digits: int = 3) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:z.{digits}f}".replace("-", "−")
