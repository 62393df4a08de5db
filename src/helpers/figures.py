"""One look for every figure: palette, font sizes, and helpers that two notebooks share.

Colours are those of Okabe & Ito, which remain distinct under colour blindness; each subclass and species has
its own in the whole book. Figures keep a white ground, so that they read alike on light and dark pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython import get_ipython

SUBCLASS_COLOURS = MappingProxyType({
    "Lamp5": "#CC79A7", "Pvalb": "#0072B2", "Sncg": "#E69F00", "Sst": "#D55E00", "Vip": "#009E73",
})
SPECIES_COLOURS = MappingProxyType({"mouse": "#4D4D4D", "human": "#56B4E9"})
#: Condition of a human slice: shades of the human blue, no colour of a subclass.
CONDITION_COLOURS = MappingProxyType({"acute": "#56B4E9", "culture": "#0B3C5D"})
#: For what is neither a subclass nor a species: rows to point out, steps of current, a goal.
ACCENTS = ("#AA3377", "#4477AA", "#997700")
#: Marker of each subclass, so that no figure depends on colour alone.
SUBCLASS_MARKERS = MappingProxyType({"Lamp5": "s", "Pvalb": "o", "Sncg": "D", "Sst": "^", "Vip": "v"})


def shades(names: Iterable[str], filled: bool = False) -> dict[str, tuple[float, float, float]]:
    """Name → colour, dark to light in the order of the names: for what is no subclass and no species, as methods are.

    They are shades of one violet that no subclass has, none too pale for a thin line on white. Name first what the
    figure is about, and let a marker or a line style tell them apart as well. Areas (``filled``) take a wider range
    of shades; give them a dark edge, for the last one is pale.

    >>> [name for name, (red, _, _) in shades(["attention", "ablation"]).items() if red < 0.5]
    ['attention']
    """
    names = list(names)
    violets = plt.colormaps["Purples_r"](np.linspace(0.02, 0.75 if filled else 0.45, len(names)))[:, :3]
    return dict(zip(names, map(tuple, violets.tolist()), strict=True))


#: Inches that a figure is wide on the page: 1 inch is 96 pixels there, and wider figures are drawn smaller.
WIDTH = 7.2


def use_style() -> None:
    """Set the book's matplotlib style; called once at the top of a notebook.

    Figures are vectors (SVG), drawn at the width that they have on the page, so that a point is a point.
    """
    sns.set_theme(context="notebook", style="ticks", font_scale=0.85, rc={
        "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white",
        "figure.figsize": (WIDTH, 3.2), "figure.dpi": 96, "savefig.bbox": "tight", "axes.spines.top": False,
        "axes.spines.right": False, "axes.titlesize": "medium", "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.unicode_minus": True, "legend.frameon": False, "lines.linewidth": 1.4,
        "svg.hashsalt": "book",  # the same figure is the same file
    })
    if get_ipython() is not None:
        # Importing the backend starts it, and its start would undo what was set before.
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", metadata={"Date": None})


def confusion_map(matrix: pd.DataFrame, ax, title: str) -> None:
    """Confusion matrix (`patchtype.evaluation.confusion`) as a labelled heat map, shares of the true class."""
    sns.heatmap(matrix, ax=ax, annot=True, fmt=".2f", cmap="Blues", vmin=0, vmax=1, square=True, cbar=False,
                linewidths=0.5, linecolor="white")
    ax.set(title=title, xlabel="predicted subclass", ylabel="true subclass")
    ax.tick_params(axis="y", rotation=0)


def forest(rows: pd.DataFrame, ax, colour="black", marker="o", offset: float = 0.0, label: str | None = None) -> None:
    """A row of ``rows`` a line of the figure, first on top: its ``value`` as a dot, ``low`` to ``high`` as a bar.

    Rows are named by the index. Called again with an ``offset`` (in rows), it adds a second set to the same lines.
    """
    places = np.arange(len(rows))[::-1] + offset
    error = np.abs(rows[["low", "high"]].sub(rows["value"], axis=0)).T.to_numpy()
    ax.errorbar(rows["value"], places, xerr=error, fmt=marker, color=colour, capsize=3, label=label)
    ax.set(yticks=np.arange(len(rows))[::-1], yticklabels=rows.index, ylim=(-0.6, len(rows) - 0.4))


def zero_line(ax, paper: float | None = None, words: str = " paper") -> None:
    """A line at no gain, the ground of losses in grey, and the paper's gain as a dashed line."""
    left, right = ax.get_xlim()
    ax.axvspan(min(left, 0), 0, color="#999999", alpha=0.15, linewidth=0, zorder=0)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_xlim(min(left, 0), right)
    if paper is not None:
        ax.axvline(paper, color="black", linestyle="--", linewidth=1)
        ax.text(paper, ax.get_ylim()[1], words, fontsize="small", va="bottom", ha="left")


def name_lines(ax, ends: Mapping[str, float], x: float) -> None:
    """Name lines that end at ``x``: name → its last value, written beside the axes and led to by a thin line."""
    names, values = zip(*sorted(ends.items(), key=lambda item: item[1]), strict=True)
    step = 14 / 72 / (ax.get_position().height * ax.figure.get_figheight()) * np.ptp(ax.get_ylim())
    places = np.array(values)
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + step)
    places -= np.mean(places - values)
    leader = {"arrowstyle": "-", "linewidth": 0.5, "color": "#777777", "relpos": (0, 0.5)}
    for name, value, place in zip(names, values, places, strict=True):
        ax.annotate(name, (x, value), (1.05, place), xycoords="data", textcoords=("axes fraction", "data"), va="center",
                    fontsize="small", arrowprops=leader)


def intervals(summary: pd.DataFrame, score: str, ax, reference: float | None = None, colour: str = "black") -> None:
    """Mean and interval of one score per model (`patchtype.evaluation.summary`), one row a model.

    ``colour`` is that of the species whose cells were scored; ``reference`` draws the paper's value as a dashed line.
    """
    columns = {score: "value", f"{score}_low": "low", f"{score}_high": "high"}
    forest(summary[list(columns)].rename(columns=columns), ax, colour)
    ax.set_xlabel(score.replace("_f1", "-F1"))
    if reference is not None:
        ax.axvline(reference, color="black", linestyle="--", linewidth=1)
        ax.text(reference, -0.55, " paper", fontsize="small", va="bottom", ha="left")


def marks(table: pd.DataFrame, ax, size: float = 7) -> None:
    """A row of ``table`` a line of the figure, first on top, one mark a column, coloured and shaped by subclass."""
    for subclass in table:
        look = {"color": SUBCLASS_COLOURS[subclass], "marker": SUBCLASS_MARKERS[subclass], "markersize": size}
        ax.plot(table[subclass], np.arange(len(table))[::-1], linestyle="none", label=subclass, **look)
    ax.set(yticks=np.arange(len(table))[::-1], yticklabels=table.index, ylim=(-0.6, len(table) - 0.4))
    ax.grid(axis="y", alpha=0.3)


def show(figure=None) -> None:
    """Draw the current figure in the page and close it, so that memory does not grow with the chapter."""
    plt.tight_layout()
    plt.show()
    plt.close(figure or plt.gcf())
