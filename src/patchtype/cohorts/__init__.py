"""Cohorts: cells with features in families, subclass labels and donors, from one of three sources."""

from __future__ import annotations

from pathlib import Path

from patchtype import settings
from patchtype.cohorts import extracted, published
from patchtype.cohorts.cohort import SOURCES, Cohort, FamilySequence
from patchtype.cohorts.registry import DataAbsent, DataUnavailable, fetch, fingerprint, public_files
from patchtype.cohorts.tables import SCHEMAS, TableError

#: The simulated cells that come with the package; ``patchtype embed`` made them.
EMBEDDED = Path(__file__).parent / "simulated"

__all__ = [
    "EMBEDDED", "SOURCES", "Cohort", "DataAbsent", "DataUnavailable", "FamilySequence", "TableError", "described",
    "fetch", "fingerprint", "load", "public_files",
]


def load(species: str, features: str = "aligned", source: str = "published") -> Cohort:
    """The cohort of one species.

    Parameters: ``species``, "mouse" or "human"; ``features``, "aligned" (the 32 features defined alike in
    both species), the name of the species (all its features) or, of extracted cells, "paper" or "official"
    (the twelve vector families); ``source``, one of `SOURCES`. Simulated cells are those of the folder
    ``HELPERS_SIMULATED``, or else those of the package, which have no "official" families.
    Raises ValueError for another word, `DataUnavailable` when the tables cannot be had.

    >>> load("human", "human").table.shape  # doctest: +SKIP
    (679, 93)
    """
    if source not in SOURCES:
        raise ValueError(f"found the source {source!r}, expected one of {SOURCES}")
    loaders = {"mouse": published.mouse, "human": published.human}
    if species not in loaders:
        raise ValueError(f"found the species {species!r}, expected one of {tuple(loaders)}")
    sets = ("aligned", species) if source == "published" else ("aligned", species, *extracted.VECTOR_SETS)
    if features not in sets:
        raise ValueError(f"found the feature set {features!r} for {species}, {source}; expected one of {sets}")
    if source == "published":
        return loaders[species](features)
    # Recordings give the scalars of the mouse table, whatever the species.
    return extracted.load(_folder(source), species, "mouse" if features == species else features, source)


def described(source: str) -> str:
    """What a chapter reads when it runs on a source, in a sentence for its head.

    >>> described("published").startswith("published feature tables of real cells, ")
    True
    """
    if source != "published":
        kind = {"dandi": "real cells, extracted from raw recordings", "simulated": "simulated cells, no real neurons"}
        return kind[source]
    megabytes = sum(row.bytes for row in public_files().values() if row.name in SCHEMAS) / 1e6
    return f"published feature tables of real cells, {megabytes:.0f} MB, fetched once for all chapters"


def _folder(source: str) -> Path:
    """Where the extracted cells of a source lie: a folder that the environment names, or the package's own."""
    variable = {"dandi": settings.DANDI, "simulated": settings.SIMULATED}[source]
    folder = settings.named(variable) or (EMBEDDED if source == "simulated" else None)
    if folder is None:
        raise DataUnavailable(
            f"{variable} is not set, expected the folder that `patchtype extract` made; set it, "
            "or run with cohort = 'published'"
        )
    return folder
