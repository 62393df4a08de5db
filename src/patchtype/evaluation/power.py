"""How small a gain a resampled comparison can see, and with what chance it sees a given one.

The corrected resampled t-test of Nadeau & Bengio (2003) divides the mean of J per-fold differences by
``s sqrt(1/J + n_test/n_train)``. Where the differences are as correlated as that test assumes, the quotient of
a true gain follows a noncentral t distribution with J - 1 degrees of freedom. More repeats raise J, but the
second term stays: only more cells lower it, through s.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats


def standard_error(differences, test_to_train: float, cells: float = 1.0) -> float:
    """Corrected standard error of the mean of per-fold differences.

    ``cells``: how many times as many cells as were measured on. The variance of a fold's difference falls
    with the cells it is measured on, and is taken as inversely proportional to them; that training on
    more cells may also change the gain itself is not modelled.
    ValueError for fewer than two differences, or fewer than no cells.
    """
    values = np.asarray(differences, float)
    if values.size < 2:
        raise ValueError(f"found {values.size} differences, expected at least two; run more folds")
    if cells <= 0:
        raise ValueError(f"found cells={cells}, expected a positive multiple of the cells measured on")
    return float(np.sqrt(values.var(ddof=1) / cells * (1 / values.size + test_to_train)))


def power(gain: float, error: float, n_folds: int, level: float = 0.05) -> float:
    """Chance that a true ``gain`` with standard error ``error`` gives p below ``level``, two-sided.

    >>> round(power(0.0, 0.02, 20), 3)
    0.05
    """
    degrees = n_folds - 1
    limit = stats.t.ppf(1 - level / 2, degrees)
    if error == 0:
        return float(gain != 0)
    size = abs(gain) / error
    # Far out, scipy gives NaN for the chance of the wrong sign, which is then below the smallest number.
    return float(stats.nct.sf(limit, degrees, size) + np.nan_to_num(stats.nct.cdf(-limit, degrees, size)))


def smallest_gain(differences, test_to_train: float, cells: float = 1.0, chance: float = 0.8,
                  level: float = 0.05) -> float:
    """The smallest true gain that the corrected test finds with a given chance, in units of the differences.

    Parameters: ``differences`` (J,) per-fold differences of two models; ``test_to_train``, test cells per
    training cell; ``cells``, see `standard_error`; ``chance``, the power asked for.

    >>> round(smallest_gain([0.01, -0.03, 0.02, 0.04, -0.01], 0.25), 3)
    0.068
    """
    if not level < chance < 1:
        raise ValueError(f"found chance={chance}, expected a power between the level {level} and 1")
    error = standard_error(differences, test_to_train, cells)
    n = len(differences)
    if error == 0:
        return 0.0
    # In units of the error. The power is the level at zero and nearly one at ten times the test's limit.
    most = 10 * stats.t.ppf(1 - level / 2, n - 1)
    return error * float(optimize.brentq(lambda size: power(size, 1.0, n, level) - chance, 0, most))


def cells_needed(gain: float, smallest: float, cells: float = 1.0) -> float:
    """Cells with which the test finds ``gain``, if ``smallest`` is the `smallest_gain` that it finds with ``cells``.

    With the default ``cells``, how many times as many; below 1 is enough already. ValueError for no positive gain.

    >>> cells_needed(0.01, smallest=0.02, cells=500)
    2000.0
    """
    if gain <= 0:
        raise ValueError(f"found gain={gain}, expected a positive gain")
    return cells * (smallest / gain) ** 2
