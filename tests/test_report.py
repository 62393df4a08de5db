"""Numbers on their way to the reader: recorded once, finite, compared honestly with the paper."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from helpers import report
from patchtype import settings


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setenv(settings.BUILD_FOLDER, str(tmp_path))
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
    (0.02, [-0.1, 0.1], 0.03, "agrees, as does zero"), (506, None, 506, "equal"), (679, None, 506, "different"),
    (0.8, None, 0.7, "no interval"),
    (0.8, None, None, "not in the paper")])
def test_verdicts(value, interval, paper, words):
    assert report.verdict({"value": value, "interval": interval, "paper": paper}) == words


def test_the_ledger_lists_every_number_of_the_paper(results):
    results.record("human_cells", 679, n=679, cohort="simulated")
    ledger = report.ledger_markdown(results.results)
    rows = ledger.strip().splitlines()[2:]
    assert len(rows) == len(report.paper())
    assert "| human cells analysed | different | 506 | 679 (simulated) | – | 679 | – |" in rows
    assert sum("not computed" in row for row in rows) == len(rows) - 1


def test_kept_predictions_come_back_and_absent_ones_say_what_to_do(results):
    table = pd.DataFrame({"model": ["m"], "p_Sst": [0.5]})
    results.keep(table)
    pd.testing.assert_frame_equal(report.predictions("09_test"), table)
    with pytest.raises(FileNotFoundError, match="expected the predictions of 08_none; run that notebook first"):
        report.predictions("08_none")


def test_an_interval_of_too_few_runs_is_none(results):
    results.record("x", 0.5, interval=(float("nan"), float("nan")), n=1, cohort="published")
    assert results.results["x"]["interval"] is None
