"""A recording: the current-clamp sweeps of one cell, whatever kind of file they came from.

Readers (`nwb`, `abf`, …) make recordings; what follows them (`protocols`, `scalars`, `quality`) knows no file format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np


class RecordingError(Exception):
    """A recording that cannot be used. ``code`` is the short name of the reason, see `quality.RULES`."""

    def __init__(self, code: str, text: str):
        super().__init__(text)
        self.code = code

    def __reduce__(self):
        return type(self), (self.code, str(self))


@dataclass
class Sweep:
    """One current-clamp sweep: membrane potential and the command that was given meanwhile.

    Parameters
    ----------
    number : the file's own number of the sweep, or its position in the file, from 0
    where : where in the file it lies, for messages: ``"acquisition/data_00003_AD0"``, ``"sweep 3, channel 0"``
    rate : samples per second (Hz)
    samples : number of samples
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
