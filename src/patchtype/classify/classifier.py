"""The classifier that the book ships, one for each species: plain arrays, no pickle, no scikit-learn object.

It is the mean of boosted trees and a logistic regression on the 32 features that are defined alike in both
species and that a recording gives. Its probabilities are calibrated, its prediction sets hold the right
subclass at a stated rate in each subclass, and it flags cells unlike those it has learnt from, and cells that
look excitatory.
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

from patchtype import families, taxonomy
from patchtype.classify.judgement import Judgement
from patchtype.classify.kernel import KernelMachine
from patchtype.classify.linear import LinearModel
from patchtype.classify.novelty import Novelty
from patchtype.classify.trees import BoostedTrees
from patchtype.evaluation.calibration import Temperature
from patchtype.evaluation.conformal import PredictionSets
from patchtype.files import write_bytes

#: The feature set of the shipped classifiers.
FEATURES = "aligned"
#: Of the two files of weights. A file without it is of the first format, which had no guard.
FORMAT = 2


class WeightsError(ValueError):
    """Weights that are missing or do not fit; one sentence says what to do."""


@dataclass(frozen=True)
class Classifier:
    """Everything that turns a row of features into an answer.

    ``classes`` (C,); ``features`` (P,) names in the order of the columns of ``x``; ``typical`` (C, P) median cell of
    each class; ``about``: data, protocol and measured figures, see `patchtype.classify.training`.
    """

    species: str
    classes: tuple[str, ...]
    features: tuple[str, ...]
    trees: BoostedTrees
    linear: LinearModel
    novelty: Novelty
    guard: KernelMachine
    judgement: Judgement
    typical: np.ndarray
    about: dict

    @property
    def families(self) -> dict[str, list[int]]:
        """Family → positions of its features."""
        where = {name: k for k, name in enumerate(self.features)}
        return {family: [where[n] for n in names] for family, names in families.families(FEATURES).items()}

    def raw(self, x) -> np.ndarray:
        """(N, C) mean of both models, before calibration."""
        return (self.trees.predict_proba(x) + self.linear.predict_proba(x)) / 2

    def probabilities(self, x) -> np.ndarray:
        """(N, C) calibrated probabilities of cells ``x`` (N, P), NaN where not measured."""
        return self.judgement.temperature.apply(self.raw(x))

    def answers(self, table: pd.DataFrame) -> pd.DataFrame:
        """One row a cell of ``table`` (columns `features`, units of `families.unit`); see `Judgement.answers`.

        Raises WeightsError for a table without one of the features.
        """
        absent = [name for name in self.features if name not in table]
        if absent:
            raise WeightsError(f"found no column {absent[0]!r}, expected the {len(self.features)} features of "
                               f"the {self.species} classifier; see `patchtype.families.families('{FEATURES}')`")
        x = table[list(self.features)].to_numpy(float)
        return self.judgement.answers(
            self.raw(x), self.novelty.distance(x), self.novelty.missing(x), self.guard.margin(x), self.classes,
            table.index)

    def save(self, folder: Path) -> None:
        """Write ``<species>.safetensors`` and ``<species>.json``; each whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {
            **self.trees.arrays("trees."), **self.linear.arrays("linear."), **self.novelty.arrays("novelty."),
            **self.guard.arrays("guard."),
            "temperature.shift": self.judgement.temperature.shift, "sets.limits": self.judgement.sets.limits,
            "typical": self.typical,
        }
        judgement = self.judgement
        content = {
            "format": FORMAT, "species": self.species, "classes": self.classes, "features": self.features,
            "temperature": judgement.temperature.temperature, "miss": judgement.sets.miss, "kind": judgement.sets.kind,
            "distance_limit": judgement.distance_limit, "missing_limit": judgement.missing_limit,
            "margin_limit": judgement.margin_limit, "about": self.about,
        }
        write_bytes(folder / f"{self.species}.safetensors",
                         save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))
        write_bytes(folder / f"{self.species}.json", (json.dumps(content, indent=1) + "\n").encode())


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
        arrays = load_file(folder / f"{species}.safetensors")
        return Classifier(
            species, tuple(content["classes"]), tuple(content["features"]),
            BoostedTrees.from_arrays(arrays, "trees."), LinearModel.from_arrays(arrays, "linear."),
            Novelty.from_arrays(arrays, "novelty."), KernelMachine.from_arrays(arrays, "guard."),
            Judgement(
                Temperature(content["temperature"], arrays["temperature.shift"]),
                PredictionSets(arrays["sets.limits"], content["miss"], content["kind"]),
                content["distance_limit"], content["missing_limit"], content["margin_limit"],
            ),
            arrays["typical"], content["about"],
        )
    except WeightsError:
        raise
    except FileNotFoundError as error:
        raise WeightsError(f"found no {error.filename}, expected the weights of the {species} classifier; "
                           "run `patchtype models`") from None
    except Exception as error:  # safetensors has an error type of its own
        raise WeightsError(f"the weights of the {species} classifier in {folder} cannot be read "
                           f"({type(error).__name__}: {error}); run `patchtype models`") from None
