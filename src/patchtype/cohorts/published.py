"""Real cells from the public feature tables, as cohorts.

Mouse: Gouwens et al. 2020 (DANDI 000020), features of two independent IPFX extractions of the same files.
Human: Lee & Dalley et al. 2023 (DANDI 000636), features published with the paper.
The human table's definitions are the common ground; ``mouse_expression`` in ``features.csv`` says how each
is computed from the mouse columns. A test holds the result against mouse cells that a third table gives in
the human schema.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from patchtype import families, taxonomy
from patchtype.cohorts.cohort import Cohort
from patchtype.cohorts.tables import computed, read

ANALYSED = "analysed"


def mouse(feature_set: str = "mouse") -> Cohort:
    """Mouse cells of the five subclasses, with the features of one set ("aligned" or "mouse").

    ``cells`` adds: ``t_type``, ``met_type``, ``area``, ``layer``, ``sex``, ``age_days``, ``genotype``, ``seal_gohm``,
    ``access_ratio`` (initial access over input resistance) and the specimen id.
    ``excluded`` keeps every cell of the public table that is not analysed, with its reason.
    """
    joined = _mouse_joined()
    cells = pd.DataFrame({
        "species": "mouse",
        "subclass": taxonomy.mouse_subclass(joined["T-type Label"]),
        "donor": "mouse-" + joined["donor_id"].astype(str),
        "source": "published",
        "specimen_id": joined["cell_specimen_id"],
        "t_type": joined["T-type Label"],
        "met_type": joined["MET-type Label"],
        "area": joined["structure"].str.extract(r"^([A-Za-z]+)", expand=False),
        "layer": joined["structure"].str.extract(r"(\d.*)$", expand=False),
        "sex": joined["biological_sex"],
        "age_days": _age_days(joined["age"]),
        "genotype": joined["full_genotype"],
        "seal_gohm": joined["second_qc_seal_gohm"],
        "access_ratio": joined["second_qc_input_access_resistance_ratio"],
    })
    members = families.families(feature_set)
    names = [feature for family in members.values() for feature in family]
    table = mouse_features(joined, names)
    reason = _reason(cells, joined["vrest"].notna(), taxonomy.MOUSE_SUBCLASSES)
    return _split(cells, table, members, taxonomy.MOUSE_SUBCLASSES, reason)


def human(feature_set: str = "human") -> Cohort:
    """Human cells of the four subclasses, with the features of one set ("aligned" or "human").

    ``cells`` adds: ``t_type``, ``original_subclass`` (before the revision), ``area``, ``lobe``, ``layer``,
    ``condition`` (acute or culture), ``days_in_culture``, ``marker_sum``, the specimen id, and of the donor ``sex``,
    ``age_years`` and ``disease``.
    ``excluded`` keeps the others.
    """
    metadata = read("LeeDalley_manuscript_metadata.csv").set_index("specimen_id", drop=False)
    ephys = read("LeeDalley_ephys_fx.csv").set_index("specimen_id")
    donors = read("DataS1_Donor_table.csv").set_index("Donor").reindex(metadata["Donor"].str.upper())
    cells = pd.DataFrame({
        "species": "human",
        "subclass": taxonomy.human_subclass(metadata["Revised_subclass_label"]),
        # One donor is written h19.03.002.
        "donor": "human-" + metadata["Donor"].str.upper(),
        "source": "published",
        "specimen_id": metadata["specimen_id"],
        "t_type": metadata["Transcriptomic_type "].str.strip(),
        "original_subclass": taxonomy.human_subclass(metadata["subclass_label"]),
        "area": metadata["structure"],
        "lobe": metadata["lobe"],
        "layer": metadata["Cortical_layer"],
        "condition": metadata["condition"],
        "days_in_culture": metadata["Days_In_culture"],
        "marker_sum": metadata["marker_sum_norm_label"],
        "sex": donors["Sex"].to_numpy(),
        "age_years": donors["Age"].str.extract(r"(\d+)", expand=False).astype(float).to_numpy(),
        "disease": donors["disease category"].to_numpy(),
    })
    table = ephys.reindex(metadata.index)
    reason = _reason(cells, table["v_baseline"].notna(), taxonomy.HUMAN_SUBCLASSES)
    reason[~metadata.index.isin(ephys.index)] = "no electrophysiology in the feature table"
    index = "human-" + metadata["specimen_id"].astype(str)
    cells, table, reason = (part.set_axis(index, axis=0) for part in (cells, table, reason))
    return _split(cells, table, families.families(feature_set), taxonomy.HUMAN_SUBCLASSES, reason)


def mouse_features(joined: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Features in the human definition and unit, from the columns of the mouse tables.

    ``joined`` holds the columns of the first table as they are and those of the second with the prefix
    ``second_``. A division by zero gives a missing value, never an infinite one.

    >>> mouse_features(pd.DataFrame({"tau": [20.0]}), ["tau"])["tau"].tolist()
    [0.02]
    """
    expressions = families.features()["mouse_expression"]
    table = pd.DataFrame({name: computed(expressions[name], joined) for name in names}, index=joined.index)
    return table.replace([np.inf, -np.inf], np.nan)


def _mouse_joined() -> pd.DataFrame:
    """The three mouse tables, one row a cell, indexed by cell id; 1:1 joins or an error."""
    ephys = read("mouse_efeature.csv")
    session = ephys["ID"].str.extract(r"ses-(\d+)", expand=False).astype(int)
    second = read("ephys_features_gouwens_w_QC.csv").add_prefix("second_")
    joined = (
        ephys.assign(ephys_session_id=session)
        .merge(read("20200711_patchseq_metadata_mouse.csv"), on="ephys_session_id", how="left", validate="1:1")
        .merge(second, left_on="ID", right_on="second_filename", how="left", validate="1:1")
    )
    return joined.set_index("mouse-" + joined["ephys_session_id"].astype(str))


def _age_days(age: pd.Series) -> pd.Series:
    """Days from the two ways the table writes an age: P55, and 9 wks."""
    count = age.str.extract(r"(\d+)", expand=False).astype(float)
    return count.where(~age.str.endswith("wks", na=False), 7 * count)


def _reason(cells: pd.DataFrame, has_long_squares: pd.Series, classes: tuple[str, ...]) -> pd.Series:
    """Why each cell leaves, or "analysed". The first reason that holds is the one given."""
    unlabelled = cells["subclass"].isna()
    other = ~cells["subclass"].isin(classes)
    reason = pd.Series(ANALYSED, index=cells.index, dtype=object)
    reason[~has_long_squares.to_numpy()] = "no long-square features"
    reason[other] = "subclass " + cells["subclass"].astype(object) + " is not one of the task's"
    reason[unlabelled] = "no transcriptomic label"
    return reason


def _split(cells, table, members, classes, reason) -> Cohort:
    keep = (reason == ANALYSED).to_numpy()
    excluded = cells.loc[~keep].assign(reason=reason[~keep])
    return Cohort.build(cells[keep], table[keep], members, classes, excluded)


def alignment_check() -> pd.DataFrame:
    """How well aligned mouse features agree with a table that gives the same cells in the human definition.

    One row per feature that both have: ``cells`` (shared and measured in both), ``rank_correlation``,
    ``median_ratio`` of the two medians, and ``within_1_percent``.
    """
    ours = mouse("aligned")
    ours = ours.table.set_axis(ours.cells["specimen_id"], axis=0)
    theirs = read("aibs_mouse_features_E.csv").set_index("cell_name")
    shared = ours.index.intersection(theirs.index)
    rows = {}
    for feature in ours.columns.intersection(theirs.columns):
        pair = pd.DataFrame({"ours": ours.loc[shared, feature], "theirs": theirs.loc[shared, feature]}).dropna()
        rows[feature] = {
            "cells": len(pair),
            "rank_correlation": pair["ours"].corr(pair["theirs"], method="spearman"),
            "median_ratio": pair["ours"].median() / pair["theirs"].median(),
            "within_1_percent": (abs(pair["ours"] - pair["theirs"]) <= 0.01 * abs(pair["theirs"])).mean(),
        }
    return pd.DataFrame.from_dict(rows, orient="index").astype({"cells": int})
