"""Kept predictions: what goes in comes out, and only for the cells it was made from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from patchtype import cohorts
from patchtype.evaluation import CrossValidation, archive, evaluate, fold_scores
from patchtype.models.table import logistic_regression
from tests.models.conftest import make_cohort

PROTOCOL = CrossValidation(3, 2, grouped=True)


@pytest.fixture(scope="module")
def cohort():
    return make_cohort()


@pytest.fixture(scope="module")
def predictions(cohort):
    return evaluate({"logistic": logistic_regression}, cohort, PROTOCOL)


@pytest.fixture
def folder(tmp_path, predictions, cohort):
    archive.keep("logistic", predictions, PROTOCOL, tmp_path, cohort=cohort, cpu_minutes=0.1)
    return tmp_path


def test_what_is_read_is_what_was_kept(folder, cohort, predictions):
    read = archive.load("logistic", cohort, folder)
    assert list(read.columns) == list(predictions.columns)
    named = ["model", "repeat", "fold", "cell", "true", "predicted"]
    pd.testing.assert_frame_equal(read[named], predictions[named])
    probabilities = [f"p_{c}" for c in cohort.classes]
    assert np.abs(read[probabilities] - predictions[probabilities]).to_numpy().max() <= 0.5 / archive.STEPS + 1e-12
    pd.testing.assert_frame_equal(fold_scores(read), fold_scores(predictions))


def test_finer_steps_and_the_scores_of_flags_are_kept_on_request(tmp_path, cohort, predictions):
    flags = {"distance": np.linspace(-1, 9, len(predictions)), "missing": 3, "margin": -0.5}
    archive.keep("fine", predictions.assign(**flags, other=1), PROTOCOL, tmp_path, cohort=cohort, steps=50_000)
    read = archive.load("fine", cohort, tmp_path)
    probabilities = [f"p_{c}" for c in cohort.classes]
    assert np.abs(read[probabilities] - predictions[probabilities]).to_numpy().max() <= 0.5 / 50_000 + 1e-12
    assert read["distance"].to_numpy() == pytest.approx(flags["distance"], abs=1e-6) and "other" not in read
    assert set(read["missing"]) == {3} and set(read["margin"]) == {-0.5}


def test_the_table_holds_neither_labels_nor_features(folder, cohort):
    columns = pd.read_parquet(folder / "logistic.parquet").columns
    assert set(columns) == {"model", "repeat", "fold", "cell", "predicted", *(f"p_{c}" for c in cohort.classes)}
    assert not set(columns) & set(cohort.table.columns)


def test_the_provenance_says_protocol_data_versions_and_time(folder, cohort):
    about = archive.provenance("logistic", folder)
    assert about["protocol"] == "donor-grouped 3-fold x 2" and about["cpu_minutes"] == 0.1
    assert about["fingerprint"] == cohorts.fingerprint() and about["cells"] == len(cohort)
    assert {"numpy", "torch"} <= set(about["packages"]) and about["command"].split()[0] == "patchtype"
    assert archive.kept(folder) == ["logistic"]


def relabelled(cohort):
    names = cohort.cells["subclass"].to_numpy(copy=True)
    names[0] = next(c for c in cohort.classes if c != names[0])
    return replace(cohort, cells=cohort.cells.assign(subclass=names))


@pytest.mark.parametrize("change", [
    relabelled,
    lambda c: c.take(np.arange(len(c))[::-1]),
    lambda c: c.take(np.arange(1, len(c))),
    lambda c: replace(c, cells=c.cells.assign(donor="one")),
], ids=["another label", "another order", "a cell less", "other donors"])
def test_other_cells_are_refused(change, folder, cohort):
    with pytest.raises(archive.ArchiveError, match=r"expected the 240 simulated cells \w+ that logistic was run on \("
                       r"cells, labels or donors differ\); run `make science` on the present data"):
        archive.load("logistic", change(cohort), folder)


def test_another_version_of_a_public_file_is_refused_and_a_new_file_is_not(tmp_path, predictions, cohort):
    published = replace(cohort, cells=cohort.cells.assign(source="published"))
    archive.keep("logistic", predictions, PROTOCOL, tmp_path, cohort=published)
    about = tmp_path / "logistic.json"
    content = json.loads(about.read_text())
    first = next(iter(content["files"]))
    about.write_text(json.dumps(content | {"files": {first: content["files"][first]}}))
    assert len(archive.load("logistic", published, tmp_path)) == len(predictions)
    about.write_text(json.dumps(content | {"files": content["files"] | {first: "0" * 12}}))
    with pytest.raises(archive.ArchiveError, match=f"the file {first} is another"):
        archive.load("logistic", published, tmp_path)


def test_features_may_differ(folder, cohort):
    fewer = replace(cohort, table=cohort.table[["a", "b"]], families={"passive": ["a", "b"]})
    assert len(archive.load("logistic", fewer, folder)) == 2 * len(cohort)


def test_a_damaged_table_and_an_absent_one_are_told_apart(folder, cohort):
    with pytest.raises(archive.ArchiveError, match="found no .*nothing.json, .*; run `make science`, or set"):
        archive.load("nothing", cohort, folder)
    with pytest.raises(archive.ArchiveError, match="found no .*classifier_human.json, .*; run `make models`, or set"):
        archive.load("classifier_human", cohort, folder)
    path = folder / "logistic.parquet"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(archive.ArchiveError, match="is not the table that logistic.json describes"):
        archive.load("logistic", cohort, folder)


def test_a_broken_run_leaves_no_word_that_it_is_whole(folder, cohort, predictions):
    broken = predictions.assign(**{f"p_{cohort.classes[0]}": np.nan})
    with pytest.raises(archive.ArchiveError, match="a probability that is not a number"):
        archive.keep("logistic", broken, PROTOCOL, folder, cohort=cohort)
    assert archive.kept(folder) == []


def test_predictions_of_unknown_cells_are_refused(tmp_path, cohort, predictions):
    with pytest.raises(archive.ArchiveError, match="found predictions of the cell 'cell-239'"):
        archive.keep("logistic", predictions, PROTOCOL, tmp_path, cohort=cohort.take(np.arange(239)))
    assert not list(tmp_path.iterdir())
