"""Cells extracted from recordings, real or simulated, as cohorts of the same type as the published ones.

``patchtype extract`` leaves a folder with ``cells.csv`` (identity, verdict and the columns of the published mouse
table, one row a cell), ``features.csv`` (every scalar feature) and ``families_paper.npz`` /
``families_official.npz`` (the twelve vector families). Here they meet their labels.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from patchtype import families, taxonomy
from patchtype.cohorts.cohort import Cohort
from patchtype.cohorts.published import mouse_features
from patchtype.cohorts.registry import DataUnavailable
from patchtype.cohorts.tables import read
from patchtype.recordings.text import from_csv
from patchtype.taxonomy import species_named

#: The two definitions of the vector families; see `patchtype.recordings.extraction`.
VECTOR_SETS = ("paper", "official")
_IDENTITY = ("cell_id", "passed", "explanation", "species", "subject_id")
_CLASSES = {"mouse": taxonomy.MOUSE_SUBCLASSES, "human": taxonomy.HUMAN_SUBCLASSES}


def load(folder: Path, species: str, feature_set: str, source: str) -> Cohort:
    """The cells of one species in a folder made by ``extract``.

    ``feature_set``: "aligned", "mouse" or "human" (scalars, those of the set that the recordings give), "paper" or
    "official" (vector families; cells that have features only are excluded with what the families lack). Labels of
    simulated cells come from ``labels.csv``, which ``simulate`` wrote beside the recordings and ``extract`` carried
    along; those of real cells from the published metadata.
    Cells that quality control refused, or that have no label of the task, are in ``excluded`` with their reason.
    Raises DataUnavailable when the folder is not such a folder, or holds no such cell or family.
    """
    path = Path(folder) / "cells.csv"
    if not path.is_file():
        raise DataUnavailable(
            f"found no {path}, expected a folder made by `patchtype extract`; run it, or name its folder")
    every = from_csv(path)
    absent = [column for column in _IDENTITY if column not in every]
    if absent:
        raise DataUnavailable(f"{path} has no column {absent[0]!r}; make it anew with `patchtype extract`")
    found = every[every["species"].map(species_named) == species].set_index("cell_id")
    if found.empty:
        raise DataUnavailable(f"found no {species} cell among the {len(every):,} of {path}; name another folder")
    labels = _simulated_labels(Path(folder)) if source == "simulated" else _published_labels(species, found)
    cells = pd.DataFrame({
        "species": species, "subclass": labels.reindex(found.index), "donor": f"{species}-" + found["subject_id"],
        "source": source,
    })
    reason = _reason(found, cells["subclass"], _CLASSES[species], feature_set in VECTOR_SETS)
    keep = (reason == "").to_numpy()
    table, members = _features(Path(folder), found, feature_set)
    if feature_set not in ("aligned", *VECTOR_SETS):  # those have the same columns everywhere
        members = _measured(members, table[keep])
    return Cohort.build(cells[keep], table[keep], members, _CLASSES[species], cells[~keep].assign(reason=reason[~keep]))


def _simulated_labels(folder: Path) -> pd.Series:
    path = folder / "labels.csv"
    if not path.is_file():
        raise DataUnavailable(
            f"found no {path}, expected what the simulated cells are; extract a folder that `simulate` made")
    return pd.read_csv(path, index_col="cell_id")["subclass"]


def _published_labels(species: str, found: pd.DataFrame) -> pd.Series:
    """Subclass by recording session: the number after ``ses-`` in a file's name."""
    session = pd.Series(found.index.str.extract(r"ses-(\d+)", expand=False), index=found.index).astype(float)
    if species == "mouse":
        metadata = read("20200711_patchseq_metadata_mouse.csv").set_index("ephys_session_id")
        return session.map(taxonomy.mouse_subclass(metadata["T-type Label"]))
    metadata = read("LeeDalley_manuscript_metadata_v2.csv").dropna(subset="nwb_id").drop_duplicates("nwb_id")
    return session.map(taxonomy.human_subclass(metadata.set_index("nwb_id")["Revised_subclass_label"]))


def _reason(found: pd.DataFrame, subclass: pd.Series, classes: tuple[str, ...], vectors: bool) -> pd.Series:
    """The first reason for which each cell leaves, or an empty string."""
    def first(column: str) -> pd.Series:
        return found[column].astype(object).str.split(" | ", regex=False).str[0]

    other = "subclass " + subclass.astype(object) + " is not one of the task's"
    reason = other.where(~subclass.isin(classes), "").mask(subclass.isna(), "no transcriptomic label")
    if vectors and "no_families" in found:
        reason = reason.where(found["no_families"] == "", first("no_families"))
    return reason.where(found["passed"].astype(bool), first("explanation"))


def _features(folder: Path, found: pd.DataFrame, feature_set: str) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Feature table of all found cells, and its families."""
    if feature_set in VECTOR_SETS:
        return _vectors(folder / f"families_{feature_set}.npz", found.index)
    if (folder / "features.csv").is_file():
        table = from_csv(folder / "features.csv").set_index("cell_id").reindex(found.index)
        members = families.among(families.families(feature_set), table.columns)
        return table[[name for family in members.values() for name in family]], members
    return scalar_table(found, feature_set)


def scalar_table(found: pd.DataFrame, feature_set: str) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Features in the human definition from the scalars of recordings, and their families.

    ``found`` has one row a cell and the columns of `patchtype.recordings.scalars.SCALARS`; ``feature_set`` is "aligned"
    or "mouse", of which the features that recordings give are returned.
    """
    # The published tables come from two extractions; recordings give the columns of both at once.
    joined = found.select_dtypes("number").astype(float)
    joined = joined.assign(**{f"second_{name}": joined[name] for name in families.SECOND_TABLE if name in joined})
    expressions = families.features()["mouse_expression"]
    given = [name for name, how in expressions.dropna().items() if set(re.findall(r"[a-z_]+[a-z]", how)) <= set(joined)]
    members = families.among(families.families(feature_set), given)
    table = mouse_features(joined, [name for family in members.values() for name in family])
    if "width_rheo" in table:  # measured without the filter that the published expression corrects for
        table["width_rheo"] = joined["rheo_width"]
    return table, members


def _measured(members: dict[str, list[str]], table: pd.DataFrame) -> dict[str, list[str]]:
    """The families without features that no cell has."""
    return families.among(members, table.columns[table.notna().any()])


def _vectors(path: Path, cells: pd.Index) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    if not path.is_file():
        raise DataUnavailable(
            f"found no {path.name} in {path.parent}, expected the families of an extraction; choose the paper's, or "
            "run `patchtype simulate` and `extract` and name their folder in HELPERS_SIMULATED")
    blocks, members = [], {}
    with np.load(path, allow_pickle=False) as arrays:
        rows = pd.Index(arrays["cell_id"]).get_indexer(cells)
        for family in families.VECTOR_FAMILIES:
            values = np.where((rows >= 0)[:, None], arrays[family][rows], np.nan)
            members[family] = [f"{family}[{i}]" for i in range(values.shape[1])]
            blocks.append(pd.DataFrame(values, index=cells, columns=members[family]))
    return pd.concat(blocks, axis=1), members
