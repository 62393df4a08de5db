"""Cells of other laboratories and platforms, in the features and names of the mouse cohort.

Three sets, none of which takes part in any training by default:

* ``motor``: mouse motor cortex, whole-cell recordings of another laboratory (Scala et al. 2020), labelled by RNA;
* ``cell types``: the Allen Cell Types Database, recorded without RNA, labelled by the driver line of the mouse;
* ``layer 1``: Patch-seq cells of layer 1 that are not in the mouse table, features in the human definition.

Each brings the part of the aligned features that it has. Cells that the mouse table has too are left out, with the
reason; `patchtype.experiments.few_shot.matched` takes the training cells of shared animals out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pandera.pandas as pa

from patchtype import families, taxonomy
from patchtype.cohorts import celltypes, tables
from patchtype.cohorts.cohort import Cohort
from patchtype.cohorts.registry import fetch
from patchtype.cohorts.tables import computed, identifier, number, text, validate

#: Driver lines taken as the name of a subclass. Lines that mark several subclasses are left out.
DRIVER_LINES = {"Pvalb-IRES-Cre": "Pvalb", "Sst-IRES-Cre": "Sst", "Vip-IRES-Cre": "Vip", "Ndnf-IRES2-dgCre": "Lamp5"}

#: RNA families of excitatory cells in motor cortex.
MOTOR_EXCITATORY = ("IT", "ET", "CT", "NP")

#: How the motor-cortex columns become aligned features. Sag: peak over steady deflection becomes the missing
#: share of it. Adaptation: mean ratio of neighbouring intervals becomes their normalised difference.
MOTOR_EXPRESSIONS = {
    "v_baseline": "`Resting membrane potential (mV)`",
    "input_resistance": "`Input resistance (MOhm)`",
    "tau": "`Membrane time constant (ms)` / 1000",
    "sag": "1 - 1 / `Sag ratio`",
    "rheobase_i": "`Rheobase (pA)`",
    "latency_rheo": "`Latency (ms)` / 1000",
    "adapt_hero": "(`ISI average adaptation index` - 1) / (`ISI average adaptation index` + 1)",
    "isi_cv_hero": "`ISI coefficient of variation`",
    "upstroke_downstroke_ratio_rheo": "`Upstroke-to-downstroke ratio`",
    "threshold_v_rheo": "`AP threshold (mV)`",
    "peak_deltav_rheo": "`AP amplitude (mV)`",
    "width_rheo": "`AP width (ms)` / 1000",
    "fast_trough_deltav_rheo": "`Afterhyperpolarization (mV)`",
}

_MOTOR = {
    "cell id": identifier(),
    "Resting membrane potential (mV)": number(-110, -20, (-80, -50)),
    "Input resistance (MOhm)": number(0, 5000, (50, 500)),
    "Membrane time constant (ms)": number(1, 500, (5, 50)),
    "Sag ratio": number(0.9, 5, (1, 1.3)),
    "Rheobase (pA)": number(0, 5000, (10, 300)),
    "Latency (ms)": number(0, 1000, (5, 500)),
    "ISI average adaptation index": number(0, 100, (0.8, 2)),
    "ISI coefficient of variation": number(0, 10),
    "Upstroke-to-downstroke ratio": number(0, 100, (0.5, 10)),
    "AP threshold (mV)": number(-120, 20, (-60, -20)),
    "AP amplitude (mV)": number(0, 150, (40, 120)),
    "AP width (ms)": number(0.05, 10, (0.2, 3)),
    "Afterhyperpolarization (mV)": number(-60, 40, (-30, 0)),
}
_MOTOR_CELLS = {"Cell": identifier(), "Mouse": text(), "RNA family": text()}
_LAYER1 = {
    "spec_id": identifier(int),
    "mouse": pa.Column(int, coerce=True),
    "subclass": text("Lamp5", "Vip", "Sncg", "Sst", "Pvalb"),
    "v_baseline": number(-110, -20, (-80, -50)),
    "tau": number(0.001, 0.5, (0.003, 0.05)),
    "rheobase_i": number(0, 5000, (10, 500)),
}

SCHEMAS = {"motor_efeature.csv": _MOTOR, "motor_meta_data.xlsx": _MOTOR_CELLS, "mouse_l1_dataset_strict.csv": _LAYER1}


def load(name: str) -> Cohort:
    """One external set: a key of `SETS`.

    ``cells`` has the columns of every cohort; classes are the five of mouse. ``excluded`` holds the cells left out,
    with the reason. Raises ValueError for another name, `DataUnavailable` when a file cannot be had.

    >>> load("motor").counts()["Sncg"]  # doctest: +SKIP
    13
    """
    if name not in SETS:
        raise ValueError(f"found the external set {name!r}, expected one of {tuple(SETS)}")
    return SETS[name]()


def read(name: str) -> pd.DataFrame:
    """A registered external table, fetched, read and validated like the tables of the cohorts."""
    path = fetch(name)
    table = pd.read_excel(path) if path.suffix == ".xlsx" else pd.read_csv(path, low_memory=False)
    return validate(table, name, SCHEMAS[name])


def motor() -> Cohort:
    """Motor cortex (Scala et al. 2020): RNA family is the label, 13 aligned features, recorded at room temperature.

    Excitatory cells are among the excluded ones; `motor_excitatory` has their features.
    """
    cells, table = _motor()
    return _cohort(cells, table, overlap=pd.Series(False, index=cells.index))


def motor_excitatory() -> tuple[pd.DataFrame, pd.Series]:
    """The excitatory cells of motor cortex: features as in `motor` (N, 13), and the animal of each (N,)."""
    cells, table = _motor()
    found = cells["subclass"].isin(MOTOR_EXCITATORY) & table[["v_baseline", "rheobase_i"]].notna().all(axis=1)
    return table[found].replace([np.inf, -np.inf], np.nan), cells.loc[found, "donor"]


def _motor() -> tuple[pd.DataFrame, pd.DataFrame]:
    ephys = read("motor_efeature.csv").set_index("cell id")
    known = read("motor_meta_data.xlsx").set_index("Cell").reindex(ephys.index)
    cells = _cells(known["RNA family"].replace("low quality", np.nan), "motor-" + known["Mouse"].astype(str))
    return cells, pd.DataFrame({name: computed(how, ephys) for name, how in MOTOR_EXPRESSIONS.items()})


def cell_types() -> Cohort:
    """Allen Cell Types Database: the driver line stands for the subclass; cells with spiny dendrites are left out."""
    table, known = celltypes.cell_types("mouse")
    subclass = known["line_name"].map(DRIVER_LINES)
    subclass[known["tag__dendrite_type"] == "spiny"] = np.nan  # an excitatory cell that the line marks by chance
    cells = _cells(subclass, _animal(known["donor__name"]))
    return _cohort(cells, table.dropna(axis=1, how="all"), _overlap(table.index))


def layer1() -> Cohort:
    """Patch-seq cells of layer 1 that the mouse table does not have: nearly all Lamp5."""
    known = read("mouse_l1_dataset_strict.csv").set_index("spec_id")
    cells = _cells(known["subclass"], "mouse-" + known["mouse"].astype(str))
    aligned = [feature for members in families.families("aligned").values() for feature in members]
    known = known.assign(
        peak_deltav_rheo=known["peak_v_rheo"] - known["threshold_v_rheo"],
        fast_trough_deltav_rheo=known["fast_trough_v_rheo"] - known["threshold_v_rheo"],
        trough_deltav_rheo=known["trough_v_rheo"] - known["threshold_v_rheo"],
        trough_slowdeltav_rheo=known["trough_v_rheo"] - known["fast_trough_v_rheo"],
        trough_deltav_ramp=known["trough_v_ramp"] - known["threshold_v_ramp"],
    )
    return _cohort(cells, known[[f for f in aligned if f in known]], _overlap(known.index))


#: The external sets by name.
SETS = {"motor": motor, "cell types": cell_types, "layer 1": layer1}


def _cells(subclass: pd.Series, donor: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"species": "mouse", "subclass": subclass, "donor": donor, "source": "published"})


def _animal(donor_name: pd.Series) -> pd.Series:
    """The animal's number at the end of its name, in the spelling of the mouse cohort."""
    return "mouse-" + donor_name.str.extract(r"(\d+)$", expand=False)


def _overlap(specimen: pd.Index) -> pd.Series:
    """Whether the public mouse table, analysed or not, has the same cell."""
    ours = tables.read("20200711_patchseq_metadata_mouse.csv")
    return pd.Series(specimen.isin(ours["cell_specimen_id"]), index=specimen)


def _cohort(cells: pd.DataFrame, table: pd.DataFrame, overlap: pd.Series) -> Cohort:
    reason = pd.Series("", index=cells.index, dtype=object)
    reason[table["v_baseline"].isna() | table["rheobase_i"].isna()] = "no long-square features"
    reason[~cells["subclass"].isin(taxonomy.MOUSE_SUBCLASSES)] = "not one of the five subclasses"
    reason[cells["subclass"].isna()] = "no label"
    reason[overlap] = "the mouse table has this cell"
    keep = (reason == "").to_numpy()
    cells.index = cells.index.astype(str)
    table = table.set_axis(cells.index, axis=0).replace([np.inf, -np.inf], np.nan)
    members = families.among(families.families("aligned"), table)
    excluded = cells[~keep].assign(reason=reason.to_numpy()[~keep])
    return Cohort.build(cells[keep], table[keep], members, taxonomy.MOUSE_SUBCLASSES, excluded)
