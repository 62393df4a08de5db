"""What was recorded decides what can be asked: blocks of features, and the patterns of blocks that a cell may have.

Every answer needs long steps of current. A ramp, a short square, a downward step and what the experimenter knows of
the cortical layer are *blocks* that may be there or not. The blocks that a cell has are its *pattern*, and each
pattern has models, calibration and limits of its own, learnt from cells that have these blocks, with all other
features left out. So a missing protocol can say nothing about the subclass.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd

from patchtype import families

#: Blocks that a classifier can do without, and the words for a cell that lacks one.
LACKING = {"ramp": "no ramp", "short_square": "no short square", "downward": "no downward step"}
LAYER = "layer"
BLOCKS = (*LACKING, LAYER)
#: Blocks that each classifier reads. The 20 human features of ramps and short squares add nothing to those of steps
#: (macro-F1 of development donors 0.81 with, 0.82 without), the layer next to nothing to mouse features.
READS = {"mouse": ("ramp", "short_square", "downward"), "human": ("downward", LAYER)}
#: Layers whose cells a classifier has learnt from.
LAYERS = {"human": ("2", "3", "4", "5", "6")}
#: Features that no answer uses: those of the chirp, which few cells have; those that change with the rig, its filter,
#: the time it records after a pulse, the length of a pulse or the strongest step; those that fewer than six in ten
#: cells have; and those whose definition is published nowhere, so that no recording gives them.
LEFT_OUT = re.compile(r"slow_trough|peak_to_trough|_chirp$|^threshold_t_ramp$|^threshold_i_short_square$|1khz"
                      r"|^maximal_firing_rate$|^stim_amp_hero$|^trough_deltav_short_square$|^adp_v_last|^sag_tau$"
                      r"|^mean_isi_rheo$|^first_isi_inv_rheo$|^sag_area|^postap_slope")


@cache
def block(feature: str) -> str:
    """The block that a feature belongs to, "" for those that every pattern has.

    >>> block("tau"), block("threshold_v_ramp"), block("rheobase_i"), block("layer 5")
    ('downward', 'ramp', '', 'layer')
    """
    if feature.startswith(f"{LAYER} "):
        return LAYER
    row = families.features().loc[feature]
    return row["protocol"] if row["protocol"] != "long_square" else row["needs"]


@cache
def members(species: str) -> dict[str, list[str]]:
    """Family → features that the classifier of a species reads, the layer aside.

    >>> members("mouse")["sag"]
    ['sag', 'vm_for_sag']
    """
    read = [f for f in families.features()[species].dropna().index
            if not LEFT_OUT.search(f) and block(f) in ("", *READS[species])]
    return families.among(families.families(species), read)


@cache
def features(species: str) -> tuple[str, ...]:
    """The features of `members` in order."""
    return tuple(f for family in members(species).values() for f in family)


def columns(species: str) -> tuple[str, ...]:
    """`features`, and a column for each layer: 1 for a cell in it, 0 for one that is not, NaN where not known."""
    return features(species) + tuple(f"{LAYER} {name}" for name in LAYERS.get(species, ()))


def patterns(species: str) -> list[tuple[str, ...]]:
    """All sets of blocks that a classifier tells apart, the richest first.

    >>> [name(p, "human") for p in patterns("human")][::3]
    ['steps only, layer known', 'steps only, no downward step']
    """
    read = READS[species]
    return [chosen for n in range(len(read), -1, -1) for chosen in combinations(read, n)]


def name(pattern, species: str = "mouse") -> str:
    """A pattern in words.

    >>> name(("ramp", "short_square", "downward")), name(("ramp",)), name(("downward",))
    ('full', 'no short square, no downward step', 'steps only')
    """
    pulses = [words for b, words in LACKING.items() if b != "downward" and b not in pattern]
    said = ["steps only"] if len(pulses) == 2 else pulses
    said += [LACKING["downward"]] * ("downward" not in pattern)
    return ", ".join(said or ["full"]) + ", layer known" * (LAYER in pattern)


def positions(species: str, pattern) -> np.ndarray:
    """Positions among `columns` of those that a pattern has."""
    return np.flatnonzero([block(c) in ("", *pattern) for c in columns(species)])


def has(table: pd.DataFrame, pattern) -> np.ndarray:
    """(N,) bool: whether cells have all blocks of a pattern: of each, one of its columns of the table at least."""
    inside = pd.Series({c: block(c) for c in table.columns})
    every = [table.loc[:, (inside == b).to_numpy()].notna().any(axis=1).to_numpy() for b in pattern]
    return np.all([np.full(len(table), True), *every], axis=0)


def pattern_of(table: pd.DataFrame, species: str) -> list[tuple[str, ...]]:
    """The richest pattern of each cell of a table with `columns`."""
    there = {b: has(table, (b,)) for b in READS[species]}
    return [tuple(b for b in READS[species] if there[b][k]) for k in range(len(table))]


def blanked(table: pd.DataFrame, pattern) -> pd.DataFrame:
    """The table as if nothing but a pattern's blocks had been recorded."""
    lost = [c for c in table if block(c) not in ("", *pattern)]
    return table.assign(**dict.fromkeys(lost, np.nan))


def with_layers(table: pd.DataFrame, layer, species: str) -> pd.DataFrame:
    """Features of cells and what is known of their layers, as `columns`.

    ``layer`` (N,): "2", "2/3", "L5", "5_6" or anything without a digit where it is not known. A cell between two
    layers counts half for each.

    >>> with_layers(pd.DataFrame({"tau": [0.01, 0.02]}), ["2/3", None], "human")[["layer 2", "layer 4"]].values.tolist()
    [[0.5, 0.0], [nan, nan]]
    """
    known = LAYERS.get(species, ())
    told = [[name for name in re.findall(r"\d", str(each)) if name in known] for each in layer]
    shares = [[told_.count(name) / len(told_) if told_ else np.nan for name in known] for told_ in told]
    added = pd.DataFrame(shares, table.index, [f"{LAYER} {name}" for name in known], dtype=float)
    return pd.concat([table.reindex(columns=list(features(species))), added], axis=1)
