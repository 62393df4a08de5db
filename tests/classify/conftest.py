"""A recording to classify, and the sweeps that it is made of."""

import pytest

from patchtype.recordings import nwb
from tests.recordings.conftest import sweeps

__all__ = ["mouse_file", "sweeps"]  # pytest finds the fixture here


@pytest.fixture(scope="session")
def mouse_file(tmp_path_factory, sweeps):
    """A good mouse recording."""
    return nwb.write(tmp_path_factory.mktemp("own") / "sub-1_ses-2_icephys.nwb", sweeps, species="mouse")
