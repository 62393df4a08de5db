"""Many recordings: nothing stops the batch, nothing is done twice, nothing disappears."""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster

from patchtype import files
from patchtype.recordings import batch, cli, downloads, nwb, quality, results, sources
from patchtype.recordings.cell import Cell, extract
from patchtype.recordings.extraction import WIDTHS
from patchtype.recordings.scalars import SCALARS
from patchtype.recordings.text import from_csv

from .. import hostile
from . import analytic, archive

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, plain_file, mies_file):
    """Three good recordings and three bad ones."""
    place = tmp_path_factory.mktemp("recordings")
    for name, file in {"good-1": plain_file, "good-2": mies_file, "good-3": plain_file}.items():
        shutil.copy(file, place / f"{name}.nwb")
    (place / "bad-empty.nwb").touch()
    (place / "bad-half.nwb").write_bytes(plain_file.read_bytes()[:500_000])
    (place / "bad-page.nwb").write_text("<html>404</html>")
    return place


@pytest.fixture(scope="module")
def short_file(tmp_path_factory):
    """A good cell of few sweeps."""
    sweeps = analytic.cell(amplitudes=(-90, -50, -30, 110, 150), ramps=False)
    return nwb.write(tmp_path_factory.mktemp("short") / "short.nwb", sweeps, compression=1)


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory):
    """The table of an undisturbed run, and its folder."""
    out = tmp_path_factory.mktemp("out")
    return batch.run(sources.find(folder), out, progress=False), out


def same_tables(a: Path, b: Path) -> bool:
    for mode in WIDTHS:
        with np.load(a / f"families_{mode}.npz") as x, np.load(b / f"families_{mode}.npz") as y:
            if x.files != y.files or any(x[k].tobytes() != y[k].tobytes() for k in x.files):
                return False
    return all((a / name).read_bytes() == (b / name).read_bytes() for name in ("cells.csv", "features.csv"))


def test_every_recording_has_a_row_and_a_reason(expected):
    table, out = expected
    rows = table.set_index("cell_id")["reasons"].to_dict()
    assert rows == {"bad-empty": "not_hdf5", "bad-half": "file_truncated", "bad-page": "not_hdf5",
                    "good-1": "", "good-2": "", "good-3": ""}
    assert from_csv(out / "cells.csv").astype(table.dtypes).equals(table)


def test_table_is_typed(expected):
    types = expected[0].dtypes.astype(str)
    assert types["passed"] == "bool"
    assert types["n_sweeps"] == "int32"
    assert set(types[list(SCALARS)]) == {"float64"}
    assert types["reasons"].startswith("string")


def test_family_file_holds_what_was_extracted(expected, folder):
    cell = extract(folder / "good-1.nwb")
    for mode, widths in WIDTHS.items():
        with np.load(expected[1] / f"families_{mode}.npz") as data:
            assert data["cell_id"].tolist() == expected[0]["cell_id"].tolist()
            for family, width in widths.items():
                assert data[family].shape == (6, width)
                assert np.isnan(data[family][:3]).all()
                assert np.array_equal(data[family][3], getattr(cell, mode)[family].astype("float32"))


def test_funnel_counts_each_cell_once(expected):
    assert results.funnel(expected[0]).to_dict("list") == {
        "code": ["recordings", "not_hdf5", "file_truncated", "passed"], "lost": [0, 2, 1, 0], "left": [6, 4, 3, 3],
    }


def test_a_cell_survives_its_file(folder, tmp_path):
    cell = extract(folder / "good-2.nwb")
    path = tmp_path / "cell.npz"
    path.write_bytes(results.packed([cell]))
    [again] = results.unpacked(path)
    assert again.scalars == pytest.approx(cell.scalars, abs=0, nan_ok=True)
    assert again.features == pytest.approx(cell.features, abs=0, nan_ok=True)
    assert (again.verdict, again.sweeps, again.species) == (cell.verdict, cell.sweeps, "mouse")
    assert (again.missing, again.behind, again.electrode) == (cell.missing, cell.behind, "electrode_0")
    assert all(np.array_equal(again.official[k], cell.official[k]) for k in cell.official)


# --- resuming --------------------------------------------------------------------------------------------

def test_a_second_run_does_nothing_again(expected, folder, tmp_path, monkeypatch):
    shutil.copytree(expected[1], tmp_path / "out")
    monkeypatch.setattr(batch, "work", lambda *a: pytest.fail("worked again"))
    assert batch.run(sources.find(folder), tmp_path / "out", progress=False).equals(expected[0])
    assert batch.plan(sources.find(folder), tmp_path / "out") == "6 recordings, 6 done; 0 to do, 0.00 GB"


def test_a_damaged_result_a_changed_file_and_a_transient_reason_are_done_again(expected, folder, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(expected[1], out)
    assets = {a.cell_id: a for a in sources.find(folder)}
    (out / "cells" / "good-1.npz").write_bytes(b"half a res")
    (out / "cells" / "good-2.npz").write_bytes(
        results.packed([batch.lost(assets["good-2"], "download_failed", "x")], assets["good-2"].size)
    )
    (out / "cells" / "good-3.npz").write_bytes(results.packed([extract(folder / "good-3.nwb")], size=1))
    assert [a for a in assets if not batch.is_done(assets[a], out / "cells" / f"{a}.npz")] \
        == ["good-1", "good-2", "good-3"]
    assert batch.run(list(assets.values()), out, progress=False).equals(expected[0])


def test_other_options_need_another_folder(expected, folder):
    with pytest.raises(ValueError, match="found results made with .* expected .*; use another folder"):
        batch.run(sources.find(folder), expected[1], batch.Options(drop_failed=True), progress=False)


def test_unknown_allowed_reasons_are_refused():
    with pytest.raises(ValueError, match="found 'nonsense' among the allowed reasons"):
        batch.Options(allow=("nonsense",))


def test_a_result_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        files.write_bytes(tmp_path / "x", b"1")
    assert list(tmp_path.iterdir()) == []


COMMAND = """
import sys
from patchtype.recordings import batch, sources
batch.run(sources.find(sys.argv[1]), sys.argv[2], progress=False)
"""


def kept(out: Path) -> dict[Path, int]:
    """The finished cells of a folder, with the time at which each was written."""
    return {p: p.stat().st_mtime_ns for p in out.glob("cells/*.npz") if not p.name.startswith(".")}


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_gives_the_same_tables(expected, folder, tmp_path):
    rng = random.Random(0)
    kills = int(os.environ.get("KILLS", "4"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])}
    killed = 0
    for k in range(kills):
        out = tmp_path / str(k)
        command = [sys.executable, "-c", COMMAND, folder, out]
        # The moment is drawn in cells done, and a little later: in seconds it would hang on the machine's load.
        cells, later = rng.randrange(len(expected[0])), rng.uniform(0, 0.3)
        process = subprocess.Popen(command, env=environment)
        while len(kept(out)) < cells and process.poll() is None:
            time.sleep(0.01)
        time.sleep(later)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        before = kept(out)
        subprocess.run(command, env=environment, check=True)
        assert before.items() <= kept(out).items()  # nothing that was done was done again
        assert same_tables(out, expected[1])
    assert killed >= kills // 2


# --- workers ---------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_workers_give_the_same_tables(expected, folder, tmp_path):
    batch.run(sources.find(folder), tmp_path / "two", workers=2, progress=False)
    assert same_tables(tmp_path / "two", expected[1])
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        batch.run(sources.find(folder), tmp_path / "far", scheduler=cluster.scheduler_address, progress=False)
    assert same_tables(tmp_path / "far", expected[1])


def dies(asset, options):
    """A worker that ends on one of the files."""
    if "good-2" in asset.cell_id:
        os._exit(1)
    return batch.results.packed([extract(asset.location, cell_id=asset.cell_id)], asset.size)


@pytest.mark.slow
def test_a_lost_worker_costs_one_cell_and_the_next_run_mends_it(expected, folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(batch, "work", dies)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
        table = batch.run(sources.find(folder), tmp_path, workers=1, progress=False)
    assert "worker_lost" in table.set_index("cell_id").loc["good-2", "reasons"]
    assert len(table) == 6
    assert batch.run(sources.find(folder), tmp_path, progress=False).equals(expected[0])


# --- archive ---------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def served(folder):
    with archive.serving(folder) as server:
        yield server


@pytest.mark.parametrize("stream", [False, True])
def test_an_archive_gives_the_same_tables_as_files(expected, served, tmp_path, stream):
    options = batch.Options(stream=stream, cache=str(tmp_path / "cache"), timeout=10)
    table = batch.run(sources.find("000020/0.1", served.api), tmp_path / "out", options, progress=False)
    if stream:  # what is cut off or no HDF5 shows later in a stream, with the same cells lost
        assert table["passed"].tolist() == expected[0]["passed"].tolist()
    else:
        assert same_tables(tmp_path / "out", expected[1])
        assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(("fault", "code"), [("404", "download_failed"), ("checksum", "download_damaged")])
def test_a_faulty_download_costs_one_cell_until_the_next_run(expected, served, tmp_path, monkeypatch, fault, code):
    monkeypatch.setattr(time, "sleep", lambda s: None)
    assets = sources.find("000020/0.1", served.api)
    served.faults["good-1.nwb"] = fault
    try:
        table = batch.run(assets, tmp_path, batch.Options(timeout=5), progress=False)
    finally:
        served.faults.clear()
    assert table.set_index("cell_id").loc["good-1", "reasons"] == code
    assert table["passed"].sum() == 2
    assert batch.run(assets, tmp_path, batch.Options(timeout=5), progress=False)["passed"].sum() == 3
    assert same_tables(tmp_path, expected[1])


@pytest.mark.parametrize(("error", "code"), [
    (OSError(5, "Input/output error"), "file_unreadable"), (ZeroDivisionError("oops"), "unexpected_error"),
])
def test_whatever_happens_around_a_file_costs_that_file_only(served, tmp_path, monkeypatch, error, code):
    def fails(*args, **options):
        raise error
    monkeypatch.setattr(downloads, "fetched", fails)
    table = batch.run(sources.find("000020/0.1", served.api)[:2], tmp_path, progress=False)
    assert table["reasons"].tolist() == [code, code]
    assert str(error) in table["explanation"][0]


def test_a_stream_that_breaks_off_is_a_failed_download(served, tmp_path, folder):
    asset = next(a for a in sources.find("000020/0.1", served.api) if a.cell_id == "good-3")
    served.faults["good-3.nwb"] = "cut"
    try:
        table = batch.run([asset], tmp_path, batch.Options(stream=True, timeout=5), progress=False)
    finally:
        served.faults.clear()
    assert table["reasons"].tolist() == ["download_failed"]


# --- command line ----------------------------------------------------------------------------------------

def command(*words):
    parser = argparse.ArgumentParser(prog=f"patchtype {words[0]}")
    cli.add_arguments(parser)
    return cli.main(parser.parse_args([str(w) for w in words[1:]]))


def test_extract_prints_plan_funnel_and_reasons(folder, expected, tmp_path, capsys):
    shutil.copytree(expected[1], tmp_path / "out")
    assert command("extract", folder, "--out", tmp_path / "out", "--jobs", 0) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("6 recordings, 6 done; 0 to do, 0.00 GB\n")
    assert "bad-empty: found 0 bytes that are no HDF5 file, expected NWB 2 or ABF; " in printed
    assert "not_hdf5     2     4" in printed


def test_dry_run_writes_nothing(served, tmp_path, capsys):
    assert command("extract", "000020/0.1", "--dandi-api", served.api, "--out", tmp_path / "out", "--dry-run") == 0
    size = sum(p.stat().st_size for p in served.files.values())
    assert capsys.readouterr().out == f"6 recordings, 0 done; 6 to do, {size / 1e9:.2f} GB\n"
    assert not (tmp_path / "out").exists()


def test_a_wrong_call_is_one_sentence(tmp_path, capsys):
    assert command("extract", tmp_path, "--out", tmp_path / "out") == 2
    assert capsys.readouterr().err == f"error: found no recording in {tmp_path}, expected .nwb or .abf files\n"


# --- one bad file among good ones ------------------------------------------------------------------------

ODD = {
    b"undecodable.nwb": hostile.texts(b"\xff\xfe"),
    b"group.nwb": hostile.texts(lambda file, name: file.create_group(name)),
    b"giant.nwb": hostile.changed(hostile.declared),
    b"formula.nwb": hostile.texts("=cmd|' /C calc'!A0\x1b[2J"),
    b"caf\xe9\xff.nwb": hostile.as_it_is,
    b"l" * 251 + b".nwb": hostile.as_it_is,
    b"pipe.nwb": hostile.pipe,
    b"page.abf": hostile.overwritten(b"ABF2 nothing"),
    b"notes.nwb": hostile.overwritten(b"text"),
}


@pytest.mark.slow
def test_odd_files_cost_no_other_file_a_byte(short_file, tmp_path):
    good, every = tmp_path / "good", tmp_path / "every"
    for folder, names in ((good, []), (every, ODD)):
        folder.mkdir()
        for name in (b"a.nwb", b"z.nwb", *names):
            path = os.path.join(os.fsencode(folder), name)
            shutil.copy(short_file, path)
            ODD.get(name, hostile.as_it_is)(path)
    alone = batch.run(sources.find(good), tmp_path / "alone", progress=False)
    found = sources.find([every, every / "pipe.nwb"])
    table = batch.run(found, tmp_path / "together", progress=False)
    assert alone["passed"].all()
    assert len(table) == len(ODD) + 2
    rows = table[table["cell_id"].isin(["a", "z"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, alone, check_exact=True)
    with_odd, without = (from_csv(tmp_path / k / "features.csv") for k in ("together", "alone"))
    with_odd = with_odd[with_odd["cell_id"].isin(["a", "z"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(with_odd, without, check_exact=True)
    for mode in WIDTHS:
        with np.load(tmp_path / "together" / f"families_{mode}.npz") as x, \
                np.load(tmp_path / "alone" / f"families_{mode}.npz") as y:
            keep = np.isin(x["cell_id"], ["a", "z"])
            for family in WIDTHS[mode]:
                assert x[family][keep].tobytes() == y[family].tobytes()
    reasons = table.set_index("cell_id")["reasons"]
    assert (reasons["giant"], reasons["page"], reasons["pipe"], reasons["notes"]) \
        == ("too_large", "file_truncated", "file_unreadable", "not_hdf5")
    assert table.set_index("cell_id").loc[["undecodable", "group", "formula", "a"], "simulated"].all()
    assert table.set_index("cell_id").loc["formula", "subject_id"] == "=cmd|' /C calc'!A0 [2J"
    again = batch.run(found, tmp_path / "together", progress=False)
    assert again.equals(table)


def test_two_cells_of_a_file_are_two_rows(short_file, tmp_path):
    (tmp_path / "in").mkdir()
    shutil.copy(short_file, tmp_path / "in" / "pair.nwb")
    with h5py.File(tmp_path / "in" / "pair.nwb", "a") as file:
        electrodes = "general/intracellular_ephys"
        file.copy(f"{electrodes}/electrode_0", f"{electrodes}/electrode_1")
        for where in ("acquisition", "stimulus/presentation"):
            for name in list(file[where])[1::2]:
                del file[where][name]["electrode"]
                file[where][name]["electrode"] = h5py.SoftLink(f"/{electrodes}/electrode_1")
    table = batch.run(sources.find(tmp_path / "in"), tmp_path / "out", progress=False)
    assert table["cell_id"].tolist() == ["pair_electrode_0", "pair_electrode_1"]
    assert len(list((tmp_path / "out" / "cells").iterdir())) == 1
    one = batch.run(sources.find(tmp_path / "in"), tmp_path / "one", batch.Options(electrode="electrode_1"),
                    progress=False)
    assert one["cell_id"].tolist() == ["pair_electrode_1"]
    assert one["n_sweeps"][0] == table["n_sweeps"][1]
    with pytest.raises(ValueError, match="use another folder"):
        batch.run(sources.find(tmp_path / "in"), tmp_path / "out", batch.Options(electrode="electrode_1"))


def test_a_result_that_cannot_be_merged_is_named_and_left_out(expected, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(expected[1], out)
    places = sorted((out / "cells").iterdir())
    broken = out / "cells" / "good-2.npz"
    with np.load(broken) as data:
        arrays = dict(data)
    np.savez_compressed(broken, **{k: v for k, v in arrays.items() if "scalars" not in k})
    table = results.merge(places, out)
    assert table["cell_id"].tolist() == [c for c in expected[0]["cell_id"] if c != "good-2"]
    assert f"left out {broken}, which cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "code"), [
    ({"seconds": 1e-9}, "too_slow"), ({"memory": 1}, "too_large"),
])
def test_a_cell_beyond_the_limits_is_refused_by_rule(plain_file, tmp_path, options, code):
    [asset] = sources.find(plain_file)
    # In a process of its own: this one may have memory to spare, which then need not grow.
    table = batch.run([asset], tmp_path, batch.Options(**options), workers=1, progress=False)
    assert table["reasons"].tolist() == [code]
    assert batch.is_done(asset, batch.place(tmp_path, asset)) == (code == "too_large")


def test_a_full_disk_ends_the_run_with_its_sentence(short_file, tmp_path, monkeypatch, capsys):
    def full(self, data):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(Path, "write_bytes", full)
    assert command("extract", short_file, "--out", tmp_path / "out", "--jobs", 0) == 2
    assert capsys.readouterr().err.endswith(
        f"error: found no space left on the disk at {tmp_path}/out/options.json, expected room for the results; free "
        "some and give the same command again, finished cells are kept\n")


def test_a_disk_that_fills_while_a_file_is_fetched_ends_the_run(served, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "_copy", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        batch.run(sources.find("000020/0.1", served.api)[:1], tmp_path, progress=False)


def test_programs_get_json(folder, expected, tmp_path, capsys):
    shutil.copytree(expected[1], tmp_path / "out")
    assert command("extract", folder, "--out", tmp_path / "out", "--jobs", 0, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["recordings"], found["passed"]) == (6, 3)
    assert found["cells"][0]["cell_id"] == "bad-empty"
    assert found["cells"][0]["reasons"] == ["not_hdf5"]
    assert found["cells"][3]["electrode"] == "electrode_0"


@pytest.mark.parametrize("word", ["FI", "FI=steps", "=long_square"])
def test_a_protocol_that_is_none_is_refused(word, tmp_path, capsys):
    with pytest.raises(SystemExit):
        command("extract", tmp_path, "--out", tmp_path / "o", "--protocol", word)
    assert "expected NAME=KIND with a kind among long_square" in capsys.readouterr().err


def test_no_cell_of_a_csv_begins_a_formula(tmp_path):
    (tmp_path / "labels.csv").write_text('cell_id,subclass\n"=1+1",Sst\n-2,Vip\n')
    assert results.carry_labels([tmp_path], tmp_path)
    assert (tmp_path / "labels.csv").read_text() == "cell_id,subclass\n'=1+1,Sst\n'-2,Vip\n"


def judged_as(*codes):
    cell = Cell("cell")
    for code in codes:
        cell.verdict.add(code, f"found {code}")
    return cell


def test_a_cell_with_several_reasons_is_counted_at_the_first_rule():
    order = list(quality.RULES)
    first, second = sorted(("voltage_out_of_range", "rest_out_of_range"), key=order.index)
    table = results.cell_table([judged_as(second, first)])
    assert results.funnel(table)["code"].tolist() == ["recordings", first, "passed"]


def test_only_cells_that_passed_say_what_they_lack():
    good, bad = judged_as(), judged_as("no_sweeps")
    good.missing, bad.missing = {"tau": "no step"}, {"tau": "no sweep"}
    assert results.missing_table([good, bad])["reason"].tolist() == ["no step"]


def test_a_family_of_another_width_is_no_result(tmp_path):
    cell = judged_as()
    cell.paper = {"psth": np.zeros(149)}
    (tmp_path / "cell.npz").write_bytes(results.packed([cell]))
    with pytest.raises(ValueError, match=r"found psth with \(149,\) values, expected 150"):
        results.unpacked(tmp_path / "cell.npz")


@pytest.mark.slow
def test_a_file_that_keeps_hdf5_busy_for_ever_is_ended_and_costs_itself_alone(tmp_path):
    """Its block of long texts is zeros, and HDF5 looks for an end of it that is not there, deaf to every signal."""
    good = nwb.write(tmp_path / "good.nwb", analytic.cell(amplitudes=(-50, 110), short=False, ramps=False))
    data = bytearray(good.read_bytes())
    heap = data.index(b"GCOL")
    data[heap + 16:heap + 4096] = bytes(4080)
    (tmp_path / "endless.nwb").write_bytes(data)
    assets = [sources.Asset(name, str(tmp_path / f"{name}.nwb")) for name in ("endless", "good")]
    begun = time.monotonic()
    table = batch.run(assets, tmp_path / "out", batch.Options(seconds=5), workers=1, progress=False)
    assert table.set_index("cell_id")["passed"].to_dict() == {"endless": False, "good": True}
    assert "keeps HDF5 busy" in table.set_index("cell_id").at["endless", "explanation"]
    assert time.monotonic() - begun < 60
