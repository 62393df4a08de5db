"""Functions of scipy that every recording needs, equal to rounding, without the packages around them.

To import `scipy.signal`, `scipy.optimize` and `scipy.stats` takes twice as long as to measure a recording. What does
the work in three of these functions is a small compiled module, which is loaded by itself; where scipy keeps it
elsewhere, and for what is not covered here, scipy's own function is called.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

import numpy as np
import scipy

#: Poles of the four-pole analogue Bessel low-pass filter whose phase shift is half of its greatest at 1 rad/s.
BESSEL_POLES = np.array([
    -0.6572111716718827 + 0.830161435004873j, -0.9047587967882447 + 0.27091873300387465j,
    -0.9047587967882447 - 0.27091873300387465j, -0.6572111716718827 - 0.830161435004873j,
])
TOLERANCE = 1.49012e-8  # of a least-squares fit, as scipy has it


def _compiled(name: str) -> ModuleType | None:
    """A compiled module of scipy, such as ``scipy.signal._sigtools``; None where there is none of that name."""
    if name in sys.modules:
        return sys.modules[name]
    _, package, module = name.split(".")
    found = PathFinder.find_spec(module, [str(Path(scipy.__file__).parent / package)])
    if found is None:
        return None
    spec = importlib.util.spec_from_file_location(name, found.origin)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return sys.modules.setdefault(name, loaded)


@lru_cache(maxsize=64)
def bessel(order: int, cutoff: float, kind: str = "low") -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (b, a) of the digital four-pole Bessel low-pass filter; ``cutoff`` as a share of the Nyquist rate.

    >>> b, a = bessel(4, 0.4)
    >>> round(float(b.sum() / a.sum()), 12)
    1.0
    """
    if (order, kind) != (4, "low") or not 0 < cutoff < 1:
        from scipy import signal

        return signal.bessel(order, cutoff, kind)
    warped = 4.0 * np.tan(np.pi * cutoff / 2.0)
    poles = warped * BESSEL_POLES
    gain = warped**4 * np.real(1.0 / np.prod(4.0 - poles))
    return gain * np.poly(-np.ones(4)), np.poly((4.0 + poles) / (4.0 - poles))


def filtfilt(b: np.ndarray, a: np.ndarray, x: np.ndarray, axis: int = -1) -> np.ndarray:
    """A 1-d signal filtered forward and backward, its ends continued point-symmetrically.

    >>> np.allclose(filtfilt(*bessel(4, 0.4), np.full(100, -70.0)), -70)
    True
    """
    tools, edge = _compiled("scipy.signal._sigtools"), 3 * len(a)
    if not hasattr(tools, "_linear_filter") or len(a) != len(b) or a[0] != 1 or x.ndim != 1 or len(x) <= edge:
        from scipy import signal

        return signal.filtfilt(b, a, x, axis=axis)
    longer = np.concatenate((2 * x[:1] - x[edge:0:-1], x, 2 * x[-1:] - x[-2:-edge - 2:-1]))
    companion = np.diag(np.ones(len(a) - 2), -1)
    companion[0] = -a[1:]
    settled = np.linalg.solve(np.eye(len(a) - 1) - companion.T, b[1:] - a[1:] * b[0])
    forward, _ = tools._linear_filter(b, a, longer, 0, settled * longer[:1])
    backward, _ = tools._linear_filter(b, a, forward[::-1], 0, settled * forward[-1:])
    return backward[::-1][edge:-edge]


def find_peaks(x: np.ndarray, height: float, prominence: float, distance: int) -> np.ndarray:
    """Positions of the peaks that are high, stand out and lie apart as much as is asked for.

    >>> find_peaks(np.array([0.0, 2.0, 0.0, 1.0, 0.0, 3.0, 0.0]), 1.5, 1.0, 1).tolist()
    [1, 5]
    """
    tools = _compiled("scipy.signal._peak_finding_utils")
    if not all(hasattr(tools, name) for name in ("_local_maxima_1d", "_select_by_peak_distance", "_peak_prominences")):
        from scipy import signal

        return signal.find_peaks(x, height=height, prominence=prominence, distance=distance)[0]
    x = np.asarray(x, dtype=float, order="C")
    found = tools._local_maxima_1d(x)[0]
    found = found[x[found] >= height]
    found = found[tools._select_by_peak_distance(found, x[found], float(distance))]
    return found[tools._peak_prominences(x, found, -1)[0] >= prominence]


def curve_fit(function: Callable, x: np.ndarray, y: np.ndarray, p0) -> tuple[np.ndarray, None]:
    """Least-squares parameters of a function of ``x`` and them, from the guess ``p0``, and no covariance.

    >>> x = np.arange(10.0)
    >>> curve_fit(lambda x, a, b: a + b * x, x, 1 + 2 * x, (0, 0))[0].round(6).tolist()
    [1.0, 2.0]
    """
    tools = _compiled("scipy.optimize._minpack")
    if hasattr(tools, "_lmdif") and len(p0) <= len(y) and np.isfinite(x).all() and np.isfinite(y).all():
        found, *_, status = tools._lmdif(
            lambda parameters: function(x, *parameters) - y, np.array(p0, dtype=float), (), 1,
            TOLERANCE, TOLERANCE, 0.0, 200 * (len(p0) + 1), np.finfo(float).eps, 100, None)
        if status in (1, 2, 3, 4):
            return found, None
    from scipy import optimize

    return optimize.curve_fit(function, x, y, p0=p0)


def binned_statistic(x: np.ndarray, values: np.ndarray, statistic: str = "mean", bins: np.ndarray = ()
                     ) -> tuple[np.ndarray, np.ndarray]:
    """Mean or sum of the values whose ``x`` lies in each bin, and the edges; a mean of none is NaN.

    >>> binned_statistic(np.array([0.1, 0.2, 2.0]), np.array([1.0, 3.0, 5.0]), bins=np.arange(3.0))[0].tolist()
    [2.0, 5.0]
    """
    decimals = int(-np.log10(np.diff(bins).min())) + 6
    at = np.digitize(x, bins)
    at[(x >= bins[-1]) & (np.around(x, decimals) == np.around(bins[-1], decimals))] -= 1  # the last bin has its end
    sums, counts = (np.bincount(at, weights, len(bins) + 1)[1:-1] for weights in (values, None))
    with np.errstate(invalid="ignore"):
        return (sums if statistic == "sum" else sums / counts), bins
