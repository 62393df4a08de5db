"""Cohorts: cells with features in families, subclass labels and donors, from one of three sources."""

from __future__ import annotations

from helpers.cohorts import published
from helpers.cohorts.cohort import SOURCES, Cohort, FamilySequence
from helpers.cohorts.registry import DataUnavailable, fetch, fingerprint, registry
from helpers.cohorts.tables import TableError

__all__ = [
    "SOURCES", "Cohort", "DataUnavailable", "FamilySequence", "TableError", "fetch", "fingerprint", "load", "registry",
]


def load(species: str, features: str = "aligned", source: str = "published") -> Cohort:
    """The cohort of one species.

    Parameters: ``species``, "mouse" or "human"; ``features``, "aligned" (the 32 features defined alike in
    both species) or the name of the species (all its features); ``source``, one of `SOURCES`.
    Raises ValueError for another word, `DataUnavailable` when the tables cannot be had.

    >>> load("human", "human").table.shape  # doctest: +SKIP
    (679, 93)
    """
    if source not in SOURCES:
        raise ValueError(f"found the source {source!r}, expected one of {SOURCES}")
    if source != "published":
        raise DataUnavailable(f"the {source} cohort is not part of this release; run with cohort = 'published'")
    loaders = {"mouse": published.mouse, "human": published.human}
    if species not in loaders:
        raise ValueError(f"found the species {species!r}, expected one of {tuple(loaders)}")
    if features not in ("aligned", species):
        raise ValueError(f"found the feature set {features!r} for {species}, expected 'aligned' or {species!r}")
    return loaders[species](features)
