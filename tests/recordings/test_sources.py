"""Files, folders and the DANDI archive as sources; fetching and streaming, faults included."""

import contextlib
import gc
import os
import time
import weakref

import h5py
import numpy as np
import pytest
import requests

from patchtype.recordings import downloads, nwb, sources
from patchtype.recordings.reading import recordings
from patchtype.recordings.recording import RecordingError

from . import analytic, archive


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sweeps):
    """Three recordings."""
    place = tmp_path_factory.mktemp("dandiset")
    for k in range(3):
        nwb.write(place / f"sub-{k}_ses-{k}_icephys.nwb", sweeps[: 8 + k], compression=1)
    return place


@pytest.fixture
def served(folder):
    with archive.serving(folder) as server:
        yield server


@pytest.fixture
def asset(served):
    return sources.find("000020/0.1", served.api)[1]


def test_a_folder_is_searched_at_any_depth(tmp_path):
    for name in ("b.nwb", "a/c.nwb", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    found = sources.find(tmp_path)
    assert [(a.cell_id, a.size) for a in found] == [("b", 5), ("c", 5)]


def test_hidden_names_are_files_in_the_making(tmp_path):
    for name in (".cell.nwb", "..cell.nwb.77.nwb", "below/._cell.nwb", "below/cell.nwb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert sources.files_of(tmp_path) == [tmp_path / "below" / "cell.nwb"]
    assert [a.location for a in sources.find([tmp_path / ".cell.nwb"])] == [str(tmp_path / ".cell.nwb")]  # as named


def test_files_of_one_name_stay_apart(tmp_path):
    for name in ("x/cell.nwb", "y/cell.nwb"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    found = [a.cell_id for a in sources.find([tmp_path, tmp_path / "x" / "cell.nwb"])]
    assert found == [f"{tmp_path.name}__x__cell", f"{tmp_path.name}__y__cell"]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(sources.SourceError, match=f"found no recording in {tmp_path}, expected .nwb or .abf files"):
        sources.find(tmp_path)


@pytest.mark.parametrize("name", ["000020/0.1", "DANDI:000020/0.1", "000020@0.1", "000020"])
def test_a_dandiset_is_listed_over_all_pages(served, folder, name):
    found = sources.find(name, served.api)
    assert [a.cell_id for a in found] == [f"sub-{k}_ses-{k}_icephys" for k in range(3)]
    assert [a.size for a in found] == [p.stat().st_size for p in sorted(folder.iterdir())]
    assert all(a.remote for a in found)


@pytest.mark.parametrize("name", ["000021", "000020/9.9"])
def test_an_unknown_dandiset_is_refused(served, name):
    with pytest.raises(sources.SourceError, match=f"found no dandiset {name[:6]} in version (newest|9.9)"):
        sources.find(name, served.api)


def test_an_archive_that_does_not_answer_is_refused():
    with pytest.raises(sources.SourceError, match="the DANDI archive does not answer"):
        sources.find("000020", "http://127.0.0.1:9/api")


def test_checksum_and_direct_address_come_from_the_metadata(asset, served):
    found = downloads.resolved(asset, 5)
    assert found.location == f"{served.url}/blobs/sub-1_ses-1_icephys.nwb"
    assert len(found.sha256) == 64


def test_a_fetched_file_is_whole_and_gone_afterwards(asset, folder, tmp_path):
    with downloads.fetched(asset, tmp_path, timeout=5) as path:
        assert path.read_bytes() == (folder / "sub-1_ses-1_icephys.nwb").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_a_busy_server_is_asked_again(asset, served, folder):
    served.faults[f"{asset.cell_id}.nwb"] = "busy2"
    with downloads.fetched(asset, timeout=5, pause=0) as path:
        assert path.stat().st_size == asset.size


@pytest.mark.parametrize(("fault", "code", "sentence"), [
    ("404", "download_failed", "found status 404 at .* after 1 attempt, expected the file"),
    ("no metadata", "download_failed", "found status 404 at .* after 1 attempt, expected the file"),
    ("busy9", "download_failed", "found status 503 at .* after 3 attempts, expected the file"),
    ("cut", "download_failed", "found (ChunkedEncodingError|ConnectionError) at .* after 3 attempts"),
    ("slow", "download_failed", "found (ConnectionError|ReadTimeout) at .* after 3 attempts"),
    ("checksum", "download_damaged", r"found sha256 \w{12}\.\.\., expected \w{12}\.\.\.; run again"),
])
def test_a_failed_download_says_what_happened_and_leaves_nothing(asset, served, tmp_path, fault, code, sentence):
    served.faults[f"{asset.cell_id}.nwb"] = fault
    timeout = 0.2 if fault == "slow" else 5
    with pytest.raises(RecordingError, match=sentence) as error, \
            downloads.fetched(asset, tmp_path, timeout=timeout, pause=0):
        pass
    assert error.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_wrong_size_is_damaged(served, folder):
    name = "sub-1_ses-1_icephys.nwb"
    for size, found in ((7, "more than 7 bytes at .*"), (10 ** 9, "[0-9]+ bytes")):
        wrong = sources.Asset("x", f"{served.url}/blobs/{name}", size=size)
        with pytest.raises(RecordingError, match=f"found {found}, expected {size}; run again"), \
                downloads.fetched(wrong, timeout=5, pause=0):
            pass


def test_streaming_fetches_a_part_and_reads_the_same(tmp_path):
    rng = np.random.default_rng(0)
    chirps = [nwb.RawSweep("X8_CHIRP_DA_0", rng.normal(0, 50, 200_000), rng.normal(-70, 5, 200_000)) for _ in range(6)]
    path = nwb.write(tmp_path / "big.nwb", [analytic.long_square(-50, rng), *chirps])
    with archive.serving(tmp_path) as server, recordings(path) as [local]:
        asset = sources.Asset("big", f"{server.url}/blobs/big.nwb", path.stat().st_size)
        with downloads.streamed(asset, timeout=5) as stream, recordings(stream) as [remote]:
            assert np.array_equal(remote.sweeps[0].v_mv, local.sweeps[0].v_mv)
        assert server.bytes_sent < path.stat().st_size / 2


def test_a_stream_remembers_what_went_wrong(asset, served):
    with downloads.streamed(asset, timeout=5) as stream:
        stream.read(10)
        served.faults[f"{asset.cell_id}.nwb"] = "404"
        stream.seek(asset.size - 10)
        with pytest.raises(requests.HTTPError):
            stream.read(10)
        assert stream.error.response.status_code == 404


def test_a_stream_that_cannot_be_opened_is_a_failed_download(served):
    missing = sources.Asset("x", f"{served.url}/blobs/x.nwb")
    with pytest.raises(RecordingError, match="found status 404 at") as error, \
            downloads.streamed(missing, timeout=5):
        pass
    assert error.value.code == "download_failed"


def test_a_stream_that_broke_leaves_nothing_that_hdf5_must_free_after_python(asset, served):
    """The circle of stream, error, traceback and h5py's access list ended processes in a segmentation fault."""
    with downloads.streamed(asset, timeout=5, attempts=1) as stream, contextlib.suppress(Exception):
        served.faults[f"{asset.cell_id}.nwb"] = "cut"
        stream.seek(asset.size - 10)
        h5py.File(stream, "r")
    stream = weakref.ref(stream)
    gc.collect()
    assert stream() is None


# --- servers that mean no good, or fail in odd ways --------------------------------------------------------

def ask(served, fault, name="sub-1_ses-1_icephys.nwb", size=None, **options):
    """Fetch a file whose size is not known, from a server with a fault."""
    served.faults[name] = fault
    asset = sources.Asset("x", f"{served.url}/blobs/{name}", size)
    with pytest.raises(RecordingError) as error, downloads.fetched(asset, pause=0, attempts=1, **options):
        pass
    return error.value.code, str(error.value)


def test_a_compressed_answer_is_not_unpacked(served, tmp_path):
    code, sentence = ask(served, "gzip", folder=tmp_path, timeout=5)
    assert code == "download_failed"
    assert "found an answer compressed by gzip at" in sentence


def test_an_endless_body_ends_at_the_size_that_was_stated(served, monkeypatch):
    assert ask(served, "endless", timeout=5, size=1000)[0] == "download_damaged"
    monkeypatch.setattr(downloads, "LARGEST", 2_000_000)
    code, sentence = ask(served, "endless", timeout=5)
    assert code == "download_damaged"
    assert sentence.startswith("found more than 2000000 bytes at")


def test_a_trickling_body_ends_with_the_time(served):
    begun = time.monotonic()
    code, sentence = ask(served, "trickle", timeout=5, total=0.3)
    assert time.monotonic() - begun < 5
    assert code == "download_failed"
    assert "after 0.3 s, expected the whole file" in sentence


def test_a_file_without_a_checksum_is_noted(served, asset):
    notes = []
    with downloads.fetched(sources.Asset("x", f"{served.url}/blobs/{asset.cell_id}.nwb"), timeout=5, notes=notes):
        pass
    assert notes == ["no checksum was stated for the file, so the download could not be compared with one"]
    with downloads.fetched(asset, timeout=5, notes=notes):
        pass
    assert len(notes) == 1


def test_metadata_that_cannot_be_read_are_damage(served, asset):
    served.faults[f"{asset.cell_id}.nwb"] = "odd metadata"
    with pytest.raises(RecordingError, match="found metadata that cannot be read at") as error, \
            downloads.fetched(asset, timeout=5, pause=0):
        pass
    assert error.value.code == "download_damaged"


def test_a_file_that_changes_while_it_is_streamed_is_refused(served, asset):
    with downloads.streamed(asset, timeout=5, pause=0) as stream:
        stream.read(10)
        served.faults[f"{asset.cell_id}.nwb"] = "changed"
        stream.seek(asset.size - 10)
        with pytest.raises(RecordingError, match="changed while it was read, expected one version of it; run again"):
            stream.read(10)
        assert stream.error.code == "download_damaged"


def test_a_server_without_ranges_cannot_be_streamed_from(served, asset):
    served.faults[f"{asset.cell_id}.nwb"] = "no ranges"
    with pytest.raises(RecordingError, match="does not come in parts, expected a server that sends ranges;"), \
            downloads.streamed(asset, timeout=5, pause=0):
        pass


def test_a_stream_that_was_read_whole_is_compared_with_the_checksum(served, asset, folder):
    with downloads.streamed(asset, timeout=5, pause=0) as stream:
        assert not stream.verified()
        assert stream.read() == (folder / f"{asset.cell_id}.nwb").read_bytes()
        assert stream.verified()
    served.faults[f"{asset.cell_id}.nwb"] = "checksum"
    with downloads.streamed(asset, timeout=5, pause=0) as stream:
        stream.read()
        with pytest.raises(RecordingError, match=r"found sha256 \w{12}\.\.\., expected \w{12}\.\.\.; run again"):
            stream.verified()


def test_a_folder_holds_recordings_of_both_formats_under_names_of_their_own(tmp_path):
    for name in ("cell.nwb", "cell.ABF", "other.abf", "notes.txt", "CELL2.NWB"):
        (tmp_path / name).touch()
    assert [a.cell_id for a in sources.find(tmp_path)] == ["CELL2", "cell.ABF", "cell.nwb", "other"]


def test_names_that_cannot_be_told_apart_once_they_are_clean_stay_apart(tmp_path):
    for name in (b"a\xff.nwb", b"a\xfe.nwb"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb"):
            pass
    found = [a.cell_id for a in sources.find(tmp_path)]
    assert len(set(found)) == 2
    for name in found:
        name.encode()


def test_an_address_is_named_after_its_file():
    [asset] = sources.find("https://example.org/data/my%20cell.nwb?download=1#x")
    assert asset.cell_id == "my cell"
