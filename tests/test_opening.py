"""The opening figure: the browser computes what Python does, by keyboard, without a server, on a phone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bookpress.browser import served
from helpers import opening
from patchtype.cohorts import Cohort

ROOT = Path(__file__).parents[1]
SUBCLASSES = ("Pvalb", "Sst", "Vip")


@pytest.fixture(scope="module")
def made() -> opening.Opening:
    rng = np.random.default_rng(0)
    y = np.repeat(SUBCLASSES, 40)
    centre = {"Pvalb": (0.4, 110, 0.04, 0.0, 40), "Sst": (0.6, 220, 0.1, 0.05, 14), "Vip": (0.8, 300, 0.05, 0.1, 9)}
    values = np.array([centre[name] for name in y]) * rng.lognormal(0, 0.25, (len(y), 5))
    table = pd.DataFrame(values / [1000, 1, 1, 1, 1], columns=list(opening.SLIDERS))
    table.iloc[3, 2] = np.nan  # a cell with a gap takes no part
    cells = pd.DataFrame({"species": "mouse", "subclass": y, "donor": np.arange(len(y)) % 12, "source": "simulated"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "fetch", nowhere)
        return opening.opening(Cohort.build(cells, table, {"all": list(opening.SLIDERS)}, SUBCLASSES))


def nowhere(name):
    raise opening.DataUnavailable("found no network")


def test_probabilities_are_those_of_the_fitted_model_and_sum_to_one(made):
    p = made.probabilities([0.4, 110, 0.04, 0.0, 40])
    assert p.sum() == pytest.approx(1) and SUBCLASSES[p.argmax()] == "Pvalb"
    assert made.score > 0.8


def test_without_scripts_a_table_says_what_typical_cells_are_called(made):
    page = made._repr_html_()
    assert "<th>Pvalb</th>" in page and "opening-static" in page and "<svg" not in page, "no recording at hand"


def test_a_sweep_stays_inside_its_drawing_and_keeps_its_spikes():
    x, y = np.array([p.split(",") for p in opening.points([-110, 40, -70]).split()], float).T
    assert x.tolist() == [0, 320, 640] and y[0] == 165 and y[1] == 0
    assert opening.current(300).split()[2].split(",")[1] == "175.0"


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
def test_the_browser_agrees_with_python_and_obeys_the_keyboard(chromium, made, tmp_path, width):
    for name in ("opening.js", "figures.css"):
        (tmp_path / name).write_text((ROOT / "assets" / "static" / name).read_text())
    (tmp_path / "page.html").write_text(
        '<!DOCTYPE html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="figures.css"><script src="opening.js"></script>'
        + made._repr_html_()
    )
    wrong, asked = [], []
    page = chromium.new_page(viewport={"width": width, "height": 700})
    page.on("pageerror", lambda error: wrong.append(str(error)))
    with served(tmp_path) as site:
        page.goto(f"{site}/page.html")
        page.on("request", lambda request: asked.append(request.url))
        values = np.random.default_rng(1).uniform([0.25, 50, 0, -0.05, 2], [1.6, 500, 0.4, 0.6, 120], (50, 5))
        found = page.evaluate(
            "rows => rows.map(row => document.querySelector('.opening').opening.probabilities(row))", values.tolist()
        )
        assert np.allclose(found, [made.probabilities(row) for row in values], rtol=0, atol=1e-6)
        assert page.locator(".opening-static").count() == 0
        page.get_by_role("button", name="Vip").click()
        shares = page.locator(".opening-share")
        assert page.locator(".opening-said").text_content().endswith("Vip.")
        before = shares.all_text_contents()
        page.get_by_role("slider", name="spike width").focus()
        for _ in range(60):
            page.keyboard.press("ArrowLeft")
        assert shares.all_text_contents() != before
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
    assert wrong == [] and asked == [], "nothing fails, and no server is asked"


@pytest.mark.browser
def test_the_current_moves_the_voltage(chromium, made, tmp_path):
    sweeps = [{"pa": pa, "mv": [-70, -70 + pa // 10]} for pa in (0, 100, 200)]
    played = opening.Opening(made.model, made.score, made.typical, sweeps, "simulated")
    (tmp_path / "opening.js").write_text((ROOT / "assets" / "static" / "opening.js").read_text())
    (tmp_path / "page.html").write_text(
        '<!DOCTYPE html><link rel="icon" href="data:,"><script src="opening.js"></script>' + played._repr_html_())
    page = chromium.new_page()
    with served(tmp_path) as site:
        page.goto(f"{site}/page.html")
        assert page.locator(".opening-voltage").get_attribute("points") == opening.points([-70, -60])
        page.get_by_role("slider", name="current").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator(".opening-voltage").get_attribute("points") == opening.points([-70, -50])
        drawn = page.locator(".opening-current").get_attribute("points")
        assert [*map(float, drawn.replace(" ", ",").split(","))] == [
            *map(float, opening.current(200).replace(" ", ",").split(","))]
    page.close()
