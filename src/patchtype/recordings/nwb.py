"""Read and write NWB 2 files of current-clamp recordings.

`write` makes a file as the Allen Institute's acquisition does, in the MIES or the plain flavour.
`Recording` reads such a file over h5py behind ipfx's `EphysDataInterface`: no object is built for a series
that nobody asks for, and each sweep is read once. Its arrays equal those of ipfx's own reader bit for bit.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import h5py
import numpy as np
from dateutil import parser as dateparser
from ipfx.dataset.ephys_data_interface import EphysDataInterface
from ipfx.dataset.ephys_nwb_data import EphysNWBData
from ipfx.stimulus import StimulusOntology

from patchtype.files import whole
from patchtype.recordings.recording import RecordingError

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


def text(value) -> str:
    """A string attribute or dataset of an HDF5 file as str."""
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[-1]
    return value.decode() if isinstance(value, bytes) else str(value)


class Ontology(StimulusOntology):
    """ipfx's stimulus ontology with its linear search remembered."""

    @cache  # noqa: B019 - one object for the life of the process
    def find(self, tag, tag_type=None):
        return super().find(tag, tag_type)

    @staticmethod
    @cache
    def shared() -> Ontology:
        """The default ontology, read once."""
        return Ontology.default()

    @property
    def needed_names(self) -> frozenset[str]:
        """Stimulus names of the three protocols from which the families come."""
        return frozenset(self.long_square_names | self.short_square_names | self.ramp_names)


def _sweep_numbers_of_table(file: h5py.File) -> dict[str, int]:
    """Path of each series → sweep number, from the sweep table."""
    table = file.get("general/intracellular_ephys/sweep_table")
    if table is None:
        return {}
    numbers, ends, series = table["sweep_number"][:], table["series_index"][:], table["series"][:]
    found, start = {}, 0
    for number, end in zip(numbers, ends, strict=True):
        for row in series[start:end]:
            reference = row if isinstance(row, h5py.Reference) else row[-1]
            found[file[reference].name] = int(number)
        start = end
    return found


class Recording(EphysDataInterface):
    """The sweeps of one NWB 2 file, for `ipfx.dataset.ephys_data_set.EphysDataSet`.

    Parameters
    ----------
    source : path, open `h5py.File`, or binary file-like object (an HTTP stream, for instance)
    needed_only : list only current-clamp sweeps of long squares, short squares and ramps

    Raises `RecordingError` for a file without NWB version 2, without sweep numbers, or with a number twice.

    >>> Recording("cell.nwb").sweep_numbers            # doctest: +SKIP
    array([0, 1, 2])
    """

    def __init__(self, source, needed_only: bool = True, ontology: StimulusOntology | None = None):
        super().__init__(ontology=ontology or Ontology.shared(), validate_stim=False)
        self.owns_file = not isinstance(source, h5py.File)
        self.file = h5py.File(source, "r") if self.owns_file else source
        try:
            self._check_version()
            self._index()
            needed = self.ontology.needed_names
            self._listed = [
                n for n in sorted(self._responses)
                if not needed_only or (
                    self.get_clamp_mode(n) == CURRENT_CLAMP
                    and self.ontology.stimulus_has_any_tags(self.get_stimulus_code(n), needed, tag_type="code")
                )
            ]
        except Exception:
            self.close()
            raise
        self._sweep_data: dict[int, dict] = {}
        self._metadata: dict[int, dict] = {}

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def close(self) -> None:
        """Close the file if it was opened here."""
        if self.owns_file:
            self.file.close()

    def _check_version(self) -> None:
        found = self.file.attrs.get("nwb_version", self.file.get("nwb_version"))
        if found is None:
            raise RecordingError("nwb_version_missing", "found an HDF5 file without nwb_version, expected NWB 2")
        version = text(found[()] if isinstance(found, h5py.Dataset) else found).removeprefix("NWB-")
        if not version.startswith("2"):
            raise RecordingError("nwb_version_old", f"found NWB version {version}, expected 2; convert the file first")

    def _index(self) -> None:
        """Sweep number → HDF5 group, for responses and stimuli."""
        self._responses: dict[int, h5py.Group] = {}
        self._stimuli: dict[int, h5py.Group] = {}
        self._kinds: dict[int, str] = {}
        self._codes: dict[int, str] = {}
        table: dict[str, int] | None = None
        for path, ends, found in (
            ("acquisition", ("ClampSeries",), self._responses),
            ("stimulus/presentation", ("ClampStimulusSeries",), self._stimuli),
        ):
            for group in self.file.get(path, {}).values():
                kind = text(group.attrs.get("neurodata_type", ""))
                if not kind.endswith(ends) or kind.startswith("IZero"):
                    continue
                number = group.attrs.get("sweep_number")
                if number is None:
                    if table is None:
                        table = _sweep_numbers_of_table(self.file)
                    number = table.get(group.name)
                if number is None:
                    raise RecordingError(
                        "sweep_numbers_missing",
                        f"found no sweep number for {group.name}, expected one on the series or in the sweep table",
                    )
                number = int(number)
                if number in found:
                    raise RecordingError(
                        "sweep_number_twice", f"found two {path} series with sweep number {number}, expected one"
                    )
                found[number] = group
                if found is self._responses:
                    self._kinds[number] = kind
        for number in set(self._responses) - set(self._stimuli):
            raise RecordingError("stimulus_missing", f"found sweep {number} without a stimulus series, expected both")

    @property
    def sweep_numbers(self) -> np.ndarray:
        """Numbers of the listed sweeps, ascending."""
        return np.array(self._listed, dtype=int)

    @property
    def all_sweep_numbers(self) -> list[int]:
        """Numbers of every patch-clamp sweep of the file, ascending."""
        return sorted(self._responses)

    @property
    def has_sweep_table(self) -> bool:
        """Whether the file carries the sweep table that ipfx's own reader cannot do without."""
        return "general/intracellular_ephys/sweep_table" in self.file

    @property
    def species(self) -> str:
        """``"mouse"``, ``"human"``, or what the file says; empty when it says nothing."""
        found = self.file.get("general/subject/species")
        latin = text(found[()]) if found is not None else ""
        return {v: k for k, v in SPECIES_LATIN.items()}.get(latin, latin)

    @property
    def session_id(self) -> str:
        """Session identifier; empty when the file has none."""
        found = self.file.get("general/session_id")
        return text(found[()]) if found is not None else ""

    @property
    def subject_id(self) -> str:
        """Subject (donor) identifier; empty when the file has none."""
        found = self.file.get("general/subject/subject_id")
        return text(found[()]) if found is not None else ""

    def units(self, sweep_number: int) -> tuple[str, str]:
        """Units written in the file for stimulus and response, before any convention is applied."""
        return tuple(
            text(group[sweep_number]["data"].attrs.get("unit", "")) for group in (self._stimuli, self._responses)
        )

    def sampling_rate(self, sweep_number: int) -> float:
        """Samples per second of one sweep."""
        return float(self._stimuli[sweep_number]["starting_time"].attrs["rate"])

    def n_samples(self, sweep_number: int) -> tuple[int, int]:
        """Lengths of stimulus and response of one sweep."""
        return tuple(group[sweep_number]["data"].shape[0] for group in (self._stimuli, self._responses))

    def get_sweep_data(self, sweep_number: int) -> dict:
        """Stimulus (pA), response (mV), unit and rate (Hz) of a current-clamp sweep; read once, then kept."""
        if sweep_number not in self._sweep_data:
            stimulus, response = self._stimuli[sweep_number]["data"], self._responses[sweep_number]["data"]
            unit = self.get_stimulus_unit(sweep_number)
            EphysNWBData.validate_SI_unit(unit)
            to_stimulus, to_response = (1e12, 1e3) if unit == "Amps" else (1e3, 1e12)
            # Two products, as ipfx's reader takes them: one would differ in the last bit.
            self._sweep_data[sweep_number] = {
                "stimulus": stimulus[:] * float(stimulus.attrs.get("conversion", 1.0)) * to_stimulus,
                "response": response[:] * float(response.attrs.get("conversion", 1.0)) * to_response,
                "stimulus_unit": unit,
                "sampling_rate": self.sampling_rate(sweep_number),
            }
        return self._sweep_data[sweep_number]

    def _number(self, sweep_number: int, name: str) -> float | None:
        """An optional number of the response series."""
        found = self._responses[sweep_number].get(name)
        value = np.nan if found is None else float(found[()])
        return None if np.isnan(value) else value

    def get_sweep_attrs(self, sweep_number: int) -> dict:
        """Amplifier settings of one sweep."""
        return {
            "gain": self._number(sweep_number, "gain"),
            "stimulus_description": self._description(sweep_number),
            "sweep_number": sweep_number,
            "bias_current": self._number(sweep_number, "bias_current"),
            "bridge_balance": self._number(sweep_number, "bridge_balance"),
            "clamp_mode": self.get_clamp_mode(sweep_number),
        }

    def get_sweep_metadata(self, sweep_number: int) -> dict:
        """One row of ipfx's sweep table. The scale factor is the amplifier gain in both flavours."""
        if sweep_number in self._metadata:
            return dict(self._metadata[sweep_number])
        code = self.get_stimulus_code(sweep_number)
        self._metadata[sweep_number] = {
            "sweep_number": sweep_number,
            "stimulus_units": self.get_stimulus_unit(sweep_number),
            "bridge_balance_mohm": self._number(sweep_number, "bridge_balance"),
            "leak_pa": self._number(sweep_number, "bias_current"),
            "stimulus_scale_factor": self._number(sweep_number, "gain"),
            "stimulus_code": code,
            "stimulus_code_ext": code,
            "clamp_mode": self.get_clamp_mode(sweep_number),
            "stimulus_name": self.get_stimulus_name(code),
        }
        return dict(self._metadata[sweep_number])

    def _description(self, sweep_number: int) -> str:
        if sweep_number not in self._codes:
            group = self._responses[sweep_number]
            found = group.attrs.get("stimulus_description")
            if found is None:
                found = group["stimulus_description"][()] if "stimulus_description" in group else ""
            self._codes[sweep_number] = text(found)
        return self._codes[sweep_number]

    def get_stimulus_code(self, sweep_number: int) -> str:
        """Stimulus code without the channel suffix and the counter."""
        return self._description(sweep_number).removesuffix("_DA_0").split("[")[0]

    def get_clamp_mode(self, sweep_number: int) -> str:
        """``"CurrentClamp"`` or ``"VoltageClamp"``."""
        return CURRENT_CLAMP if self._kinds[sweep_number].startswith("Current") else VOLTAGE_CLAMP

    def get_stimulus_unit(self, sweep_number: int) -> str:
        """``"Amps"`` in current clamp, ``"Volts"`` in voltage clamp: NWB fixes the unit by the kind of series."""
        return "Amps" if self.get_clamp_mode(sweep_number) == CURRENT_CLAMP else "Volts"

    def get_full_recording_date(self) -> datetime.datetime:
        """Start of the session."""
        return dateparser.parse(text(self.file["session_start_time"][()]))


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
