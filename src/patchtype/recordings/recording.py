"""A recording: the current-clamp sweeps of one cell, whatever kind of file they came from.

Readers (`nwb`, `abf`, …) make recordings; what follows them (`protocols`, `scalars`, `quality`) knows no file format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np

#: Why a file or a sweep cannot be read: code → why that matters. `quality` makes a rule of each.
REASONS = MappingProxyType({
    "file_missing": "A path that leads nowhere is a mistake of the list, not of the cell.",
    "file_unreadable": "What is no regular file, or may not be opened, cannot be judged.",
    "file_locked": "A file that another program is writing is not finished.",
    "medium_failed": "A disk or network share that fails says nothing about the file.",
    "not_hdf5": "NWB 2 files are HDF5; a saved error page is the usual impostor.",
    "format_unknown": "Other formats have to be converted first.",
    "file_truncated": "A download that stopped early opens, if at all, without its end.",
    "data_corrupt": "A damaged chunk shows only when it is read.",
    "filter_missing": "Samples may be compressed in a way that only a plugin undoes.",
    "too_large": "A small file can declare more samples than the memory holds.",
    "too_slow": "One cell must not keep all others waiting.",
    "outside_file": "A recording must not read other files of the machine.",
    "nwb_version_missing": "Without a version nobody knows where the sweeps are.",
    "nwb_version_old": "NWB 1 keeps its sweeps elsewhere.",
    "no_sweeps": "An aborted session leaves a file without sweeps.",
    "voltage_clamp_only": "Spikes and membrane features need the voltage free to move.",
    "electrode_unknown": "Several electrodes are several cells; one has to be named rightly.",
    "sweep_numbers_missing": "A response has to be paired with its command.",
    "sweep_number_twice": "Two responses with one number cannot be paired.",
    "stimulus_missing": "A response without its command cannot be analysed.",
    "stimulus_unknown": "Where a file does not say what was commanded, no amplitude is known.",
    "unit_unexpected": "What the numbers are has to be known, or every feature is wrong.",
    "rate_missing": "Without a sampling rate there is no time.",
    "clocks_disagree": "Command and response are compared sample by sample.",
    "length_mismatch": "Command and response are compared sample by sample.",
    "samples_unexpected": "A sweep is one row of numbers.",
    "download_failed": "A file that cannot be fetched says nothing about the cell; run again.",
    "download_damaged": "Size or checksum differ from what the archive states; run again.",
})
#: Reasons that say nothing about the cell: such a verdict is not kept, the next run tries again.
TRANSIENT = frozenset({
    "file_unreadable", "file_locked", "medium_failed", "filter_missing", "too_slow", "download_failed",
    "download_damaged", "worker_lost",
})


class RecordingError(Exception):
    """A recording that cannot be used.

    ``code`` is the short name of the reason, see `quality.RULES`; ``about`` what the file says of the cell all the
    same, as `Recording.about`.
    """

    def __init__(self, code: str, text: str, about: dict | None = None):
        super().__init__(text)
        self.code, self.about = code, about or {}

    def __reduce__(self):
        return type(self), (self.code, str(self), self.about)


@dataclass
class Sweep:
    """One current-clamp sweep: membrane potential and the command that was given meanwhile.

    Parameters
    ----------
    number : the file's own number of the sweep, or its position in the file, from 0
    where : where in the file it lies, for messages: ``"acquisition/data_00003_AD0"``, ``"sweep 3, channel 0"``
    rate : samples per second (Hz)
    samples : number of samples that the file declares; the arrays are shorter where the command ends early
    load : gives ``(v_mv, i_pa)``, membrane potential (mV) and command (pA), 1-d float arrays of equal length;
        called once, when one of the two is first asked for
    stimulus_name : what the file calls the stimulus; empty when it says nothing

    >>> sweep = Sweep(0, "sweep 0", 20_000.0, 3, lambda: (np.full(3, -70.0), np.zeros(3)))
    >>> sweep.v_mv.tolist(), sweep.i_pa.tolist()
    ([-70.0, -70.0, -70.0], [0.0, 0.0, 0.0])
    """

    number: int
    where: str
    rate: float
    samples: int
    load: Callable[[], tuple[np.ndarray, np.ndarray]] = field(repr=False)
    stimulus_name: str = ""
    bias_current_pa: float | None = None
    bridge_balance_mohm: float | None = None

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return self.load()

    def load_once(self) -> None:
        """Read the arrays unless they have been read."""
        _ = self._arrays

    @property
    def v_mv(self) -> np.ndarray:
        """Membrane potential (mV), (samples,)."""
        return self._arrays[0]

    @property
    def i_pa(self) -> np.ndarray:
        """Command current (pA), (samples,), with any holding level that the file gives."""
        return self._arrays[1]


@dataclass
class Recording:
    """The current-clamp sweeps of one cell.

    Parameters
    ----------
    cell_id : name of the file without its ending, followed by ``_`` and the electrode where a file has several
    sweeps : in the order of recording; those that could not be used are in ``set_aside``
    electrode : name of the electrode or channel
    format : ``"NWB 2"``, ``"ABF 2"``, …
    species : ``"mouse"``, ``"human"``, what else the file says in plain text, or empty
    simulated : whether the file says that its cell is a model
    set_aside : where → why, a sentence, for every sweep that was left out while reading
    notes : sentences on what a reader did that changes how the numbers are understood
    """

    cell_id: str
    sweeps: list[Sweep]
    electrode: str = ""
    format: str = ""
    species: str = ""
    subject_id: str = ""
    session_id: str = ""
    simulated: bool = False
    set_aside: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def about(self) -> dict:
        """What the file says of the cell and of itself: species, subject, session, format, and whether simulated."""
        return {name: getattr(self, name) for name in ("species", "subject_id", "session_id", "format", "simulated")}

    def read(self) -> Recording:
        """Read every sweep; one that cannot be read is set aside with its reason.

        Raises `RecordingError` when none is left, or for a reason that lies in the machine and not in the sweep.
        """
        kept, first = [], None
        for sweep in self.sweeps:
            try:
                sweep.load_once()
            except RecordingError as error:
                if error.code in TRANSIENT - {"filter_missing"}:
                    raise
                first = first or error
                self.set_aside[sweep.where] = str(error)
            else:
                kept.append(sweep)
        self.sweeps = kept
        if first and not kept:
            raise first
        return self

    def left_out(self) -> list[str]:
        """What was set aside, one sentence a reason.

        >>> Recording("cell", [], set_aside={"sweep 1": "it is in voltage clamp", "sweep 2": "it is in voltage clamp"}
        ...           ).left_out()
        ['set aside 2 sweeps (sweep 1, sweep 2): it is in voltage clamp']
        """
        reasons: dict[str, list[str]] = {}
        for where, why in self.set_aside.items():
            reasons.setdefault(why, []).append(where)
        return [
            f"set aside {len(places)} sweep{'s' * (len(places) > 1)} ({', '.join(places[:3])}"
            f"{', …' * (len(places) > 3)}): {why}" for why, places in reasons.items()
        ]
