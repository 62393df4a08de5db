"""The analytic cell of the recordings' tests, which defects are put into."""

from tests.recordings.conftest import sweeps

__all__ = ["sweeps"]  # pytest finds the fixture here
