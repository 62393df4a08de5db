"""Names, units, order and widths of the feature families, scalar and vector.

A *family* is a group of features that describe one thing about a cell: its passive membrane, its first
spike, its firing pattern. Families are the tokens that the sequence models read, in the order given here.

Two representations share this vocabulary:

* **scalar** families group the numbers of the published tables (``features.csv`` beside this file lists
  every feature with unit, family, and how the mouse column is expressed in the human definition);
* **vector** families are the twelve feature vectors that IPFX computes from a raw recording.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import pandas as pd

#: Scalar feature sets: the 32 features defined alike in both species, all mouse ones, all human ones.
FEATURE_SETS = ("aligned", "mouse", "human")

#: The twelve IPFX vector families: unit and width at 50 kHz as the paper computes them (2,005 in all).
VECTOR_FAMILIES = MappingProxyType({
    "first_ap_v": ("mV", 150),
    "first_ap_dv": ("mV", 149),  # change from one sample to the next, 20 µs later
    "isi_shape": ("mV", 100),
    "step_subthresh": ("mV", 417),
    "subthresh_norm": ("1", 139),
    "inst_freq": ("Hz", 150),
    "psth": ("Hz", 150),
    "spiking_upstroke_downstroke_ratio": ("1", 150),
    "spiking_peak_v": ("mV", 150),
    "spiking_fast_trough_v": ("mV", 150),
    "spiking_threshold_v": ("mV", 150),
    "spiking_width": ("s", 150),
})

#: Columns of the second published mouse table that the first one lacks. Its spike width (s) was measured behind a
#: 1 kHz filter; recordings give it behind none.
SECOND_TABLE = (
    "hero_avg_rate", "hero_first_isi", "hero_isi_cv", "hero_median_isi", "hero_stim_amp", "maximal_firing_rate",
    "rheo_width",
)

#: What each scalar family says about a cell, for axis labels and captions.
FAMILY_TITLES = MappingProxyType({
    "passive": "passive membrane",
    "sag": "sag",
    "sag_depol": "depolarised sag",
    "excitability": "excitability",
    "firing": "firing pattern",
    "firing_hero": "firing pattern",
    "firing_mean": "firing, all sweeps",
    "adapt_ratio": "change over a train",
    "ap_rheo": "spike at rheobase",
    "ap_hero": "spike, hero sweep",
    "ahp": "after-hyperpolarisation",
    "ahp_rheo": "after-hyperpolarisation",
    "ap_ramp": "spike on a ramp",
    "ap_short_square": "spike, short pulse",
    "timing_rheo": "spike timing, rheobase",
    "timing_ramp": "spike timing, ramp",
    "timing_short_square": "spike timing, short pulse",
    "chirp": "impedance (chirp)",
    "layer": "cortical layer",
})

# Column names in a reader's words: whole names first, then their parts from left to right, then the sweep they end on.
_WORDS = {
    "tau": "membrane time constant", "width_rheo": "spike width", "v_baseline": "resting voltage",
    "vm_for_sag": "voltage at the sag", "rheobase_i": "rheobase", "fi_fit_slope": "f-I slope",
    "adapt_hero": "adaptation index", "avg_rate_hero": "firing rate, hero sweep",
    "stim_amp_hero": "current, hero sweep", "first_isi_inv_hero": "inverse of first ISI, hero sweep",
}
_PARTS = {
    "threshold_to_peak_t": "time from threshold to peak",
    "upstroke_downstroke": "upstroke/downstroke", "threshold_v": "threshold", "threshold_i": "threshold current",
    "slowdeltav": "slow ΔV", "deltav": "ΔV", "avg_rate": "mean rate", "isi_cv": "ISI variation", "isi_": "ISI ",
    "_isi": " ISI", "1khz": "at 1 kHz",
}
_SWEEPS = {"_rheo": " at rheobase", "_hero": ", hero sweep", "_ramp": ", ramp", "_short_square": ", short pulse",
           "_chirp": ", chirp"}
_UNIT_TEXT = {"MOhm": "MΩ", "GOhm": "GΩ", "mV*s": "mV·s"}


@cache
def features() -> pd.DataFrame:
    """The table of scalar features, one row each, indexed by feature name.

    Columns: ``unit``; ``protocol`` (the sweeps it is measured on) and ``needs`` (what these must have beside a
    spike: "downward", a step below the holding level, or ""); ``aligned``, ``mouse``, ``human`` (family of the
    feature in that set, or missing); ``mouse_expression`` (how to compute it from the mouse tables, see
    `patchtype.cohorts.published`).

    >>> features().loc["tau", ["unit", "aligned", "mouse_expression"]].tolist()
    ['s', 'passive', 'tau / 1000']
    """
    table = pd.read_csv(files("patchtype").joinpath("features.csv"), index_col="feature")
    return table.assign(needs=table["needs"].fillna(""))


def families(feature_set: str) -> dict[str, list[str]]:
    """Family name → its features, in token order, for one of `FEATURE_SETS`.

    >>> families("aligned")["passive"]
    ['v_baseline', 'input_resistance', 'tau']
    """
    if feature_set not in FEATURE_SETS:
        raise ValueError(f"found the feature set {feature_set!r}, expected one of {FEATURE_SETS}")
    column = features()[feature_set].dropna()
    return {name: column.index[column == name].tolist() for name in column.unique()}


def among(members: Mapping[str, list[str]], features: Collection[str]) -> dict[str, list[str]]:
    """The families with only those of their features that are in ``features``; one left empty disappears.

    >>> among({"passive": ["tau", "v_baseline"], "sag": ["sag"]}, ["v_baseline"])
    {'passive': ['v_baseline']}
    """
    given = {name: [feature for feature in family if feature in features] for name, family in members.items()}
    return {name: family for name, family in given.items() if family}


def unit(feature: str) -> str:
    """Unit of a scalar feature, or of one value of a vector family (``"psth[3]"``); "1" has no unit.

    >>> unit("rheobase_i"), unit("psth[3]")
    ('pA', 'Hz')
    """
    family = feature.partition("[")[0]
    return VECTOR_FAMILIES[family][0] if family in VECTOR_FAMILIES else features().at[feature, "unit"]


def label(feature: str) -> str:
    """Axis label of a feature, with its unit.

    >>> label("input_resistance"), label("fast_trough_deltav_ramp")
    ('input resistance (MΩ)', 'fast trough ΔV, ramp (mV)')
    """
    measured = unit(feature)
    words = _WORDS.get(feature)
    if words is None:
        sweep = next((ending for ending in _SWEEPS if feature.endswith(ending)), "")
        words = feature.removesuffix(sweep)
        for part, better in _PARTS.items():
            words = words.replace(part, better)
        words = words.replace("_", " ") + _SWEEPS.get(sweep, "")
    return words if measured == "1" else f"{words} ({_UNIT_TEXT.get(measured, measured)})"


def readable(values: pd.Series, feature: str) -> tuple[pd.Series, str]:
    """Values and axis label of a feature as a reader wants them: times in milliseconds, not seconds.

    >>> readable(pd.Series([0.02]), "tau")[1]
    'membrane time constant (ms)'
    """
    if unit(feature) != "s":
        return values, label(feature)
    return 1000 * values, label(feature).replace("(s)", "(ms)")
