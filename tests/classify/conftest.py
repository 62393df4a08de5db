"""A recording to classify, and the sweeps that it is made of."""

from functools import cache
from pathlib import Path

import pytest

from patchtype.classify import fitting, nesting
from patchtype.evaluation import archive
from patchtype.recordings import nwb
from tests.recordings.conftest import sweeps

__all__ = ["mouse_file", "sweeps"]  # pytest finds the fixture here


@pytest.fixture(scope="session")
def mouse_file(tmp_path_factory, sweeps):
    """A good mouse recording."""
    return nwb.write(tmp_path_factory.mktemp("own") / "sub-1_ses-2_icephys.nwb", sweeps, species="mouse")


@cache
def kept_predictions(species):
    """The kept nested predictions of a shipped classifier."""
    cohort = fitting.load(species)
    table = archive.load(nesting.KEPT + species, cohort, Path(__file__).parents[2] / "science")
    return table.assign(donor=table["cell"].map(cohort.cells["donor"]))
