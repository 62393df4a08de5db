"""Recordings to classify: one of this project's own making, one as another laboratory writes it."""

import logging
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "recordings"))  # for `import analytic`

import analytic  # noqa: E402

from helpers.recordings import nwb  # noqa: E402

logging.getLogger().setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="hdmf|pynwb|ipfx")


@pytest.fixture(scope="session")
def sweeps():
    """The sweeps of one analytic cell that fires regularly."""
    return analytic.cell()


@pytest.fixture(scope="session")
def mouse_file(tmp_path_factory, sweeps):
    """A good mouse recording."""
    return nwb.write(tmp_path_factory.mktemp("own") / "sub-1_ses-2_icephys.nwb", sweeps, species="mouse")
