"""What tests of every room share."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from bookpress.browser import started
from bookpress.project import BookError

ROOT = Path(__file__).parents[1]
# Subprocesses that tests start import the code under test, wherever the environment's own copy is.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
)
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def chromium():
    """A browser, shared by all tests that look at pages.

    Where there is none they skip with the reason; under continuous integration (CI=true) they fail.
    """
    with ExitStack() as stack:
        try:
            browser = stack.enter_context(started())
        except BookError as error:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
        yield browser
