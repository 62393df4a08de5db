"""Write NWB 2 files of current-clamp recordings as the Allen Institute's acquisition does; `nwb_reader` reads them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from patchtype.files import whole

CURRENT_CLAMP, VOLTAGE_CLAMP = "CurrentClamp", "VoltageClamp"
CHUNK = 32_768  # samples; 128 kB before compression, about one request when streamed
SPECIES_LATIN = {"mouse": "Mus musculus", "human": "Homo sapiens"}


@dataclass(frozen=True)
class RawSweep:
    """One sweep to write: command current (pA) and membrane potential (mV), 1-d arrays of equal length."""

    code: str
    i_pa: np.ndarray
    v_mv: np.ndarray
    clamp_mode: str = CURRENT_CLAMP


def write(path: str | os.PathLike, sweeps: Sequence[RawSweep], *, rate: float = 50_000.0, mies: bool = False,
          session_id: str = "0", subject_id: str = "0", species: str = "mouse", compression: int = 4) -> Path:
    """Write sweeps as an NWB 2 file, atomically: an interrupted write leaves no file of that name.

    Parameters
    ----------
    sweeps : in the order of recording; ``rate`` in samples per second
    mies : add what MIES writes beside the sweeps, in the sizes of DANDI 000020 (a lab notebook of
        4,096 x 311 x 9 numbers and its text twin), so that readers meet the real cost
    compression : gzip level 0 to 9

    Returns the path.

    >>> v = np.full(1000, -70.0)
    >>> write("cell.nwb", [RawSweep("X3LP_Rheo_DA_0", np.zeros(1000), v)])      # doctest: +SKIP
    PosixPath('cell.nwb')
    """
    # pynwb takes a second to import and reading does not need it.
    import pynwb
    from hdmf.backends.hdf5.h5_utils import H5DataIO
    from ipfx.utilities import inject_sweep_table
    from pynwb import icephys

    path = Path(path)
    nwb = pynwb.NWBFile(
        session_description="simulated current-clamp recording", identifier=str(session_id),
        session_start_time=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        session_id=str(session_id), institution="simulation",
    )
    nwb.subject = pynwb.file.Subject(
        subject_id=str(subject_id), species=SPECIES_LATIN.get(species, species), age="P60D", sex="U",
        description="simulated",
    )
    device = nwb.create_device(name="simulated amplifier")
    electrode = nwb.create_icephys_electrode(name="electrode_0", description="simulated", device=device)
    inject_sweep_table(nwb)

    def packed(values) -> H5DataIO:
        values = np.asarray(values, "float32")
        return H5DataIO(
            values, compression="gzip", compression_opts=compression, shuffle=True, chunks=(min(len(values), CHUNK),)
        )

    for number, sweep in enumerate(sweeps):
        common = {
            "sweep_number": np.uint32(number), "electrode": electrode, "rate": float(rate), "gain": 1.0,
            "starting_time": 12.0 * number, "stimulus_description": sweep.code,
        }
        current = {"data": packed(sweep.i_pa), "unit": "amperes", "conversion": 1e-12}
        voltage = {"data": packed(sweep.v_mv), "unit": "volts", "conversion": 1e-3}
        command, answer = ({"name": f"data_{number:05d}_{end}", **common} for end in ("DA0", "AD0"))
        if sweep.clamp_mode == CURRENT_CLAMP:
            stimulus = icephys.CurrentClampStimulusSeries(**command, **current)
            response = icephys.CurrentClampSeries(
                **answer, **voltage, bias_current=0.0, bridge_balance=1e7, capacitance_compensation=0.0)
        else:
            stimulus = icephys.VoltageClampStimulusSeries(**command, **voltage)
            response = icephys.VoltageClampSeries(**answer, **current)
        nwb.add_stimulus(stimulus, use_sweep_table=True)
        nwb.add_acquisition(response, use_sweep_table=True)

    with whole(path, ending=".nwb") as part:  # pynwb warns of files that end otherwise
        with pynwb.NWBHDF5IO(str(part), "w") as io:
            io.write(nwb)
        if mies:
            _add_mies(part, range(len(sweeps)))
    return path


def _add_mies(path: Path, sweep_numbers: Iterable[int]) -> None:
    """Mark the file as made by MIES and give it a lab notebook of real size."""
    strings = h5py.string_dtype()
    numbers = list(sweep_numbers)
    rows, keys, text_rows, text_keys, headstages = 4096, 311, 1024, 49, 9
    origin = [["Program", "Igor Pro 64bit"], ["Package", "MIES"], ["Package Version", "simulated"]]
    with h5py.File(path, "a") as file:
        file["general"].create_dataset("generated_by", data=np.array(origin, dtype=object), dtype=strings)
        notebook = file.create_group("general/labnotebook/simulated_device")
        names = np.full((3, keys), "", dtype=object)
        names[0] = [f"key {k}" for k in range(keys)]
        names[0, [0, 10, 11]] = "SweepNum", "Scale Factor", "Set Sweep Count"
        values = np.full((rows, keys, headstages), np.nan)
        per_sweep = rows // max(len(numbers), 1)
        for k, number in enumerate(numbers):
            values[k * per_sweep:(k + 1) * per_sweep, 0] = number
            values[k * per_sweep, 10, 0], values[k * per_sweep, 11, 0] = 1.0, k
        text_names = np.full((3, text_keys), "", dtype=object)
        text_names[0] = ["SweepNum", *(f"text key {k}" for k in range(1, text_keys))]
        notebook.create_dataset("numericalKeys", data=names, dtype=strings)
        notebook.create_dataset("textualKeys", data=text_names, dtype=strings)
        notebook.create_dataset("numericalValues", data=values, compression="gzip", chunks=(256, keys, headstages))
        notebook.create_dataset(
            "textualValues", data=np.full((text_rows, text_keys, headstages), "", dtype=object), dtype=strings,
            compression="gzip",
        )
