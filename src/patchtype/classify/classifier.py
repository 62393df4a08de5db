"""The classifier that ships, one for each species: plain arrays, no pickle, no scikit-learn object.

It holds models, calibration and limits for each pattern of recorded protocols (see `patchtype.classify.patterns`), and
answers each cell as the richest pattern that it has. Probabilities are calibrated, prediction sets hold the right
subclass at a stated rate in each subclass, and cells unlike those it has learnt from, or that look excitatory, are
flagged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save

from patchtype import taxonomy
from patchtype.classify import patterns
from patchtype.classify.arrays import Prepared
from patchtype.classify.fitting import Expert, Models
from patchtype.classify.guard import Guard
from patchtype.classify.judgement import Judgement
from patchtype.classify.novelty import Novelty
from patchtype.evaluation.calibration import Temperature
from patchtype.evaluation.conformal import PredictionSets
from patchtype.files import write_bytes

#: Of the two files of weights. The first had no guard, the second no patterns.
FORMAT = 3


class WeightsError(ValueError):
    """Weights that are missing or do not fit; one sentence says what to do."""


@dataclass(frozen=True)
class Classifier:
    """Everything that turns a row of features into an answer.

    ``classes`` (C,); ``columns`` (P,) names of features and layers, in the order of ``x``; ``judgements``: pattern →
    calibration and limits; ``typical`` (C, P) median cell of each class; ``about``: data, protocol and measured
    figures, see `patchtype.classify.training`.
    """

    species: str
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    models: Models
    judgements: dict[tuple[str, ...], Judgement]
    typical: np.ndarray
    about: dict

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that a recording gives."""
        return tuple(c for c in self.columns if patterns.block(c) != patterns.LAYER)

    def families(self, pattern: tuple[str, ...]) -> dict[str, list[int]]:
        """Family → positions of its columns in a pattern."""
        where = {self.columns[k]: k for k in patterns.positions(self.species, pattern)}
        found = {family: [where[n] for n in names if n in where]
                 for family, names in patterns.members(self.species).items()}
        found |= {patterns.LAYER: [k for name, k in where.items() if patterns.block(name) == patterns.LAYER]}
        return {family: members for family, members in found.items() if members}

    def probabilities(self, x, pattern: tuple[str, ...]) -> np.ndarray:
        """(N, C) calibrated probabilities of cells ``x`` (N, P), NaN where not measured, as of a pattern."""
        return self.judgements[pattern].temperature.apply(self.models.experts[pattern].says(self.models.prepared(x)))

    def answers(self, table: pd.DataFrame, layer=None) -> pd.DataFrame:
        """One row a cell of ``table`` (columns `features`, units of `families.unit`), each as its richest pattern.

        Parameters: ``layer``, cortical layer of all cells or of each, as "2", "2/3", "L5", where it is known and the
        classifier reads it. Returns the columns of `Judgement.answers` and ``pattern``, its name.
        Raises WeightsError for a table without one of the features.

        >>> load("mouse").answers(pd.DataFrame(np.nan, ["empty"], load("mouse").features))["verdict"].item()
        'unlike'
        """
        absent = [name for name in self.features if name not in table]
        if absent:
            raise WeightsError(f"found no column {absent[0]!r}, expected the {len(self.features)} features of "
                               f"the {self.species} classifier; give it, empty where it was not measured")
        layers = [layer] * len(table) if layer is None or isinstance(layer, str) else list(layer)
        cells = patterns.with_layers(table, layers, self.species).astype(float)
        found, parts = patterns.pattern_of(cells, self.species), []
        for pattern in dict.fromkeys(found):
            rows = np.flatnonzero([p == pattern for p in found])
            said = self.models.says(cells.iloc[rows], pattern)
            parts.append(self.judgements[pattern].answers(
                *said.values(), self.classes, pd.Index(rows)).assign(pattern=patterns.name(pattern)))
        if not parts:
            raise WeightsError("found a table without a row, expected one a cell")
        return pd.concat(parts).sort_index().set_axis(table.index, axis=0)

    def save(self, folder: Path) -> None:
        """Write ``<species>.safetensors`` and ``<species>.json``; each whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        models = self.models
        arrays = {**models.prepared.arrays("prepared."), **models.novelty.arrays("novelty."), "typical": self.typical}
        for pattern, expert in models.experts.items():
            arrays |= expert.arrays(f"{_key(pattern)}.expert.")
        for pattern, guard in models.guards.items():
            arrays |= guard.arrays(f"{_key(pattern)}.guard.")
        judged = []
        for pattern, judgement in self.judgements.items():
            arrays |= {f"{_key(pattern)}.shift": judgement.temperature.shift,
                       f"{_key(pattern)}.limits": judgement.sets.limits}
            judged.append({
                "pattern": pattern, "temperature": judgement.temperature.temperature, "miss": judgement.sets.miss,
                "distance_limit": judgement.distance_limit, "missing_limit": judgement.missing_limit,
                "margin_limit": judgement.margin_limit})
        content = {"format": FORMAT, "species": self.species, "classes": self.classes, "columns": self.columns,
                   "judgements": judged, "about": self.about}
        write_bytes(folder / f"{self.species}.safetensors",
                    save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))
        write_bytes(folder / f"{self.species}.json", (json.dumps(content, indent=1) + "\n").encode())


def _key(pattern: tuple[str, ...]) -> str:
    """What a pattern is called in the file of arrays."""
    return "+".join(pattern) or "steps"


def shipped() -> Path:
    """The folder of the weights that come with the package."""
    return Path(str(files("patchtype.classify").joinpath("weights")))


@cache
def load(species: str, folder: Path | None = None) -> Classifier:
    """The classifier of one species, from the package or from a folder that `Classifier.save` wrote.

    Raises WeightsError for another species, a missing file, one of another format, or one that is not such a file.

    >>> load("human").classes
    ('Lamp5', 'Pvalb', 'Sst', 'Vip')
    """
    if species not in taxonomy.SPECIES:
        raise WeightsError(f"found the species {species!r}, expected one of {taxonomy.SPECIES}: "
                           "only for these are there labelled cells to learn from")
    folder = folder or shipped()
    try:
        content = json.loads((folder / f"{species}.json").read_text("utf-8"))
        if (found := content.get("format", 1)) != FORMAT:
            raise WeightsError(f"found weights of format {found} in {folder}, expected format {FORMAT}, which this "
                               "version reads; run `patchtype models`")
        return _read(content, load_file(folder / f"{species}.safetensors"))
    except WeightsError:
        raise
    except FileNotFoundError as error:
        raise WeightsError(f"found no {error.filename}, expected the weights of the {species} classifier; "
                           "run `patchtype models`") from None
    except Exception as error:  # safetensors has an error type of its own
        raise WeightsError(f"the weights of the {species} classifier in {folder} cannot be read "
                           f"({type(error).__name__}: {error}); run `patchtype models`") from None


def _read(content: dict, arrays: dict[str, np.ndarray]) -> Classifier:
    experts, guards, judgements = {}, {}, {}
    for each in content["judgements"]:
        pattern, key = tuple(each["pattern"]), _key(each["pattern"])
        experts[pattern] = Expert.from_arrays(arrays, f"{key}.expert.")
        if patterns.LAYER not in pattern:
            guards[pattern] = Guard.from_arrays(arrays, f"{key}.guard.")
        judgements[pattern] = Judgement(
            Temperature(each["temperature"], arrays[f"{key}.shift"]),
            PredictionSets(arrays[f"{key}.limits"], each["miss"]),
            each["distance_limit"], each["missing_limit"], each["margin_limit"])
    species = content["species"]
    models = Models(species, Prepared.from_arrays(arrays, "prepared."), Novelty.from_arrays(arrays, "novelty."),
                    experts, guards)
    return Classifier(species, tuple(content["classes"]), tuple(content["columns"]), models, judgements,
                      arrays["typical"], content["about"])
