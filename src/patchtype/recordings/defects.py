"""What goes wrong with recordings, put in on purpose. Each defect is named by the quality reason it must give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import h5py
import numpy as np

from patchtype.recordings.nwb import RawSweep

Sweeps = list[RawSweep]


def _is_long(sweep: RawSweep) -> bool:
    return "PS_" in sweep.code or "LP_" in sweep.code


def _fires(sweep: RawSweep) -> bool:
    return bool(sweep.v_mv.max() > -10)


def _changed(sweeps: Sweeps, v: Callable = lambda v: v, i: Callable = lambda i: i) -> Sweeps:
    return [RawSweep(s.code, i(s.i_pa), v(s.v_mv)) for s in sweeps]


def _amplitude(sweep: RawSweep) -> float:
    """Command (pA) in the middle of a long square."""
    return float(sweep.i_pa[len(sweep.i_pa) // 2])


def _hole(sweeps: Sweeps, rng: np.random.Generator) -> Sweeps:
    first = next((k for k, s in enumerate(sweeps) if _is_long(s) and _fires(s)), 0)
    v = sweeps[first].v_mv.copy()
    v[40_000:40_010] = np.nan
    return [*sweeps[:first], RawSweep(sweeps[first].code, sweeps[first].i_pa, v), *sweeps[first + 1:]]


def _without_test_pulse(i: np.ndarray) -> np.ndarray:
    i = i.copy()
    i[:5000] = 0
    return i


def _cut(sweep: RawSweep, samples: int) -> RawSweep:
    return RawSweep(sweep.code, sweep.i_pa[:samples], sweep.v_mv[:samples]) if _is_long(sweep) else sweep


#: Reason → function (sweeps, rng) → sweeps.
OF_SWEEPS = MappingProxyType({
    "noise_high": lambda s, rng: _changed(s, v=lambda v: v + rng.normal(0, 0.3, len(v))),
    "nan_hole": _hole,
    "no_short_squares": lambda s, rng: [x for x in s if "SP_" not in x.code],
    "voltage_out_of_range": lambda s, rng: _changed(s, v=lambda v: v * 1e3),
    "current_out_of_range": lambda s, rng: _changed(s, i=lambda i: i * 1e3),
    "no_spikes": lambda s, rng: [x for x in s if not _is_long(x) or not _fires(x)],
    "step_extrapolated": lambda s, rng: [x for x in s if not _is_long(x) or _amplitude(x) >= -10],
    "ends_after_step": lambda s, rng: [_cut(x, 90_000) for x in s],
    "no_test_pulse": lambda s, rng: _changed(s, i=_without_test_pulse),
    "stimulus_noisy": lambda s, rng: _changed(s, i=lambda i: i + rng.normal(0, 0.1, len(i))),
    "no_long_squares": lambda s, rng: [x for x in s if not _is_long(x)],
    "no_hyperpolarizing_step": lambda s, rng: [x for x in s if not _is_long(x) or _amplitude(x) > 0],
    "rest_out_of_range": lambda s, rng: _changed(s, v=lambda v: v + 60),
    "stimulus_codes_unknown": lambda s, rng: [RawSweep("Unheard_DA_0", x.i_pa, x.v_mv) for x in s],
    "no_sweeps": lambda s, rng: [],
})


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _no_version(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file.attrs["nwb_version"]


def _unit(path: Path) -> None:
    with h5py.File(path, "a") as file:
        for series in file["acquisition"].values():
            series["data"].attrs["unit"] = "mV"


#: Reason → function that damages a written file.
OF_FILES = MappingProxyType({
    "file_truncated": _truncate,
    "nwb_version_missing": _no_version,
    "unit_unexpected": _unit,
    "not_hdf5": lambda path: path.write_text("<html><h1>503 Service Unavailable</h1></html>"),
})
ALL = (*OF_SWEEPS, *OF_FILES)
