"""A neuron's transcriptomic subclass from its electrical recording.

Data goes one way: recording or published table → `cohorts` → `models` under an `evaluation` protocol → a score or,
in `classify`, an answer. No room imports one that stands later in that line. What a user needs first is named here:

- ``extract(path)``: features of one recording, each with a value or a reason, and a verdict
- ``classify(path)``: the subclass of a recorded cell with its doubts, or why there is none
- ``load(species, features, source)``: a `Cohort`, cells with features, labels and donors
- ``simulate(n, folder)``: recordings of model neurons (needs the extra ``simulate``)

Each is imported when it is first used, so that ``import patchtype`` takes no time.

>>> import patchtype
>>> patchtype.load("mouse", source="simulated").source
'simulated'
>>> patchtype.classify("nowhere.nwb").refusal.code
'file_missing'
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"
__all__ = ["Cohort", "classify", "extract", "load", "simulate"]

#: Public name → the module that has it; `classify` is a module itself, which can be called.
_HOMES = {
    "Cohort": "patchtype.cohorts",
    "extract": "patchtype.recordings.cell",
    "load": "patchtype.cohorts",
    "simulate": "patchtype.simulation.cell",
}


def __getattr__(name: str):
    if name == "classify":
        return importlib.import_module("patchtype.classify")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
