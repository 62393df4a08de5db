"""The map of cells: what it holds, and that a reader can look at a cell by pointer and by keyboard."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bookpress.browser import served
from helpers.cellmap import cell_map
from patchtype.cohorts import Cohort

ROOT = Path(__file__).parents[2]
XY = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]])


@pytest.fixture
def cells() -> Cohort:
    names = ["mouse-1", "mouse-2", "mouse-3"]
    frame = pd.DataFrame(
        {"species": "mouse", "subclass": ["Sst", "Vip", "Sst"], "donor": names, "source": "simulated"}, index=names
    )
    table = pd.DataFrame({"sag": [0.1, 0.25, 0.12345], "tau": [0.01, 0.02, 0.03]}, index=names)
    return Cohort.build(frame, table, {"passive": ["sag", "tau"]}, ("Sst", "Vip"))


def held(made) -> dict:
    return json.loads(re.search(r"<script type=\"application/json\">(.*)</script>", made._repr_html_())[1])


def test_it_holds_each_cell_in_readers_units(cells):
    data = held(cell_map(XY, cells, ["sag", "tau"], "mouse"))
    assert data["ids"] == ["mouse-1", "mouse-2", "mouse-3"]
    assert data["class"] == [0, 1, 0]
    assert data["values"] == [[0.1, 0.25, 0.123], [10.0, 20.0, 30.0]]
    assert data["features"][1] == "membrane time constant (ms)"
    assert data["trace"] is None


def test_both_axes_share_one_scale_and_up_stays_up(cells):
    assert held(cell_map(XY, cells, ["sag"], "mouse"))["at"] == [[0, 500], [1000, 500], [500, 0]]


def test_a_missing_value_is_no_number(cells):
    data = held(cell_map(XY, cells, ["sag"], "mouse", trace=np.array([[1.0, np.nan]] * 3)))
    assert data["trace"][0] == [1.0, None]


def test_rows_that_do_not_match_are_told(cells):
    with pytest.raises(ValueError, match="^found 2 rows of xy for 3 cells, expected one row a cell$"):
        cell_map(XY[:2], cells, ["sag"], "mouse")


def test_words_cannot_close_the_script(cells):
    assert "</script><b>" not in cell_map(XY, cells, ["sag"], "</script><b>")._repr_html_()


@pytest.mark.browser
def test_a_cell_is_read_by_keyboard_and_by_pointer(chromium, cells, tmp_path):
    made = cell_map(XY, cells, ["sag"], "mouse", trace=np.array([[-70.0, 30.0, -60.0]] * 3))
    for name in ("cellmap.js", "book.css"):
        (tmp_path / name).write_text((ROOT / "assets" / "static" / name).read_text())
    (tmp_path / "page.html").write_text(
        '<!DOCTYPE html><link rel="icon" href="data:,"><link rel="stylesheet" href="book.css">'
        f'<script src="cellmap.js"></script>{made._repr_html_()}'
    )
    wrong: list[str] = []
    page = chromium.new_page(viewport={"width": 800, "height": 700})
    page.on("pageerror", lambda error: wrong.append(str(error)))
    with served(tmp_path) as site:
        page.goto(f"{site}/page.html")
        line, canvas = page.locator("output"), page.locator("canvas[tabindex]")
        canvas.focus()
        assert line.text_content().startswith("mouse-")
        page.keyboard.press("ArrowUp")
        assert line.text_content() == "mouse-3, Sst: sag 0.123"
        box = canvas.bounding_box()
        scale = box["width"] / 1040
        page.mouse.move(box["x"] + 20 * scale, box["y"] + 520 * scale)
        assert line.text_content() == "mouse-1, Sst: sag 0.1"
        far = page.evaluate("document.querySelector('canvas').toDataURL()")
        canvas.press("+")
        assert page.evaluate("document.querySelector('canvas').toDataURL()") != far
        page.mouse.move(box["x"] + 520 * scale, box["y"] + box["height"] / 2)  # where the chosen cell is now
        assert line.text_content() == "mouse-1, Sst: sag 0.1"
        canvas.press("ArrowRight")
        assert line.text_content() == "mouse-2, Vip: sag 0.25"
        page.get_by_role("button", name="All cells").click()
        assert page.evaluate("document.querySelector('canvas').toDataURL()") != far, "another cell is chosen"
        page.mouse.move(box["x"] + 20 * scale, box["y"] + 520 * scale)
        assert page.evaluate("document.querySelector('canvas').toDataURL()") == far
        page.mouse.move(box["x"] + 1020 * scale, box["y"] + 520 * scale)
        assert line.text_content().startswith("mouse-2")
        page.get_by_role("button", name="Vip").click()
        assert line.text_content() == "", "what is hidden is no longer told"
        page.mouse.move(box["x"] + 20 * scale, box["y"] + 520 * scale)
        page.mouse.move(box["x"] + 1020 * scale, box["y"] + 520 * scale)
        assert line.text_content() == "mouse-1, Sst: sag 0.1", "a hidden cell cannot be chosen"
    page.close()
    assert wrong == []
