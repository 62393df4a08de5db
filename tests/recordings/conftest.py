"""Recordings with known answers, written once per session."""

import logging
import warnings

import pytest

from patchtype.recordings import nwb

from . import analytic

logging.getLogger().setLevel(logging.ERROR)  # ipfx logs at length
warnings.filterwarnings("ignore", module="hdmf|pynwb|ipfx")


@pytest.fixture(scope="session")
def sweeps():
    """The sweeps of one good analytic cell."""
    return analytic.cell()


@pytest.fixture(scope="session")
def plain_file(tmp_path_factory, sweeps):
    """The good cell in a plain NWB 2 file."""
    return nwb.write(tmp_path_factory.mktemp("nwb") / "sub-1_ses-2_icephys.nwb", sweeps, session_id="2", subject_id="1")


@pytest.fixture(scope="session")
def mies_file(tmp_path_factory, sweeps):
    """The good cell as MIES writes it, with a voltage-clamp sweep before it."""
    first = nwb.RawSweep("EXTPINBATH_DA_0", sweeps[0].v_mv * 0, sweeps[0].i_pa, nwb.VOLTAGE_CLAMP)
    return nwb.write(tmp_path_factory.mktemp("nwb") / "mies.nwb", [first, *sweeps], mies=True)


@pytest.fixture(params=["plain", "mies"])
def either_file(request):
    """The good cell in either flavour."""
    return request.getfixturevalue(f"{request.param}_file")


@pytest.fixture
def written(tmp_path):
    """Write sweeps to a file of this test and return its path."""
    def write(sweeps, **kwargs):
        return nwb.write(tmp_path / "cell.nwb", sweeps, **{"compression": 1, **kwargs})
    return write
