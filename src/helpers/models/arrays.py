"""Models that are plain arrays, kept and read without pickle."""

from __future__ import annotations

from dataclasses import fields
from typing import Self

import numpy as np


class Arrays:
    """A dataclass whose fields are all arrays; they go to a file of safetensors, each under a name of its own.

    >>> @dataclass
    ... class Line(Arrays):
    ...     slope: np.ndarray
    >>> Line.from_arrays(Line(np.ones(2)).arrays("line."), "line.").slope.tolist()
    [1.0, 1.0]
    """

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Every array under ``prefix`` + its name."""
        return {f"{prefix}{f.name}": getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays, prefix: str) -> Self:
        """What `arrays` gave. KeyError for an array that is not there."""
        return cls(**{f.name: arrays[f"{prefix}{f.name}"] for f in fields(cls)})
