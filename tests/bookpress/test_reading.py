"""How a page reads: words, minutes, folded code; and which of it is a finding, by the book's settings."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from bookpress.finding import Finding, ordered, wrong
from bookpress.project import Settings
from bookpress.reading import Reading, against, of_book, of_code, of_page

CODE = '<div class="cell {kind}">{before}<div class="cell_input"><pre>{code}</pre></div>{after}{output}</div>'
OUTPUT = '<div class="cell_output">{}</div>'


def cell(code: str, output: str = "", folded: bool = False, kind: str = "") -> str:
    before, after = ("<details><summary>Show</summary>", "</details>") if folded else ("", "")
    return CODE.format(kind=kind, before=before, after=after, code=code, output=OUTPUT.format(output) if output else "")


def read(*parts: str) -> Reading:
    return of_page(BeautifulSoup(f"<article>{''.join(parts)}</article>", "lxml").article)


def test_words_are_those_of_the_author():
    assert read("<h1>Two words</h1><p>and four more here</p>", cell("a = 1", "<pre>12 34</pre>")).words == 6
    assert read("<ul><li>one</li></ul><pre>none</pre><span class='math'>x y</span>").words == 1


@pytest.mark.parametrize(("words", "minutes"), [(0, 0), (1, 1), (200, 1), (201, 2)])
def test_minutes_are_rounded_up(words, minutes):
    assert Reading(words).minutes == minutes


def notebook(*cells: tuple[str, ...]) -> dict:
    """A code cell for each source and its tags."""
    return {"cells": [{"cell_type": "code", "source": source, "metadata": {"tags": tags}} for source, *tags in cells]}


def test_code_that_a_page_folds_or_leaves_out_is_hidden():
    assert of_code(notebook(("a = 1\n\nb = 2",), ("c = 3", "hide-input"), ("d", "remove-cell"), ("e", "remove-input"),
                            ("f", "remove-output"))) == (6, 3)
    assert "50 % of 6 code lines hidden, 2 boxes, 1 empty" in str(Reading(1, boxes=2, empty=1, code=6, hidden=3))


@pytest.mark.parametrize("tag", ["solution", "check", "claims", "injected-parameters"])
def test_exercises_and_checks_are_no_code_of_the_chapter(tag):
    assert of_code(notebook(("a = 1", tag, "remove-cell"))) == (0, 0)


def test_a_box_is_empty_that_shows_nothing_or_holds_nothing():
    assert read(cell("a = 1", folded=True)).empty == 1
    assert read(cell("", "<pre>x</pre>", folded=True)).empty == 1
    assert read(cell("a = 1", "<img src='a.svg'>", folded=True)).empty == 0
    assert read(cell("a = 1")).empty == 0


@pytest.mark.parametrize("kind", ["tag_solution", "tag_check"])
def test_answers_and_checks_are_meant_to_be_folded(kind):
    page = read(cell("a = 1", folded=True, kind=kind))
    assert (page.boxes, page.empty) == (0, 0)


PAGES = {
    "a.html": Reading(10, boxes=3, code=10, hidden=6, screens=12.0, cut_code=(" x = 1",), cut_tables=("a, b",)),
    "b.html": Reading(10, boxes=2, empty=1, code=10, hidden=5, screens=9.0, small_figures=("A line.",)),
    "c.html": Reading(10, screens=30.0, chapter=False),
}
GOALS = {"screens": 10, "hidden": 50, "boxes": 4}


def test_what_misses_a_goal_is_advice_until_the_book_enforces_it():
    told = against(Settings(goals=GOALS), PAGES)
    assert [str(finding) for finding in told] == [
        "a.html: advice: 1 code lines are cut at the width of a desktop, the first: 'x = 1'; break them.",
        "a.html: advice: 1 tables are cut at the width of a desktop, the first: 'a, b'; give them fewer or shorter "
        "columns.",
        "a.html: advice: 12.0 screens before the exercises, over the goal of 10; tell it in less.",
        "b.html: advice: 1 figures have text under 11 px, the first: 'A line.'; draw them at the width that they have "
        "on the page.",
        "b.html: advice: 1 folded boxes hold nothing that the page shows; do without the box.",
        "all chapters: advice: 55 % of the chapters' code is hidden, over the goal of 50 %; show it or drop it.",
        "all chapters: advice: 5 folded boxes in the chapters, over the goal of 4.",
    ]
    assert wrong(told) == 0
    assert wrong(against(Settings(goals=GOALS, enforced=("screens", "boxes")), PAGES)) == 2


def test_without_goals_only_what_is_cut_is_told():
    assert len(against(Settings(), PAGES)) == 4
    assert against(Settings(goals=GOALS), {"c.html": PAGES["c.html"]}) == []


def test_the_small_book_is_measured(built):
    project = built[0].project
    read = of_book(project.html, project.root / "_toc.yml")
    assert set(read) == {f"{page}.html" for page in project.pages()}
    assert read["notebooks/01_data.html"].code > 5
    assert not read["book/reader.html"].chapter


def test_findings_stand_by_page_and_what_must_be_put_right_comes_first():
    told = [Finding("b", "z", advice=True), Finding("a", "y"), Finding("b", "x"), Finding("b", "a")]
    assert [finding.page + finding.what for finding in ordered(told)] == ["bx", "ba", "bz", "ay"]
