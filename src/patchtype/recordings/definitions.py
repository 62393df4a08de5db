"""What each scalar feature is: the table behind the book's page on extraction.

    python -m patchtype.recordings.definitions > book/fragments/features.md
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import pandas as pd

from patchtype import families


@cache
def definitions() -> pd.DataFrame:
    """One row per feature, indexed by its name, in the order of ``features.csv``.

    Columns: ``unit``; ``definition``, a sentence without its point; ``sweep``, where it is measured; ``ipfx`` and
    ``efel``, what they call it, with the difference in brackets; ``mouse_table`` and ``human_table``, the column of the
    published tables or how it is made from several.

    >>> definitions().loc["tau", ["unit", "ipfx", "mouse_table"]].tolist()
    ['s', 'tau', 'tau (ms)']
    """
    table = pd.read_csv(files("patchtype").joinpath("recordings/definitions.csv"), index_col="feature",
                        keep_default_na=False)
    table.insert(0, "unit", families.features()["unit"].reindex(table.index))
    return table


def page() -> str:
    """The definitions in Markdown, one table for each sweep from which features come."""
    out = ["<!-- written by python -m patchtype.recordings.definitions -->"]
    for sweep, rows in definitions().groupby("sweep", sort=False):
        title = "Not measured here" if sweep == "none" else sweep[0].upper() + sweep[1:]
        out += ["", f"**{title}**", "", "| Feature | Unit | What it is | ipfx | eFEL | Mouse table | Human table |",
                "|---|---|---|---|---|---|---|"]
        for name, r in rows.iterrows():
            cells = [f"`{name}`", "" if r["unit"] == "1" else r["unit"], r["definition"],
                     *(f"`{r[k]}`" if r[k] else "–" for k in ("ipfx", "efel", "mouse_table", "human_table"))]
            out.append("| " + " | ".join(cells) + " |")
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    print(page(), end="")
