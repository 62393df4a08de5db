"""Drawings that explain: the experiment, the way of the cells into folds, the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.patches import FancyBboxPatch

from helpers.figures import ACCENTS, SUBCLASS_COLOURS


def box(ax, x: float, y: float, words: str, width: float, height: float, colour) -> None:
    """A box with its middle at (x, y), its words inside."""
    corner, look = (x - width / 2, y - height / 2), "round,pad=0,rounding_size=0.08"
    ax.add_patch(FancyBboxPatch(corner, width, height, look, facecolor="none", edgecolor=colour, linewidth=1.4))
    ax.text(x, y, words, ha="center", va="center", linespacing=1.4)


def arrow(ax, start: tuple[float, float], end: tuple[float, float], colour="#555555") -> None:
    """An arrow between two points."""
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.4})


def patch_seq(ax, voltage: Sequence[float]) -> None:
    """Patch-seq from left to right: a pipette on a cell, ``voltage`` (N,) in mV, reads of genes, the name."""
    ax.set(xlim=(0, 11), ylim=(-0.4, 3.4), aspect="equal")
    blue, grey = SUBCLASS_COLOURS["Pvalb"], "#555555"
    for angle in np.deg2rad((100, 150, 205, 260, 310)):
        ax.plot([1, 1 + 0.95 * np.cos(angle)], [1.2, 1.2 + 0.95 * np.sin(angle)], color=blue)
    ax.plot(1, 1.2, "o", color=blue, markersize=30)
    ax.plot([1.28, 1.9, 2.3, 1.36], [1.42, 2.75, 2.5, 1.3], color=grey)
    ax.plot(np.linspace(3.3, 5.9, len(voltage)), 2.55 + np.asarray(voltage) / 90, color=blue, linewidth=0.8)
    for row, (gene, reads) in enumerate({"Pvalb": 1.4, "Sst": 0.15, "Vip": 0.08, "Lamp5": 0.04}.items()):
        ax.barh(1.25 - 0.36 * row, reads, 0.24, left=4.3, color=ACCENTS[2])
        ax.text(4.2, 1.25 - 0.36 * row, gene, ha="right", va="center", style="italic")
    box(ax, 9.9, 0.6, "Pvalb", 1.5, 0.7, blue)
    titles = {"one neuron": (1, -0.3), "its voltage": (4.6, 3.1), "its genes": (4.9, -0.4), "its subclass": (9.9, 1.1)}
    for words, (x, y) in titles.items():
        ax.text(x, y, words, ha="center", weight="bold")
    for start, end in (((2.4, 2.3), (3.2, 2.3)), ((1.9, 0.9), (3.2, 0.6)), ((6.2, 0.6), (9.1, 0.6))):
        arrow(ax, start, end)
    arrow(ax, (6.2, 2.3), (9.4, 1.5), blue)
    ax.text(7.65, 0.72, "sequencing names it", color=grey, ha="center")
    ax.text(7.3, 2.35, "how well can the\nvoltage name it?", color=blue, weight="bold")
    ax.set_axis_off()


def cell_flow(ax, rows: dict[str, Sequence[str]], folds: int = 5) -> None:
    """Each species' way from its table into folds, the last of which tests; ``rows``: colour → words of its boxes."""
    ax.set(xlim=(0, 8.6), ylim=(-len(rows), 0))
    for y, (colour, row) in enumerate(rows.items()):
        for x, words in enumerate(row):
            box(ax, 2.1 * x + 0.9, -y - 0.5, words, 1.6, 0.72, colour)
            arrow(ax, (2.1 * x + 1.75, -y - 0.5), (2.1 * x + 2.05, -y - 0.5))
        fills = ["none"] * (folds - 1) + [colour]
        ax.bar(6.7 + 0.4 * np.arange(folds), 0.5, 0.34, bottom=-y - 0.75, color=fills, edgecolor=colour)
        ax.text(6.5, -y - 0.12, "train on four, test on one", va="center", fontsize="small")
    ax.set_axis_off()


def network(ax, widths: dict[str, int], classes: Sequence[str], sizes: dict[str, str]) -> None:
    """The attention BiLSTM from tokens to classes; ``sizes``: name and size of its five levels.

    ``widths``: features of each family, drawn as filled places of its token; the empty ones are padding. The last
    place, in grey, is the share that was not measured.
    """
    n, middle, places = len(widths), (len(widths) - 1) / 2, max(widths.values()) + 1
    ax.set(xlim=(-3.6, n), ylim=(-0.9, 5.4))
    for x, (family, width) in enumerate(widths.items()):
        ax.text(x, -0.95, family, rotation=40, ha="right", va="top", rotation_mode="anchor")
        fills = [ACCENTS[2]] * width + ["none"] * (places - 1 - width) + ["#999999"]
        bottom = np.arange(places) * 1.3 / places - 0.8
        ax.bar([x] * places, 1.1 / places, 0.5, bottom=bottom, color=fills, edgecolor=ACCENTS[2], linewidth=0.8)
        ax.plot([x, x], [0.6, 1.2], color="#999999", linewidth=1)
        box(ax, x, 1.65, "", 0.7, 0.8, ACCENTS[1])
        ax.plot([x, middle], [2.1, 3.3], color=ACCENTS[0])
    arrow(ax, (-0.5, 1.85), (n - 0.5, 1.85), ACCENTS[1])
    arrow(ax, (n - 0.5, 1.45), (-0.5, 1.45), ACCENTS[1])
    box(ax, middle, 3.55, "", 5, 0.45, ACCENTS[0])
    arrow(ax, (middle, 3.8), (middle, 4.6))
    for place, name in enumerate(classes):
        box(ax, middle + 1.9 * (place - (len(classes) - 1) / 2), 5, name, 1.7, 0.7, SUBCLASS_COLOURS[name])
    for y, (level, size) in zip((-0.2, 1.65, 2.7, 3.55, 5), sizes.items(), strict=True):
        ax.text(-0.9, y, f"{level}\n", ha="right", va="center", weight="bold")
        ax.text(-0.9, y, f"\n{size}", ha="right", va="center")
    ax.set_axis_off()
