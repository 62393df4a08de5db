"""The final donors: set aside by a rule that looks at nothing but the donor's name.

Whoever tries many models on the same folds ends up a little too confident, however honest each fold is. So a
fifth of the donors of each species takes no part in any trial of the better model. It is chosen on the others, the
*development* donors; the final donors score what was chosen, and choose nothing.
"""

from __future__ import annotations

import hashlib

import numpy as np

from patchtype.cohorts import Cohort

#: Share of donors that the rule sets aside, on average.
FINAL_SHARE = 0.2


def is_final(donor: str) -> bool:
    """Whether a donor is a final one: the sha256 of its name, read as a share of all hashes, is below a fifth.

    >>> [is_final(f"mouse-{i}") for i in range(4)]
    [False, False, True, False]
    """
    return int(hashlib.sha256(donor.encode()).hexdigest()[:8], 16) / 2**32 < FINAL_SHARE


def split(cohort: Cohort) -> tuple[Cohort, Cohort]:
    """The cells of development donors and those of final donors; no donor is in both."""
    final = np.array([is_final(donor) for donor in cohort.donors], dtype=bool)
    return cohort.take(~final), cohort.take(final)
