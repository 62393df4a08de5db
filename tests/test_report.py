"""Numbers on their way to the reader: recorded once, finite, compared honestly with the paper."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from helpers import report
from patchtype import settings
from patchtype.evaluation.metrics import Estimate


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setenv(settings.BUILD, str(tmp_path))
    return report.Results("09_test")


def test_a_number_is_written_with_what_it_rests_on(results):
    results.record("human_rf_accuracy", 0.8, interval=(0.75, 0.85), n=679, cohort="published", protocol="5-fold")
    written = json.loads(results.path.read_text())
    assert written["notebook"] == "09_test"
    assert written["results"]["human_rf_accuracy"] == {
        "value": 0.8, "interval": [0.75, 0.85], "n": 679, "cohort": "published", "protocol": "5-fold", "unit": "",
        "note": "", "paper": 0.7518}


def test_a_key_is_used_once(results):
    results.record("x", 1, n=1, cohort="published")
    with pytest.raises(ValueError, match="found the result 'x' twice in 09_test"):
        results.record("x", 2, n=1, cohort="published")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_only_finite_numbers_are_recorded(results, value):
    with pytest.raises(ValueError, match="expected a finite number"):
        results.record("x", value, n=1, cohort="published")


@pytest.mark.parametrize(("value", "interval", "paper", "words"), [
    (0.9, [0.88, 0.92], 0.87, "above the paper"), (0.8, [0.78, 0.82], 0.87, "below the paper"),
    (0.8, [0.7, 0.9], 0.87, "agrees"),
    (0.02, [-0.1, 0.1], 0.03, "includes both the paper's value and zero"), (506, None, 506, "equal"),
    (679, None, 506, "different"),
    (0.8, None, 0.7, "no interval"),
    (0.8, None, None, "not in the paper")])
def test_verdicts(value, interval, paper, words):
    assert report.verdict({"value": value, "interval": interval, "paper": paper}) == words


def test_the_ledger_lists_every_number_of_the_paper(results):
    results.record("human_cells", 679, n=679, cohort="simulated")
    ledger = report.ledger_markdown(results.results)
    rows = [line for line in ledger.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(report.paper())
    assert "| human cells analysed | different | 506 | 679 (simulated) | – | 679 | – |" in rows
    assert sum("not computed" in row for row in rows) == len(rows) - 1


def test_what_these_cells_do_not_give_is_a_dash(results, monkeypatch):
    given = {}
    monkeypatch.setattr(report, "glue", given.__setitem__)
    results.record("there", 0.5, n=1)
    results.say("name", "Sst")
    given.clear()
    results.absent("there", "gain", words=["name", "best"])
    assert given == {"gain_told": "–", "best": "–"}


def test_an_interval_of_too_few_runs_is_none(results):
    results.record("x", 0.5, interval=(float("nan"), float("nan")), n=1, cohort="published")
    assert results.results["x"]["interval"] is None


def test_a_table_of_scores_is_recorded_at_once(results):
    scores = pd.DataFrame(
        {"macro_f1": [0.7, 0.8], "macro_f1_low": [0.6, None], "macro_f1_high": [0.75, None], "folds": [5, 1]},
        index=["random forest", "support vectors"],
    )
    results.table("human_", scores, columns=["macro_f1"], n=9, cohort="published", names={"random forest": "rf"})
    assert results.results["human_rf_macro_f1"]["interval"] == [0.6, 0.75]
    assert list(results.results) == ["human_rf_macro_f1"], "rows without a name are left out"
    results.table("mouse_", scores, columns=["macro_f1"], n=9, cohort="published")
    assert results.results["mouse_support_vectors_macro_f1"]["interval"] is None


def test_a_series_takes_numbers_and_words(results, monkeypatch):
    glued = {}
    monkeypatch.setattr(report, "glue", glued.__setitem__)
    results.series("mouse_", {"cells": 12, "most": "Sst"}, n=12, cohort="published")
    assert results.results["mouse_cells"]["value"] == 12 and glued["mouse_most"] == "Sst"
    assert "mouse_most" not in results.results


def test_an_estimate_brings_its_interval_and_is_told_with_signs(results, monkeypatch):
    glued = {}
    monkeypatch.setattr(report, "glue", glued.__setitem__)
    results.record("gain", Estimate(-0.0159, -0.028, 0.0012, 0.0004), n=5, cohort="published")
    assert results.results["gain"]["note"] == "corrected p < 0.001"
    assert glued["gain_told"] == "−0.016 (−0.028 to +0.001)"
    results.record("score", 0.75, interval=(0.7, 0.8), n=5, cohort="published")
    assert glued["score_told"] == "0.750 (0.700 to 0.800)"
    results.record("n_cells", 4178, n=4178, cohort="published")
    results.absent("n_cells", "elsewhere")
    assert glued["n_cells_told"] == "4,178" and glued["elsewhere_told"] == "–"


@pytest.mark.parametrize("words", ["4,178", "0.60", "+0.060", "64 %", "−0.016 (−0.028 to +0.001)", "Pvalb and Sst"])
def test_words_reach_the_page_as_they_are(words):
    from myst_nb.core.variables import format_plain_text

    assert format_plain_text(repr(report.Sentence(words)), "") == words


def test_a_claim_that_no_longer_holds_stops_the_published_run_and_no_other(tmp_path):
    claims = {"mice help": False, "cells are cells": True}
    with pytest.raises(AssertionError, match="claims of 09_test that its numbers do not bear out.*\n- mice help$"):
        report.Results("09_test", tmp_path, cohort="published").check(claims)
    for other in ({"cohort": "simulated"}, {"cohort": "published", "quick": True}):
        free = report.Results("09_test", tmp_path, **other)
        free.check(claims)
        assert "need not hold" in free.note()


def test_numbers_are_recorded_under_the_source_of_their_chapter(tmp_path):
    results = report.Results("09_test", tmp_path, cohort="simulated")
    results.record("x", 1, n=1)
    results.record("y", 1, n=1, cohort="published")
    assert [results.results[key]["cohort"] for key in "xy"] == ["simulated", "published"]


def test_the_ledger_draws_scores_and_gains_and_folds_the_table(results):
    results.record("joint_gain_macro_f1", 0.01, interval=(-0.01, 0.03), n=9, cohort="published")
    results.record("mouse_rf_macro_f1", 0.86, n=9, cohort="simulated")
    ledger = report.ledger_markdown(results.results)
    scores, gains, folded = ledger.split("\n\n")
    assert "0.860 (simulated), paper 0.873: no interval" in scores and "Scores" in scores
    assert "includes both the paper&#x27;s value and zero" in gains and 'style="left:46.7%;width:13.3%"' in gains
    assert folded.startswith(":::{dropdown}") and "| not computed |" in folded


def test_all_scores_stand_in_one_strip_by_chapter_and_by_what_was_named(results):
    results.series("", {"mouse_rf_macro_f1": 0.88, "final_human": 0.82, "final_readings": 10, "zero_shot_floor": 0.17,
                        "joint_gain_macro_f1": 0.01, "mouse_svm_macro_f1": 0.91}, n=50, cohort="published")
    results.record("zero_shot_forest", 0.34, n=50, cohort="simulated")
    results.record("external_layer_1_boosting_raw", 1.0, n=19, cohort="published")
    merged = {key: {**row, "notebook": "09_x"} for key, row in results.results.items()}
    page = BeautifulSoup(report.ledger_markdown(merged), "lxml")
    caption = page.find("caption", string=re.compile("Scores of the chapters"))
    rows = {row.th.text: row for row in caption.parent.select("tbody tr")}
    assert {name: row.select("td")[-1].text for name, row in rows.items()} == {
        "9: mouse": "0.88 to 0.91", "9: human": "0.82", "9: human, no human label (simulated)": "0.34"}
    dots = rows["9: mouse"].select(".forest-dot")
    assert [dot["title"] for dot in dots] == ["random forest: 0.880", "support vectors: 0.910"]
    assert dots[0]["style"] == "left:85.0%"
