"""Small cohorts that models can be tested on in a second."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from patchtype import taxonomy
from patchtype.cohorts import Cohort

FAMILIES = {"passive": ["a", "b"], "spike": ["c", "d", "e"]}


def make_cohort(n: int = 240, shift: float = 2.0, seed: int = 0, missing: float = 0.05, per_donor: int = 6) -> Cohort:
    """Cells of four classes whose feature means lie ``shift`` standard deviations apart."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(4, n, p=[0.1, 0.5, 0.25, 0.15])
    centres = shift * np.random.default_rng(99).standard_normal((4, 5))
    x = centres[codes] + rng.standard_normal((n, 5))
    x[rng.random(x.shape) < missing] = np.nan
    index = [f"cell-{i}" for i in range(n)]
    cells = pd.DataFrame({
        "species": "human", "subclass": np.array(taxonomy.HUMAN_SUBCLASSES)[codes],
        "donor": [f"donor-{i // per_donor}" for i in range(n)], "source": "simulated"}, index=index)
    return Cohort.build(cells, pd.DataFrame(x, index=index, columns=list("abcde")), FAMILIES, taxonomy.HUMAN_SUBCLASSES)


@pytest.fixture
def cohort() -> Cohort:
    return make_cohort()
