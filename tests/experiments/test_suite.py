"""The suite from its command line: what it writes, what it prints, what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest

from patchtype import cohorts
from patchtype.__main__ import main
from patchtype.evaluation import CrossValidation, archive, fold_scores
from patchtype.experiments.regimes import REGIMES
from patchtype.experiments.suite import KEPT, describe, gains, run, write
from tests.models.conftest import make_cohort


@pytest.fixture(scope="module")
def predictions():
    return run(make_cohort(n=200, seed=2), make_cohort(n=120, seed=1), CrossValidation(3, 2), epochs=1)


def test_every_regime_names_every_cell_in_every_repeat(predictions):
    counts = predictions.groupby(["model", "repeat"])["cell"].nunique()
    assert len(counts) == len(REGIMES) * 2 and set(counts) == {120}


def test_what_is_written_is_what_was_run(predictions, tmp_path):
    protocol = CrossValidation(3, 2)
    write(tmp_path / "suite", predictions, protocol, 12.0, {"repeats": 2})
    assert sorted(path.name for path in (tmp_path / "suite").iterdir()) == [
        "predictions.parquet", "scores.csv", "suite.json"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "suite/predictions.parquet"), predictions)
    scores = pd.read_csv(tmp_path / "suite/scores.csv", index_col=["model", "repeat", "fold"])
    pd.testing.assert_frame_equal(scores, fold_scores(predictions))
    kept = json.loads((tmp_path / "suite/suite.json").read_text())
    assert kept["protocol"] == "stratified 3-fold x 2"
    assert kept["gains"]["joint"]["mean"] == pytest.approx(gains(predictions, protocol).loc["joint", "mean"])


def test_too_few_folds_for_an_interval_are_null_in_the_file(predictions, tmp_path):
    few = predictions[predictions["repeat"] == 0]
    write(tmp_path, few, CrossValidation(3, 1), 12.0, {})
    kept = json.loads((tmp_path / "suite.json").read_text(), parse_constant=pytest.fail)
    assert kept["gains"]["joint"]["low"] is None and isinstance(kept["gains"]["joint"]["mean"], float)


def test_a_run_that_breaks_while_writing_leaves_no_word_that_it_is_whole(predictions, tmp_path):
    protocol = CrossValidation(3, 2)
    write(tmp_path, predictions, protocol, 12.0, {})
    with pytest.raises(KeyError):
        write(tmp_path, predictions.drop(columns="true"), protocol, 12.0, {})
    assert not (tmp_path / "suite.json").exists()


def test_the_description_has_a_line_per_regime_and_per_gain(predictions):
    lines = describe(predictions, CrossValidation(3, 2)).splitlines()
    assert len(lines) == 5 and "corrected p" in lines[3] and "80 % power" in lines[4]


@pytest.mark.parametrize(("more", "named"), [
    (["--epochs", "2"], "--epochs"), (["--stopping", "paper", "--grouped"], "--grouped and --stopping"),
    (["--cohort", "simulated"], "--cohort"),
])
def test_a_run_with_other_settings_does_not_take_the_place_of_the_kept_one(more, named, capsys):
    assert main(["suite", "--keep", *more]) == 2
    assert capsys.readouterr().err == (
        f"error: found --keep with {named}, expected the settings that the chapters read; leave --keep out, the run is "
        "written to --out as well\n")


@pytest.mark.parametrize("word", ["0", "-1", "two"])
def test_a_number_of_repeats_that_is_none_is_refused(word, capsys):
    with pytest.raises(SystemExit):
        main(["suite", f"--repeats={word}"])
    assert f"found '{word}', expected a whole number of at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("folds", [1, 1000])
def test_folds_that_cannot_be_cut_are_refused_before_any_training(folds, tmp_path, capsys):
    assert main(["suite", "--cohort", "simulated", "--folds", str(folds), "--out", str(tmp_path / "out")]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"error: found --folds {folds}, expected a number of parts that ")
    assert not (tmp_path / "out").exists()


def test_without_data_one_sentence_says_so(tmp_path):
    done = subprocess.run([sys.executable, "-m", "patchtype", "suite", "--cohort", "dandi", "--out", str(tmp_path)],
                          capture_output=True, text=True)
    assert done.returncode == 3 and done.stderr.startswith("No data: ") and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("inputs", "repeats"), [("layer norm", 10), ("family embedding", 1)])
def test_the_kept_suite_names_every_human_cell_once_in_every_repeat_and_regime(inputs, repeats):
    human = cohorts.load("human", "aligned")
    kept = archive.load(KEPT[inputs], human)
    counts = kept.groupby(["model", "repeat"])["cell"].agg(["size", "nunique"])
    assert set(counts.index.unique("model")) == set(REGIMES) and len(counts) == len(REGIMES) * repeats
    assert (counts == len(human)).all(axis=None)
