"""What files of this field do: one condition a test, made from one good cell, and what a reader makes of it."""

import datetime
import uuid

import h5py
import numpy as np
import pytest

from patchtype.recordings import nwb
from patchtype.recordings.reading import recordings
from patchtype.recordings.recording import RecordingError
from patchtype.taxonomy import species_named

from . import analytic

SIDES = {"acquisition": "AD", "stimulus/presentation": "DA"}
RATE = analytic.RATE


def small(seed):
    rng = np.random.default_rng(seed)
    return [analytic.long_square(pa, rng) for pa in (-50, -30, 110, 150)]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A good cell of four long squares."""
    return nwb.write(tmp_path_factory.mktemp("base") / "base.nwb", small(0), compression=1)


@pytest.fixture(scope="module")
def good(base):
    [cell] = read(base)
    return cell


@pytest.fixture
def file(base, tmp_path):
    """A copy of the good cell, open to be changed."""
    path = tmp_path / "case.nwb"
    path.write_bytes(base.read_bytes())
    with h5py.File(path, "a") as opened:
        yield opened


def read(source, **options):
    with recordings(source, **options) as found:
        return [each.read() for each in found]


def reread(file, **options):
    path = file.filename
    file.close()
    return read(path, **options)


def refusal(file):
    path = file.filename
    file.close()
    with pytest.raises(RecordingError) as error:
        read(path)
    return error.value.code, str(error.value)


def series(file, where=tuple(SIDES)):
    for group in where:
        yield from file[group].values()


def replaced(group, values, **attributes):
    """Other samples in a series, its attributes kept but for those given."""
    kept = dict(group["data"].attrs) | attributes
    del group["data"]
    group["data"] = values
    group["data"].attrs.update(kept)


def same(found, good, v=0.0, i=0.0, only=None):
    """The sweeps of the good cell, potentials within ``v`` mV, commands ``i`` pA above."""
    wanted = [s for s in good.sweeps if only is None or s.number in only]
    assert len(found.sweeps) == len(wanted)
    for a, b in zip(found.sweeps, wanted, strict=True):
        assert a.rate == b.rate
        assert a.v_mv.shape == b.v_mv.shape
        assert np.abs(a.v_mv - b.v_mv).max() <= v
        assert np.abs(a.i_pa - b.i_pa - i).max() <= 1e-4
    return True


def test_value_is_data_times_conversion_plus_offset(file, good):
    for each in series(file, ["acquisition"]):
        volts = each["data"][:] * each["data"].attrs["conversion"]
        replaced(each, np.rint((volts + 0.006) / 5e-6).astype("i2"), conversion=5e-6, offset=-0.006)
    assert same(*reread(file), good, v=0.0026)


def test_a_holding_level_stays_in_the_command(file, good):
    for each in series(file, ["stimulus/presentation"]):
        each["data"][...] = each["data"][:] - 60
    assert same(*reread(file), good, i=-60)


@pytest.mark.parametrize("fill", [np.nan, 0.0])
def test_a_command_that_is_missing_at_the_end_ends_the_sweep(file, good, fill):
    for where, value in (("acquisition", fill), ("stimulus/presentation", np.nan)):
        for each in series(file, [where]):
            replaced(each, np.r_[each["data"][:], np.full(30_000, value)].astype("f4"))
    assert same(*reread(file), good)


@pytest.mark.parametrize("epoch", [0.0, 1.7e9])
def test_timestamps_give_the_rate(file, good, epoch):
    for each in series(file):
        n = len(each["data"])
        del each["starting_time"]
        each["timestamps"] = epoch + np.arange(n) / RATE
    assert same(*reread(file), good)


def test_timestamps_with_a_gap_cost_their_sweep(file, good):
    for name, each in file["acquisition"].items():
        del each["starting_time"]
        t = np.arange(len(each["data"])) / RATE
        t[50_000:] += 0.5 * (name == "data_00001_AD0")
        each["timestamps"] = t
    [found] = reread(file)
    assert same(found, good, only={0, 2, 3})
    assert found.left_out() == ["set aside 1 sweep (acquisition/data_00001_AD0): found timestamps with gaps in "
                                "acquisition/data_00001_AD0, expected evenly spaced ones; leave the sweep out"]


@pytest.mark.parametrize("shape", [(-1, 1), (1, -1)])
def test_samples_may_be_a_column_or_a_line(file, good, shape):
    for each in series(file):
        replaced(each, each["data"][:].reshape(shape))
    assert same(*reread(file), good)


def test_samples_of_two_channels_in_one_series_are_refused(file):
    for each in series(file, ["acquisition"]):
        replaced(each, np.stack([each["data"][:]] * 2, 1))
    assert refusal(file) == ("samples_unexpected", "found samples of shape (107500, 2) and type float32 in "
                             "acquisition/data_00000_AD0, expected one row of numbers")


@pytest.mark.parametrize("grouped", [False, True])
def test_the_tables_of_present_pynwb_pair_response_and_stimulus(base, good, tmp_path, grouped):
    """``grouped``: all sweeps of an electrode in one series, each row a range of samples, as neuroconv writes."""
    import pynwb
    from pynwb import icephys

    made = pynwb.NWBFile("converted", str(uuid.uuid4()), datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC))
    electrode = made.create_icephys_electrode(name="e0", description="patch", device=made.create_device("amplifier"))
    common = {"electrode": electrode, "rate": RATE, "gain": 1.0}
    i, v = ([getattr(s, name).astype("f4") for s in good.sweeps] for name in ("i_pa", "v_mv"))
    if grouped:
        stimulus = icephys.CurrentClampStimulusSeries(name="s", data=np.concatenate(i), conversion=1e-12, **common)
        response = icephys.CurrentClampSeries(name="r", data=np.concatenate(v), conversion=1e-3, **common)
        made.add_stimulus(stimulus)
        made.add_acquisition(response)
    rows = []
    for k in range(4):
        start, count = (k * len(i[0]), len(i[0])) if grouped else (0, -1)
        if not grouped:
            stimulus = icephys.CurrentClampStimulusSeries(name=f"s{k}", data=i[k], conversion=1e-12, **common)
            response = icephys.CurrentClampSeries(name=f"r{k}", data=v[k], conversion=1e-3, **common)
        rows.append(made.add_intracellular_recording(
            electrode=electrode, stimulus=stimulus, response=response, stimulus_start_index=start,
            stimulus_index_count=count, response_start_index=start, response_index_count=count))
    together = [made.add_icephys_simultaneous_recording(recordings=[row]) for row in rows]
    made.add_icephys_sequential_recording(simultaneous_recordings=together[:3], stimulus_type="FI curve")
    with pynwb.NWBHDF5IO(str(tmp_path / "tables.nwb"), "w") as io:
        io.write(made)
    [found] = read(tmp_path / "tables.nwb")
    assert same(found, good, v=1e-5)
    assert (found.electrode, found.species, found.simulated) == ("e0", "", False)
    assert [s.stimulus_name for s in found.sweeps] == ["FI curve"] * 3 + [""]


@pytest.mark.parametrize(("response", "stimulus", "expected"), [
    ("FI_curve", "FI_curve", "FI_curve"), ("N/A", "FI_curve", "FI_curve"), (None, None, ""),
    ("X4PS_SupraThresh_DA_3", None, "X4PS_SupraThresh"), ("C1LSFINEST[12]_DA_0", None, "C1LSFINEST"),
])
def test_a_name_of_the_stimulus_comes_from_wherever_there_is_one(file, response, stimulus, expected):
    for where, value in zip(SIDES, (response, stimulus), strict=True):
        for each in series(file, [where]):
            del each.attrs["stimulus_description"]
            if value is not None:
                each.attrs["stimulus_description"] = value
    [found] = reread(file)
    assert {s.stimulus_name for s in found.sweeps} == {expected}


def two_headstages(file, other):
    with h5py.File(other) as second:
        del file["general/intracellular_ephys/sweep_table"]
        file.copy("general/intracellular_ephys/electrode_0", "general/intracellular_ephys/electrode_1")
        for where, side in SIDES.items():
            for name in list(second[where]):
                new = name.replace(f"{side}0", f"{side}1")
                second.copy(second[where][name], file[where], name=new)
                del file[where][new]["electrode"]
                file[where][new]["electrode"] = h5py.SoftLink("/general/intracellular_ephys/electrode_1")


def test_two_headstages_are_two_cells(file, good, tmp_path):
    other = nwb.write(tmp_path / "other.nwb", small(7), compression=1)
    two_headstages(file, other)
    path = file.filename
    first, second = reread(file)
    assert [c.cell_id for c in (first, second)] == ["case_electrode_0", "case_electrode_1"]
    assert same(first, good)
    assert same(second, *read(other))
    [chosen] = read(path, electrode="electrode_1")
    assert chosen.cell_id == "case_electrode_1"
    assert same(chosen, *read(other))
    [named] = read(path, electrode="electrode_0", cell_id="c")
    assert named.cell_id == "c_electrode_0"


@pytest.mark.parametrize(("kind", "sentence"), [
    ("CurrentClampSeries", "found sweep 99 without a stimulus series, expected both"),
    ("VoltageClampSeries", "it is in voltage clamp"),
    ("IZeroClampSeries", "it was recorded at zero current, without a command"),
])
def test_a_stray_sweep_costs_itself_alone(file, good, kind, sentence):
    file.copy("acquisition/data_00000_AD0", "acquisition/data_00099_AD0")
    file["acquisition/data_00099_AD0"].attrs.update({"neurodata_type": kind, "sweep_number": np.uint32(99)})
    [found] = reread(file)
    assert same(found, good)
    assert found.left_out() == [f"set aside 1 sweep (acquisition/data_00099_AD0): {sentence}"]


def test_voltage_clamp_alone_is_refused(file):
    for each in series(file, ["acquisition"]):
        each.attrs["neurodata_type"] = "VoltageClampSeries"
    assert refusal(file) == ("voltage_clamp_only", "found 4 voltage-clamp sweeps and none in current clamp, expected "
                             "current-clamp sweeps")


def test_clocks_that_disagree_are_refused_with_both_rates(file):
    for each in series(file, ["acquisition"]):
        each["starting_time"].attrs["rate"] = 25e3
    assert refusal(file) == ("clocks_disagree", "found a response sampled at 25 kHz and its stimulus at 50 kHz in "
                             "sweep 0, expected one rate; correct the file")


@pytest.mark.parametrize("spelling", [
    "http://purl.obolibrary.org/obo/NCBITaxon_10090", "Mus musculus - House mouse", "NCBITaxon:10090", "mouse",
    "Mus musculus", "HOUSE MOUSE", "https://www.ncbi.nlm.nih.gov/Taxonomy/Browser/wwwtax.cgi?id=10090",
])
def test_the_mouse_is_the_mouse_however_it_is_spelt(file, spelling):
    del file["general/subject/species"]
    file["general/subject/species"] = spelling
    assert reread(file)[0].species == "mouse"


@pytest.mark.parametrize("spelling", ["", "Rattus norvegicus", "NCBITaxon_10116", "deer mouse", "mouse, human"])
def test_what_is_neither_mouse_nor_human_stays_as_it_is(spelling):
    assert species_named(spelling) == spelling


def test_samples_behind_a_filter_that_is_not_there_are_not_called_corrupt(file):
    for each in series(file, ["acquisition"]):
        kept, values = dict(each["data"].attrs), each["data"][:]
        del each["data"]
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk(values.shape)
        plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
        space = h5py.h5s.create_simple(values.shape)
        made = h5py.h5d.create(each.id, b"data", h5py.h5t.IEEE_F32LE, space, plan)
        made.write_direct_chunk((0,), values.tobytes(), 0)
        h5py.Dataset(made).attrs.update(kept)
    code, sentence = refusal(file)
    assert code == "filter_missing"
    assert "Zstandard (32015)" in sentence
    assert "hdf5plugin" in sentence


def test_a_dangling_link_costs_its_sweep(file, good):
    del file["acquisition/data_00003_AD0"]
    file["acquisition/data_00003_AD0"] = h5py.ExternalLink("gone.nwb", "/acquisition/data_00003_AD0")
    [found] = reread(file)
    assert same(found, good, only={0, 1, 2})
    assert found.left_out() == [
        "set aside 1 sweep (acquisition/data_00003_AD0): found a link at /acquisition/data_00003_AD0 to gone.nwb, "
        "which is not there; put the linked file beside this one, or leave the sweep out"]


def test_a_destroyed_header_costs_its_sweep(file, good):
    path, address = file.filename, h5py.h5o.get_info(file["acquisition/data_00003_AD0"].id).addr
    file.close()
    with open(path, "r+b") as raw:
        raw.seek(address)
        raw.write(b"\0" * 16)
    [found] = read(path)
    assert same(found, good, only={0, 1, 2})
    assert list(found.set_aside) == ["acquisition/data_00003_AD0"]


def test_samples_may_lie_in_a_file_beside_it(file, good, base, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "samples.nwb").write_bytes(base.read_bytes())
    for name, each in file["acquisition"].items():
        del each["data"]
        each["data"] = h5py.ExternalLink("raw/samples.nwb", f"/acquisition/{name}/data")
    [found] = reread(file)
    assert same(found, good)
    assert found.notes == ["read from the linked file raw/samples.nwb, too"]


def test_units_that_nwb_does_not_have_are_refused(file):
    for each in series(file, ["acquisition"]):
        each["data"].attrs["unit"] = "mV"
    assert refusal(file) == ("unit_unexpected", "found units 'amperes' and 'mV' in sweep 0, expected 'amperes' and "
                             "'volts'; find out what the numbers are")


def test_a_response_that_was_stopped_ends_the_sweep_and_a_short_command_costs_it(file, good):
    replaced(file["acquisition/data_00000_AD0"], file["acquisition/data_00000_AD0/data"][:90_000])
    replaced(file["stimulus/presentation/data_00001_DA0"], file["stimulus/presentation/data_00001_DA0/data"][:90_000])
    [found] = reread(file)
    assert np.array_equal(found.sweeps[0].v_mv, good.sweeps[0].v_mv[:90_000])
    assert np.array_equal(found.sweeps[0].i_pa, good.sweeps[0].i_pa[:90_000])
    assert found.set_aside == {"acquisition/data_00001_AD0": "found 107500 samples of response and 90000 of stimulus "
                               "in sweep 1, expected as many of both; write the whole command, or cut the "
                               "response to the samples that have one"}


def test_bias_and_bridge_are_in_their_units(file):
    for each in series(file, ["acquisition"]):
        for name, value in (("bias_current", 25e-12), ("bridge_balance", 12e6)):
            del each[name]
            each[name] = value
    [cell] = reread(file)
    assert [(s.bias_current_pa, s.bridge_balance_mohm) for s in cell.sweeps] \
        == [(pytest.approx(25), pytest.approx(12))] * len(cell.sweeps)
