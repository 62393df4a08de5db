"""A neuron's transcriptomic subclass from its electrical recording.

Data goes one way: recording or published table → `cohorts` → `models` under an `evaluation` protocol → a score or,
in `classify`, an answer. No room imports one that stands later in that line. What is named here is imported when it
is first used, so that ``import patchtype`` takes no time:

>>> import patchtype
>>> patchtype.load("mouse", "aligned", source="simulated").classes
('Lamp5', 'Pvalb', 'Sncg', 'Sst', 'Vip')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

#: Public name → the module that has it, and its name there.
_PUBLIC = {
    "Cohort": ("patchtype.cohorts", "Cohort"),
    "load": ("patchtype.cohorts", "load"),
}

__all__ = ["Cohort", "load"]

if TYPE_CHECKING:
    from patchtype.cohorts import Cohort, load


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
