"""The long run: what it keeps, that it goes on where it stopped, what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from patchtype import cohorts, settings
from patchtype.__main__ import main
from patchtype.evaluation import archive
from patchtype.evaluation.sizes import SIZES
from patchtype.experiments import gains
from patchtype.experiments import transfer as science
from patchtype.experiments.methods import METHODS
from tests.models.conftest import make_cohort

HUMAN = make_cohort(n=120, seed=1)
MOUSE = replace(make_cohort(n=150, seed=2), cells=make_cohort(n=150, seed=2).cells.assign(species="mouse"))


@pytest.fixture
def present(monkeypatch):
    """Small cohorts in place of the public ones."""
    monkeypatch.setattr(cohorts, "load", lambda species, *_, **__: {"mouse": MOUSE, "human": HUMAN}[species])


def arguments(folder, *more):
    return ["science", "--methods", "scaled_alone", "--repeats", "1", "--sizes", "25", "0", "--jobs", "1",
            "--out", str(folder), *more]


def test_a_run_keeps_every_cell_at_every_size_and_is_not_run_twice(present, tmp_path, capsys):
    assert main(arguments(tmp_path)) == 0
    assert "CPU minutes" in capsys.readouterr().out
    kept = archive.load("transfer_scaled_alone", HUMAN, tmp_path)
    counts = kept.groupby(["model", "size"])["cell"].nunique()
    assert len(counts) == 8 and set(counts) == {len(HUMAN)}
    about = json.loads((tmp_path / "transfer_scaled_alone.json").read_text())
    assert about["sizes"] == [25, 0] and about["twin"] is None and about["cpu_minutes"] > 0
    before = (tmp_path / "transfer_scaled_alone.parquet").read_bytes()
    main(arguments(tmp_path))
    assert capsys.readouterr().out.split() == ["scaled_alone", "kept"]
    main(arguments(tmp_path, "--again"))
    assert (tmp_path / "transfer_scaled_alone.parquet").read_bytes() == before, "the same run keeps the same bytes"
    table = gains.load(HUMAN, tmp_path)
    assert gains.best_alone(gains.class_f1(table, HUMAN.classes).mean(axis=1)).startswith("scaled_alone")


def test_what_was_kept_on_other_cells_is_run_again(present, tmp_path, monkeypatch):
    main(arguments(tmp_path))
    labels = HUMAN.cells["subclass"].to_numpy(copy=True)[::-1]
    changed = replace(HUMAN, cells=HUMAN.cells.assign(subclass=labels))
    assert archive.is_kept("transfer_scaled_alone", HUMAN, tmp_path)
    assert not archive.is_kept("transfer_scaled_alone", changed, tmp_path)


def test_samples_are_cut_less_often_than_all_cells():
    table, _ = science.run("bilstm_alone", MOUSE, HUMAN, science.base(science.FEWER + 1), (25, 0), first=None)
    assert table.groupby("size")["repeat"].nunique().to_dict() == {0: science.FEWER + 1, 25: science.FEWER}


def test_a_look_takes_the_first_folds_only():
    table, seconds = science.run("scaled_alone", MOUSE, HUMAN, science.base(1), (0,), first=2)
    assert sorted(table["fold"].unique()) == [0, 1] and seconds > 0


def test_an_unknown_method_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["science", "--methods", "magic"])
    assert "invalid choice: 'magic'" in capsys.readouterr().err


def test_more_cells_than_there_are_is_refused_before_any_training(tmp_path, capsys):
    call = ["science", "--cohort", "simulated", "--methods", "bilstm_pretrained", "--sizes", "0", "60000",
            "--out", str(tmp_path / "out")]
    assert main(call) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("error: found ") and told.endswith("ask for fewer, or for 0, which takes all")
    assert not (tmp_path / "out").exists()


def test_without_data_one_sentence_says_so(tmp_path):
    done = subprocess.run([sys.executable, "-m", "patchtype", "science", "--cohort", "dandi", "--out",
                           str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 3 and done.stderr.startswith("No data: ") and not list(tmp_path.iterdir())


def test_every_method_is_kept_with_the_same_cuts_and_sizes():
    folder = settings.science_folder()
    assert {name for name in archive.kept(folder) if name.startswith(science.PREFIX)} == {
        science.PREFIX + name for name in METHODS
    }
    for name, method in METHODS.items():
        about = archive.provenance(science.PREFIX + name, folder)
        assert (about["protocol"], about["sizes"]) == (str(science.base()), list(SIZES)), name
        assert about["fewer"] == str(science.cuts(science.base(), min(filter(None, SIZES)))), name
        assert (about["title"], about["twin"]) == (method.title, method.twin), name
