"""Writing recordings, and reading them as ipfx's own reader does."""

import datetime
import io
import os

import h5py
import numpy as np
import pytest
from ipfx.dataset.create import create_ephys_data_set

from patchtype.recordings import nwb
from patchtype.recordings.cell import extract
from patchtype.recordings.reading import recordings
from patchtype.recordings.recording import RecordingError


def read(source, **options):
    with recordings(source, **options) as found:
        return [each.read() for each in found]


def test_every_sweep_equals_ipfx_own_reader_bit_for_bit(either_file):
    theirs = create_ephys_data_set(str(either_file))
    [ours] = read(either_file)
    assert len(ours.sweeps) == 22
    for sweep in ours.sweeps:
        data = theirs.get_sweep_data(sweep.number)
        for a, b in ((data["stimulus"], sweep.i_pa), (data["response"], sweep.v_mv)):
            assert a.dtype == b.dtype
            assert np.array_equal(a, b, equal_nan=True)
        assert (data["stimulus_unit"], data["sampling_rate"]) == ("Amps", sweep.rate)
    table = theirs.sweep_table.set_index("sweep_number")
    assert {s.number: s.stimulus_name for s in ours.sweeps} \
        == table.loc[table["clamp_mode"] == "CurrentClamp", "stimulus_code"].to_dict()


def test_voltage_clamp_is_set_aside(mies_file):
    [cell] = read(mies_file)
    assert cell.set_aside == {"acquisition/data_00000_AD0": "it is in voltage clamp"}
    assert [s.number for s in cell.sweeps] == list(range(1, 23))


@pytest.mark.parametrize("source", ["path", "text", "bytes", "h5py"])
def test_reads_path_open_file_and_file_like(plain_file, source):
    given = {"path": lambda: plain_file, "text": lambda: str(plain_file),
             "bytes": lambda: io.BytesIO(plain_file.read_bytes()), "h5py": lambda: h5py.File(plain_file)}[source]()
    [cell] = read(given)
    assert cell.sweeps[3].v_mv.shape == (107_500,)
    assert (cell.species, cell.session_id, cell.subject_id, cell.simulated) == ("mouse", "2", "1", True)
    assert cell.electrode == "electrode_0"
    if source == "h5py":
        assert given.id.valid  # what the caller opened, the caller closes


def test_each_sweep_is_read_once(plain_file):
    with recordings(plain_file) as [cell]:
        assert cell.sweeps[0].v_mv is cell.sweeps[0].v_mv


def changed(plain_file, path, change):
    """A copy of the good file with something changed in it."""
    path.write_bytes(plain_file.read_bytes())
    with h5py.File(path, "a") as file:
        change(file)
    return path


def without_numbers(file):
    for group in ("acquisition", "stimulus/presentation"):
        for series in file[group].values():
            del series.attrs["sweep_number"]


def without_numbers_and_table(file):
    without_numbers(file)
    del file["general/intracellular_ephys/sweep_table"]


def same_number(number, sides=("acquisition", "stimulus/presentation")):
    def change(file):
        for group in sides:
            for series in file[group].values():
                series.attrs["sweep_number"] = np.int32(number)
    return change


def numbers_begin_anew(file):
    """Two protocols, each numbered from 0."""
    for group in ("acquisition", "stimulus/presentation"):
        for k, series in enumerate(file[group].values()):
            series.attrs["sweep_number"] = np.int32(k % 11)


BY_NAME = "responses and stimuli were paired by their names, the file has no table of them"


@pytest.mark.parametrize(("change", "notes"), [
    (without_numbers, []),
    (without_numbers_and_table, [BY_NAME]), (same_number(0), [BY_NAME]), (same_number(-1), [BY_NAME]),
    (same_number(7, ["acquisition"]), [BY_NAME]), (numbers_begin_anew, [BY_NAME]),
])
def test_responses_find_their_stimuli_without_numbers_of_their_own(plain_file, tmp_path, change, notes):
    [original], [found] = read(plain_file), read(changed(plain_file, tmp_path / "cell.nwb", change))
    assert found.notes == notes
    assert len(found.sweeps) == len(original.sweeps)
    for a, b in zip(found.sweeps, original.sweeps, strict=True):
        assert (a.number, a.where) == (b.number, b.where)
        assert np.array_equal(a.v_mv, b.v_mv)
        assert np.array_equal(a.i_pa, b.i_pa)


def names_apart(first):
    """Sweeps without numbers, the names of their stimuli counted from another one than those of the responses."""
    def change(file):
        without_numbers_and_table(file)
        for k, name in reversed(list(enumerate(list(file["stimulus/presentation"])))):
            file["stimulus/presentation"].move(name, f"data_{k + first:05d}_DA0")
    return change


def unpaired(file):
    """The response of sweep 5 and the stimulus of sweep 3 are gone."""
    without_numbers_and_table(file)
    del file["acquisition/data_00005_AD0"], file["stimulus/presentation/data_00003_DA0"]


def digitless(file):
    """Names without numbers, and one number for all."""
    same_number(0)(file)
    for k, name in enumerate(list(file["acquisition"])):
        file["acquisition"].move(name, "response" + "abcdefghijklmnopqrstuvwxyz"[k])


@pytest.mark.parametrize(("change", "code", "message"), [
    (lambda f: f.attrs.__delitem__("nwb_version"), "nwb_version_missing",
     "found an HDF5 file without nwb_version, expected NWB 2"),
    (lambda f: f.attrs.__setitem__("nwb_version", "1.0.5"), "nwb_version_old",
     "found NWB version 1.0.5, expected 2; convert the file first"),
    (lambda f: f["stimulus"].__delitem__("presentation"), "stimulus_missing",
     "found sweep 0 without a stimulus series, expected both"),
    (names_apart(99900), "sweep_numbers_missing",
     "found the numbers 0 to 21 in the names of responses and 99900 to 99921 in those of stimuli, expected the same; "
     "give both series a sweep number"),
    (names_apart(1), "sweep_numbers_missing",
     "found the numbers 0 to 21 in the names of responses and 1 to 22 in those of stimuli, expected the same; "
     "give both series a sweep number"),
    (unpaired, "sweep_numbers_missing",
     "found the numbers 3 only in the names of responses and 5 only in those of stimuli, expected the same; "
     "give both series a sweep number"),
    (digitless, "sweep_numbers_missing",
     "found no sweep number of its own for /acquisition/responsea and no stimulus of the same name, expected a number "
     "on both series, in the sweep table or in intracellular_recordings"),
    (lambda f: f.__delitem__("acquisition"), "no_sweeps",
     "found no patch-clamp sweep, expected current-clamp sweeps"),
])
def test_a_file_that_is_no_usable_recording_says_why(plain_file, tmp_path, change, code, message):
    with pytest.raises(RecordingError) as error:
        recordings(changed(plain_file, tmp_path / "cell.nwb", change))
    assert (error.value.code, str(error.value)) == (code, message)


@pytest.mark.parametrize(("change", "where", "message"), [
    (lambda f: f["acquisition/data_00003_AD0"].attrs.__setitem__("sweep_number", np.uint32(2)), (2, 3),
     "found two acquisition series with sweep number 2, expected one; give each sweep a number of its own"),
    (lambda f: f["stimulus/presentation"].__delitem__("data_00003_DA0"), (3,),
     "found sweep 3 without a stimulus series, expected both"),
])
def test_one_sweep_that_cannot_be_paired_costs_itself_alone(plain_file, tmp_path, change, where, message):
    [cell] = read(changed(plain_file, tmp_path / "cell.nwb", change))
    assert cell.set_aside == {f"acquisition/data_{n:05d}_AD0": message for n in where}
    assert [s.number for s in cell.sweeps] == [n for n in range(22) if n not in where]


def voltage_clamp_first(file):
    """Voltage clamp whose commands alone were kept, and a response that lost its command."""
    without_numbers_and_table(file)
    for k in range(2):
        file[f"acquisition/data_{k:05d}_AD0"].attrs["neurodata_type"] = "VoltageClampSeries"
        file.move(f"stimulus/presentation/data_{k:05d}_DA0", f"stimulus/presentation/data_{k + 50:05d}_DA0")
        file[f"stimulus/presentation/data_{k + 50:05d}_DA0"].attrs["neurodata_type"] = "VoltageClampStimulusSeries"
    del file["stimulus/presentation/data_00002_DA0"]


def one_cut_off(file):
    """A response that is not there, and another that lost its command."""
    without_numbers_and_table(file)
    del file["acquisition/data_00001_AD0"], file["stimulus/presentation/data_00002_DA0"]
    file["acquisition/data_00001_AD0"] = h5py.SoftLink("/nowhere")


def half_numbered(file):
    """The last response has a number as its stimulus has, under other names; another lost its command."""
    kept = {group: file[group][name] for group, name in (
        ("acquisition", "data_00021_AD0"), ("stimulus/presentation", "data_00021_DA0"))}
    without_numbers_and_table(file)
    for series in kept.values():
        series.attrs["sweep_number"] = np.uint32(21)
    file.move("stimulus/presentation/data_00021_DA0", "stimulus/presentation/data_00077_DA0")
    del file["stimulus/presentation/data_00002_DA0"]


@pytest.mark.parametrize(("change", "lost"), [
    (lambda f: (without_numbers_and_table(f), f["acquisition"].__delitem__("data_00002_AD0")), {2}),
    (lambda f: (without_numbers_and_table(f), f["stimulus/presentation"].__delitem__("data_00002_DA0")), {2}),
    (voltage_clamp_first, {0, 1, 2}), (one_cut_off, {1, 2}), (half_numbered, {2}),
])
def test_names_that_are_left_over_for_a_reason_cost_themselves_alone(plain_file, tmp_path, change, lost):
    [original], [found] = read(plain_file), read(changed(plain_file, tmp_path / "cell.nwb", change))
    wanted = [sweep for sweep in original.sweeps if sweep.number not in lost]
    assert sorted(sweep.where for sweep in found.sweeps) == [sweep.where for sweep in wanted]
    commands = {sweep.where: sweep.i_pa for sweep in found.sweeps}
    assert all(np.array_equal(commands[sweep.where], sweep.i_pa) for sweep in wanted)


def test_numbers_that_begin_anew_and_disagree_with_the_names_are_refused(plain_file, tmp_path):
    def disagreeing(file):
        for group, shift in (("acquisition", 0), ("stimulus/presentation", 1)):
            for k, series in enumerate(file[group].values()):
                series.attrs["sweep_number"] = np.int32((k + shift) % 11)
    with pytest.raises(RecordingError, match="found two .* series with sweep number .*, expected one"):
        read(changed(plain_file, tmp_path / "cell.nwb", disagreeing))


def of_type(response, stimulus):
    def change(file):
        for group, kind in (("acquisition", response), ("stimulus/presentation", stimulus)):
            for series in file[group].values():
                series.attrs["neurodata_type"] = kind
    return change


def moved(to):
    def change(file):
        del file["general/intracellular_ephys/sweep_table"]
        for name in list(file["stimulus/presentation"]):
            file.move(f"stimulus/presentation/{name}", f"{to}/{name}")
    return change


@pytest.mark.parametrize("change", [
    of_type("PatchClampSeries", "PatchClampSeries"), of_type("CurrentClampSeries", "TimeSeries"),
    moved("stimulus/templates"), moved("acquisition"),
])
def test_series_of_a_general_type_or_in_another_group_are_read(plain_file, tmp_path, change):
    [original], [found] = read(plain_file), read(changed(plain_file, tmp_path / "cell.nwb", change))
    assert [s.number for s in found.sweeps] == [s.number for s in original.sweeps] and not found.set_aside
    for a, b in zip(found.sweeps, original.sweeps, strict=True):
        assert np.array_equal(a.v_mv, b.v_mv) and np.array_equal(a.i_pa, b.i_pa)


def test_names_without_leading_zeros_are_in_the_order_of_their_numbers(plain_file, tmp_path):
    def short_names(file):
        without_numbers_and_table(file)
        for group, side in (("acquisition", "v"), ("stimulus/presentation", "i")):
            for k, name in enumerate(list(file[group])):
                file[group].move(name, f"{side}_{k}")
    [original], [found] = read(plain_file), read(changed(plain_file, tmp_path / "cell.nwb", short_names))
    assert [sweep.where for sweep in found.sweeps] == [f"acquisition/v_{k}" for k in range(len(original.sweeps))]
    assert all(np.array_equal(a.v_mv, b.v_mv) for a, b in zip(found.sweeps, original.sweeps, strict=True))


# --- beginning, end and rate ------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def features(plain_file):
    """What is measured in the good cell."""
    found = extract(plain_file)
    assert found.verdict.passed
    return found.features


def begun(shift, sides=("stimulus/presentation",)):
    """``shift``: position of a sweep and its beginning (s) → another one."""
    def change(file):
        for side in sides:
            for k, series in enumerate(file[side].values()):
                series["starting_time"][()] = shift(k, series["starting_time"][()])
    return change


def timestamps(file):
    """Responses whose clock is told by timestamps, 50 ms behind that of the stimuli in sweep 4."""
    for k, series in enumerate(file["acquisition"].values()):
        begin = series["starting_time"][()] + 0.05 * (k == 4)
        del series["starting_time"]
        series["timestamps"] = begin + np.arange(len(series["data"])) / 50_000


@pytest.mark.parametrize(("change", "said"), [
    (begun(lambda k, t: t - 0.05 * (k == 4)), "50 ms before"), (timestamps, "50 ms before"),
    (begun(lambda k, t: t + 1.5 * (k == 4)), "1500 ms after"),
    (begun(lambda k, t: t + 0.0006 * (k == 4)), "0.6 ms after"),
])
def test_a_stimulus_that_begins_apart_from_its_response_costs_its_sweep(plain_file, tmp_path, change, said):
    [cell] = read(changed(plain_file, tmp_path / "cell.nwb", change))
    assert cell.set_aside == {
        "acquisition/data_00004_AD0": f"found a stimulus that begins {said} its response in sweep 4, expected both at "
        "once; correct starting_time, or cut both to the same samples"}
    assert [s.number for s in cell.sweeps] == [n for n in range(22) if n != 4]


def test_a_file_whose_stimuli_all_begin_apart_is_refused(plain_file, tmp_path):
    with pytest.raises(RecordingError, match="50 ms after its response in sweep 0, expected both") as error:
        recordings(changed(plain_file, tmp_path / "cell.nwb", begun(lambda k, t: t + 0.05)))
    assert error.value.code == "clocks_disagree"


def arrays_equal(found, original):
    return len(found.sweeps) == len(original.sweeps) and all(
        np.array_equal(a.v_mv, b.v_mv) and np.array_equal(a.i_pa, b.i_pa)
        for a, b in zip(found.sweeps, original.sweeps, strict=True))


@pytest.mark.parametrize("change", [
    begun(lambda k, t: 0.0),  # 0 for each stimulus, responses from 0
    lambda f: (begun(lambda k, t: 0.0)(f), begun(lambda k, t: t + 1.2, ["acquisition"])(f)),  # and from 1.2 s
    begun(lambda k, t: 1.2 * k),  # the clock of a writer that counts otherwise
    begun(lambda k, t: 0.0, ["acquisition"]),
    begun(lambda k, t: t + 2.15 * (k == 4)),  # one by its own length
    begun(lambda k, t: t + 1.6e9), begun(lambda k, t: t + 0.0004), begun(lambda k, t: np.nan),
    lambda f: [series.__delitem__("starting_time") for series in f["stimulus/presentation"].values()],
])
def test_beginnings_without_a_common_clock_change_nothing(plain_file, tmp_path, change):
    [original], [found] = read(plain_file), read(changed(plain_file, tmp_path / "cell.nwb", change))
    assert found.set_aside == {}
    assert arrays_equal(found, original)


def tabled(path, sweeps, early=0, begin=None):
    """All sweeps in one series, the stimulus ``early`` samples before the response; ``begin`` (s): as it says."""
    from pynwb import NWBHDF5IO, NWBFile, icephys

    made = NWBFile("converted", "1", datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC))
    electrode = made.create_icephys_electrode(name="e0", description="patch", device=made.create_device("amplifier"))
    common, n = {"electrode": electrode, "rate": 50_000.0, "gain": 1.0}, len(sweeps[0].i_pa)
    stimulus = icephys.CurrentClampStimulusSeries(
        name="s", data=np.concatenate([np.zeros(early), *(s.i_pa for s in sweeps)]), conversion=1e-12,
        starting_time=10 - early / 50_000 if begin is None else begin, **common)
    response = icephys.CurrentClampSeries(
        name="r", data=np.concatenate([s.v_mv for s in sweeps]), conversion=1e-3, starting_time=10.0, **common)
    made.add_stimulus(stimulus)
    made.add_acquisition(response)
    for k in range(len(sweeps)):
        made.add_intracellular_recording(
            electrode=electrode, stimulus=stimulus, response=response, stimulus_start_index=early + k * n,
            stimulus_index_count=n, response_start_index=k * n, response_index_count=n)
    with NWBHDF5IO(str(path), "w") as file:
        file.write(made)
    return path


def test_parts_of_a_longer_series_begin_where_their_samples_do(tmp_path, sweeps):
    [cell] = read(tabled(tmp_path / "cell.nwb", sweeps[:3], early=2500))
    assert cell.set_aside == {}
    for found, made in zip(cell.sweeps, sweeps, strict=False):
        assert np.abs(found.i_pa - made.i_pa).max() < 1e-9
        assert np.abs(found.v_mv - made.v_mv).max() < 1e-9
    with pytest.raises(RecordingError, match="begins 50 ms after its response in sweep 0") as error:
        read(tabled(tmp_path / "apart.nwb", sweeps[:3], early=2500, begin=10.0))
    assert error.value.code == "clocks_disagree"


def shortened(by, sweeps=range(22)):
    """Stimuli that lack their last samples."""
    def change(file):
        for k in sweeps:
            series = file[f"stimulus/presentation/data_{k:05d}_DA0"]
            kept, values = dict(series["data"].attrs), series["data"][:-by]
            del series["data"]
            series["data"] = values
            series["data"].attrs.update(kept)
    return change


@pytest.mark.parametrize("by", [1, 50])
def test_a_command_that_ends_a_moment_early_ends_the_sweep(plain_file, tmp_path, features, by):
    path = changed(plain_file, tmp_path / "cell.nwb", shortened(by))
    [original], [found] = read(plain_file), read(path)
    assert found.set_aside == {}
    for a, b in zip(found.sweeps, original.sweeps, strict=True):
        assert a.samples == len(a.v_mv) == len(a.i_pa) == b.samples - by
        assert np.array_equal(a.v_mv, b.v_mv[:-by])
        assert np.array_equal(a.i_pa, b.i_pa[:-by])
    assert extract(path).features == pytest.approx(features, rel=1e-9, nan_ok=True)


def test_a_command_that_ends_early_costs_its_sweep(plain_file, tmp_path):
    [cell] = read(changed(plain_file, tmp_path / "cell.nwb", shortened(51, [3])))
    assert cell.set_aside == {
        "acquisition/data_00003_AD0": "found 107500 samples of response and 107449 of stimulus in sweep 3, expected "
        "as many of both; write the whole command, or cut the response to the samples that have one"}


def at_rate(rate):
    def change(file):
        for side in ("acquisition", "stimulus/presentation"):
            for series in file[side].values():
                series["starting_time"].attrs["rate"] = rate
    return change


def in_milliseconds(file):
    for side in ("acquisition", "stimulus/presentation"):
        for series in file[side].values():
            del series["starting_time"]
            series["timestamps"] = np.arange(len(series["data"])) / 50.0


@pytest.mark.parametrize(("change", "said"), [
    (at_rate(20.0), "20"), (at_rate(999.0), "999"), (at_rate(2e8), "2e+08"), (in_milliseconds, "50")])
def test_a_rate_that_is_not_in_hz_is_refused(plain_file, tmp_path, change, said):
    with pytest.raises(RecordingError) as error:
        recordings(changed(plain_file, tmp_path / "cell.nwb", change))
    assert (error.value.code, str(error.value)) == (
        "rate_missing", f"found a sampling rate of {said} Hz in acquisition/data_00000_AD0, expected 1,000 Hz to "
        "100 MHz; correct it, a rate belongs in Hz and timestamps in seconds")


def test_the_slowest_rate_is_read(plain_file, tmp_path):
    [cell] = read(changed(plain_file, tmp_path / "cell.nwb", at_rate(1000.0)))
    assert {sweep.rate for sweep in cell.sweeps} == {1000.0}


def test_mies_files_carry_a_notebook_of_real_size(mies_file):
    with h5py.File(mies_file) as file:
        notebook = file["general/labnotebook/simulated_device"]
        assert notebook["numericalValues"].shape == (4096, 311, 9)
        assert dict(file["general/generated_by"][:])[b"Package"] == b"MIES"


def test_an_interrupted_write_leaves_nothing(tmp_path, sweeps, monkeypatch):
    monkeypatch.setattr(nwb, "_add_mies", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        nwb.write(tmp_path / "cell.nwb", sweeps[:2], mies=True)
    assert os.listdir(tmp_path) == []
