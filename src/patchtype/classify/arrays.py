"""Models that are plain arrays, kept and read without pickle."""

from __future__ import annotations

from dataclasses import dataclass, fields
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


@dataclass(frozen=True)
class Prepared(Arrays):
    """What the steps of `patchtype.models.table.scaled` learnt, (P,) each: limits ``low`` and ``high``, medians that
    ``fill``, ``mean`` and ``scale``.
    """

    low: np.ndarray
    high: np.ndarray
    fill: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    @staticmethod
    def learnt(winsoriser, imputer, scaler) -> dict[str, np.ndarray]:
        """The fields above by name, from the fitted steps."""
        return {"low": winsoriser.low_, "high": winsoriser.high_, "fill": imputer.statistics_,
                "mean": scaler.mean_, "scale": scaler.scale_}

    def prepared(self, x: np.ndarray) -> np.ndarray:
        """(N, P) winsorised, filled and scaled values of ``x`` (N, P)."""
        x = np.clip(x, self.low, self.high)
        return (np.where(np.isnan(x), self.fill, x) - self.mean) / self.scale
