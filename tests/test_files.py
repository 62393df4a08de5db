"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from patchtype.files import read_parquet, whole, write_parquet, write_text


@pytest.fixture
def path(tmp_path):
    """A file that is there already, alone in its folder."""
    path = tmp_path / "table.csv"
    path.write_text("old")
    return path


def names(path):
    return sorted(p.name for p in path.parent.iterdir())


def test_until_the_block_is_through_the_old_file_stands_and_the_new_one_is_hidden(path):
    with whole(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert [found.name for found in path.parent.glob("*.csv")] == ["table.csv"] and part.name.startswith(".")
    assert path.read_text() == "new" and names(path) == ["table.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_the_old_file_alone(path, error):
    with pytest.raises(error), whole(path) as part:
        part.write_text("hal")
        raise error
    assert path.read_text() == "old" and names(path) == ["table.csv"]


def test_a_block_that_writes_nothing_is_an_error_and_changes_nothing(path):
    with pytest.raises(FileNotFoundError), whole(path):
        pass
    assert path.read_text() == "old" and names(path) == ["table.csv"]


def test_an_ending_that_a_library_wants_is_there_to_write_to(path):
    with whole(path, ending=".nwb") as part:
        assert part.suffix == ".nwb" and part.parent == path.parent
        part.write_text("new")
    assert path.read_text() == "new" and names(path) == ["table.csv"]


def test_text_is_utf_8_in_a_folder_made_for_it(tmp_path):
    write_text(tmp_path / "a" / "b" / "page.html", "20 µs → °C\n")
    assert (tmp_path / "a" / "b" / "page.html").read_bytes() == "20 µs → °C\n".encode()


def test_a_parquet_table_comes_back_as_pandas_reads_it(tmp_path):
    table = pd.DataFrame({"cell": ["a", None], "p": [0.1, np.nan], "n": pd.array([1, 2], "int32"), "ok": [True, False]})
    write_parquet(tmp_path / "t.parquet", table.astype({"cell": "string"}))
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "t.parquet"), pd.read_parquet(tmp_path / "t.parquet"))
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


SCRIPT = """
import os, sys
from pathlib import Path
from patchtype.files import read_parquet
import pandas, pyarrow.parquet
before = os.listdir("/proc/self/task") if "threads" in sys.argv else None
table = read_parquet(Path(sys.argv[1]))
assert len(table) == 500
assert before is None or os.listdir("/proc/self/task") == before
"""


def ended(path, *more):
    """How a process that reads a table and ends has ended; OpenMP's own limit would hide Arrow's threads."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    run = subprocess.run([sys.executable, "-c", SCRIPT, path, *more], env=environment, capture_output=True, text=True)
    return run.returncode, run.stderr


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    path = tmp_path_factory.mktemp("parquet") / "t.parquet"
    write_parquet(path, pd.DataFrame({f"c{k}": np.arange(500.0) for k in range(60)}))
    return path


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
def test_reading_parquet_starts_no_thread(parquet):
    assert ended(parquet, "threads") == (0, "")


@pytest.mark.slow
def test_a_process_that_reads_parquet_ends_in_its_own_verdict(parquet):
    """With `pandas.read_parquet` one in six was aborted at its end."""
    assert {ended(parquet) for _ in range(50)} == {(0, "")}
