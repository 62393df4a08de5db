"""What the environment may say: where a run leaves what it makes, and where it finds what others made."""

from __future__ import annotations

import os
from pathlib import Path

#: Where a run leaves what it made; the build sets it, a notebook opened by hand finds the repository's.
BUILD_FOLDER = "HELPERS_BUILD"


def named_folder(variable: str, name: str) -> Path:
    """The folder that an environment variable names, or ``name`` beside the ``notebooks`` folder."""
    if os.environ.get(variable):
        return Path(os.environ[variable])
    here = Path.cwd()
    return (here.parent if here.name == "notebooks" else here) / name


def build_folder() -> Path:
    """The folder of everything that is made: ``HELPERS_BUILD``, or ``_build`` beside the ``notebooks`` folder."""
    return named_folder(BUILD_FOLDER, "_build")
