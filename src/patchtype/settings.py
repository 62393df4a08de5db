"""What the environment may say, in one place: every variable that the library reads, and the folders that follow."""

from __future__ import annotations

import os
from pathlib import Path

#: Where a run leaves what it made; the build sets it, a notebook opened by hand finds the repository's ``_build``.
BUILD = "HELPERS_BUILD"
#: Folder of the kept experiments; by default ``science`` beside the notebooks.
SCIENCE = "HELPERS_SCIENCE"
#: Folder that holds the public tables; without it they are fetched.
DATA = "HELPERS_DATA"
#: Folder of earlier downloads; by default the user's cache folder.
CACHE = "HELPERS_CACHE"
#: The cohort of the book: published, dandi or simulated; by default published.
COHORT = "HELPERS_COHORT"
#: Folder of cells that ``patchtype extract`` made of real recordings.
DANDI = "HELPERS_DANDI"
#: Folder of cells that ``patchtype extract`` made of simulated recordings; by default the package's own cells.
SIMULATED = "HELPERS_SIMULATED"
#: A filled cache of allensdk's ``CellTypesCache``: its manifest, or the folder that holds it.
CELL_TYPES = "HELPERS_CELL_TYPES"

#: All of them: who runs code that uses the library in an environment of its own hands these on.
VARIABLES = (BUILD, SCIENCE, DATA, CACHE, COHORT, DANDI, SIMULATED, CELL_TYPES)


def named(variable: str) -> Path | None:
    """The path that an environment variable names; None where it says nothing."""
    return Path(os.environ[variable]) if os.environ.get(variable) else None


def named_folder(variable: str, name: str) -> Path:
    """The folder that an environment variable names, or ``name`` beside the ``notebooks`` folder."""
    here = Path.cwd()
    return named(variable) or (here.parent if here.name == "notebooks" else here) / name


def build_folder() -> Path:
    """The folder of everything that is made: that of `BUILD`, or ``_build`` beside the ``notebooks`` folder."""
    return named_folder(BUILD, "_build")


def environment() -> dict[str, str]:
    """Variable → value for code that uses the library in another place: what is set here, and folders that are there.

    Folders are absolute. `BUILD` is not among them: it is that of the other place.
    """
    import pooch

    found = {variable: named(variable) for variable in (DATA, DANDI, SIMULATED, CELL_TYPES)}
    found |= {CACHE: named(CACHE) or pooch.os_cache("interneuron-book"), SCIENCE: science_folder()}
    folders = {variable: str(path.resolve()) for variable, path in found.items() if path and path.exists()}
    return folders | ({COHORT: os.environ[COHORT]} if os.environ.get(COHORT) else {})


def science_folder() -> Path:
    """The folder of kept experiments: that of `SCIENCE`, ``science`` beside the ``notebooks`` folder, or the package's.

    In the repository ``science`` is a folder of its own; a wheel takes it along as ``patchtype/science``.
    """
    folder, packed = named_folder(SCIENCE, "science"), Path(__file__).with_name("science")
    return packed if not folder.is_dir() and packed.is_dir() else folder
