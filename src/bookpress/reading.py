"""How a page reads: its length in words and screens, how much of its code it hides, and what a reader sees cut.

Each measure is told for every page. The book's settings say which must hold: ``goals`` gives the most that a chapter
may have (``screens`` before its exercises) or all chapters together (``boxes``; ``hidden``, per cent of their code),
and ``enforced`` names the measures that are findings and not only advice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag

from bookpress.finding import Finding
from bookpress.project import Settings, toc_pages

#: Words that a reader of difficult prose takes in a minute.
WORDS_A_MINUTE = 200
#: The least size of text in a figure as displayed, in px.
TEXT_PX = 11
#: What is no prose of the author's: code, what it prints and shows, formulas, the frame.
NO_PROSE = "pre, script, style, .math, .cell_output table, .headerlink, .book-provenance, .book-contents, .quiz, svg"
#: Tags of cells whose code a page folds away or leaves out.
HIDING = frozenset({"hide-input", "hide-cell", "remove-input", "remove-cell"})
#: Tags of cells that are no part of a chapter's story: exercises, what checks its claims, and what a run puts in.
APART = frozenset({"solution", "check", "claims", "injected-parameters"})
#: Words of these measures, for each what to do.
CURES = {
    "code": "{} code lines are cut at the width of a desktop, the first: {!r}; break them.",
    "tables": "{} tables are cut at the width of a desktop, the first: {!r}; give them fewer or shorter columns.",
    "figures": "{} figures have text under {} px, the first: {!r}; draw them at the width that they have on the page.",
    "empty": "{} folded boxes hold nothing that the page shows; do without the box.",
    "screens": "{:.1f} screens before the exercises, over the goal of {:g}; tell it in less.",
    "hidden": "{:.0f} % of the chapters' code is hidden, over the goal of {:g} %; show it or drop it.",
    "boxes": "{} folded boxes in the chapters, over the goal of {:g}.",
}
SEEN = files("bookpress").joinpath("seen.js").read_text("utf-8")


@dataclass(frozen=True)
class Reading:
    """The measures of one page. ``code`` and ``hidden``: lines of code, and how many of them the page does not show.

    ``screens``, ``cut_code``, ``cut_tables``, ``small_figures`` are known once a browser has shown the page.
    """

    words: int
    boxes: int = 0
    empty: int = 0
    code: int = 0
    hidden: int = 0
    chapter: bool = True
    screens: float | None = None
    cut_code: tuple[str, ...] = ()
    cut_tables: tuple[str, ...] = ()
    small_figures: tuple[str, ...] = ()

    @property
    def minutes(self) -> int:
        """What reading the words takes.

        >>> Reading(1001).minutes
        6
        """
        return -(-self.words // WORDS_A_MINUTE)

    def __str__(self) -> str:
        told = [f"{self.words:,} words"]
        if self.screens is not None:
            told += [f"{self.screens:.1f} screens", f"{len(self.cut_code)} code lines cut",
                     f"{len(self.cut_tables)} tables cut", f"{len(self.small_figures)} figures with small text"]
        if self.code:
            told.append(f"{100 * self.hidden / self.code:.0f} % of {self.code} code lines hidden, "
                        f"{self.boxes} boxes, {self.empty} empty")
        return ", ".join(told)

    def seen(self, page: Any) -> Reading:
        """With what a browser shows of the page that it has open at the size of a desktop."""
        found = page.evaluate(SEEN, TEXT_PX)
        return replace(
            self, screens=found["height"] / page.viewport_size["height"], cut_code=tuple(found["code"]),
            cut_tables=tuple(found["tables"]), small_figures=tuple(found["figures"]),
        )  # fmt: skip


def of_page(article: Tag, chapter: bool = True) -> Reading:
    """Measures of what an author wrote; boxes of answers and checks of exercises are left out."""
    boxes = empty = 0
    for cell in article.select(".cell:not(.tag_solution, .tag_check)"):
        if cell.select_one("details .cell_input"):
            shown = [part for part in cell.select(".cell_output") if not part.find_parent("details")]
            blank = not any(pre.get_text(strip=True) for pre in cell.select(".cell_input pre"))
            boxes += 1
            empty += blank or not any(part.get_text(strip=True) or part.find("img") for part in shown)
    prose = BeautifulSoup(str(article), "lxml")
    for tag in prose.select(NO_PROSE):
        tag.decompose()
    return Reading(len(prose.get_text(" ").split()), boxes, empty, chapter=chapter)


def of_code(notebook: Mapping[str, Any]) -> tuple[int, int]:
    """Lines of a chapter's own code without blank ones, and how many of them its page folds away or leaves out.

    >>> of_code({"cells": [{"cell_type": "code", "source": "a = 1\\n\\nb = 2", "metadata": {"tags": ["remove-cell"]}}]})
    (2, 2)
    """
    code = hidden = 0
    for cell in notebook["cells"]:
        tags = set(cell["metadata"].get("tags", []))
        if cell["cell_type"] == "code" and not tags & APART:
            lines = sum(bool(line.strip()) for line in "".join(cell["source"]).splitlines())
            code, hidden = code + lines, hidden + lines * bool(tags & HIDING)
    return code, hidden


def of_book(folder: Path, toc: Path) -> dict[str, Reading]:
    """Measures of each page of the table of contents that has been rendered.

    Code is counted in the notebooks that the pages were made from, for a page does not tell what it leaves out.
    """
    found = {}
    for name in toc_pages(toc):
        path, source = folder / f"{name}.html", folder / "_sources" / f"{name}.ipynb"
        soup = BeautifulSoup(path.read_text(encoding="utf-8") if path.is_file() else "", "lxml")
        if article := soup.select_one("article"):
            code, hidden = of_code(json.loads(source.read_text(encoding="utf-8"))) if source.is_file() else (0, 0)
            shape = of_page(article, name.startswith("notebooks/"))
            found[f"{name}.html"] = replace(shape, code=code, hidden=hidden)
    return found


def against(settings: Settings, read: Mapping[str, Reading]) -> list[Finding]:
    """What misses its goal: findings where the settings enforce the measure, else advice."""
    return [
        Finding(page, CURES[measure].format(*told), "reading", measure not in settings.enforced)
        for page, measure, told in _missed(settings, read)
    ]


def _missed(settings: Settings, read: Mapping[str, Reading]) -> Iterator[tuple[str, str, tuple]]:
    goals, chapters = settings.goals, {page: shape for page, shape in read.items() if shape.chapter}
    for page, shape in read.items():
        if shape.cut_code:
            yield page, "code", (len(shape.cut_code), shape.cut_code[0].strip())
        if shape.cut_tables:
            yield page, "tables", (len(shape.cut_tables), shape.cut_tables[0])
        if shape.small_figures:
            yield page, "figures", (len(shape.small_figures), TEXT_PX, shape.small_figures[0])
        if shape.empty:
            yield page, "empty", (shape.empty,)
        if shape.chapter and "screens" in goals and (shape.screens or 0) > goals["screens"]:
            yield page, "screens", (shape.screens, goals["screens"])
    code, hidden, boxes = (
        sum(getattr(shape, what) for shape in chapters.values()) for what in ("code", "hidden", "boxes")
    )
    if "hidden" in goals and code and 100 * hidden / code > goals["hidden"]:
        yield "all chapters", "hidden", (100 * hidden / code, goals["hidden"])
    if "boxes" in goals and boxes > goals["boxes"]:
        yield "all chapters", "boxes", (boxes, goals["boxes"])
