"""Text from files of strangers: cleaned once, where it enters."""

from __future__ import annotations

import unicodedata

import numpy as np
import pandas as pd

from patchtype.recordings.limits import TEXT


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
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in found)
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def as_csv(table: pd.DataFrame) -> str:
    """A table as CSV in which no text begins a formula: a spreadsheet would run what a file calls its subject.

    >>> as_csv(pd.DataFrame({"cell_id": ["=1+1", "a"], "v": [-1.5, 2.0]}))
    "cell_id,v\\n'=1+1,-1.5\\na,2.0\\n"
    """
    return table.map(_inert).to_csv(index=False, lineterminator="\n")


def _inert(value):
    return "'" + value if isinstance(value, str) and value.startswith(tuple("=+-@\t\r")) else value
