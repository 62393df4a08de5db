"""Text from files of strangers: cleaned once, where it enters; and tables as text, where they are kept."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd

from patchtype.recordings.limits import TEXT

#: Columns of kept tables that are text even where they look like numbers.
TEXTS = ("cell_id", "reasons", "notes", "explanation", "remarks", "no_families", "species", "subject_id", "session_id",
         "electrode", "format")
_FORMULA = tuple("=+-@\t\r'")


def clean(value, limit: int = TEXT) -> str:
    """Any value that a file gives for a text as one line that can be stored, printed and shown.

    Bytes are read as UTF-8, what is no character becomes ``\\ufffd``, control and direction characters become
    spaces, and more than ``limit`` characters are cut. Several strings are joined; no value gives an empty text.

    >>> clean(b"Mus\\x00 musculus\\n"), clean(np.array([b"a", b"b"])), clean(None)
    ('Mus musculus', 'a, b', '')
    """
    if isinstance(value, np.ndarray):
        value = ", ".join(clean(each, limit) for each in value.reshape(-1)[:limit])
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value[: 16 * limit].decode("utf-8", "replace")  # four characters of four bytes for each that is kept
    found = ("" if value is None else str(value))[: 4 * limit]
    try:  # what was not UTF-8 in a name or attribute is its bytes in disguise
        found = found.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        found = found.encode("utf-8", "replace").decode()
    if not found.isprintable():
        found = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in found)
    line = " ".join(found.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def span(values) -> str:
    """The least and the greatest of some numbers in words, or the one that there is.

    >>> span([-60.0, -55.0, -60.0]), span([25.0])
    ('-60 to -55', '25')
    """
    return " to ".join(dict.fromkeys(f"{end:g}" for end in (min(values), max(values))))


def as_csv(table: pd.DataFrame) -> str:
    """A table as CSV in which no text begins a formula: a spreadsheet would run what a file calls its subject.

    What could be one, or begins with an apostrophe already, gets an apostrophe in front. Numbers keep every digit.

    >>> as_csv(pd.DataFrame({"cell_id": ["=1+1", "a"], "v": [-1.5, 2.0]}))
    "cell_id,v\\n'=1+1,-1.5\\na,2.0\\n"
    """
    texts = [name for name, kind in table.dtypes.items() if kind.kind not in "biuf"]
    return table.assign(**{name: table[name].map(_inert) for name in texts}).to_csv(index=False, lineterminator="\n")


def _inert(value):
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value


def from_csv(path: Path) -> pd.DataFrame:
    """A table as `as_csv` wrote it: `TEXTS` as text, an empty field elsewhere as NaN.

    >>> path = Path("/tmp/example.csv")
    >>> _ = path.write_text(as_csv(pd.DataFrame({"cell_id": ["=1+1", "07"], "v": [0.1 + 0.2, np.nan]})))
    >>> from_csv(path).to_numpy().tolist()
    [['=1+1', 0.30000000000000004], ['07', nan]]
    """
    numbers = [name for name in pd.read_csv(path, nrows=0).columns if name not in TEXTS]
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, "string"), keep_default_na=False,
                        na_values={name: ["", "nan"] for name in numbers}, float_precision="round_trip")
    for name in table.columns.intersection(TEXTS):
        table[name] = table[name].str.removeprefix("'").where(table[name].str.match("'[=+@\t\r'-]"), table[name])
    return table
