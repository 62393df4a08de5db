"""How far a better model could go: do models agree on their errors, and do neighbours agree with the label?

A cell that all models name alike and wrongly, and whose nearest cells carry that name, is either mislabelled
or does in the slice what another subclass does. No model that reads these features will find it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import f1_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline

from patchtype.cohorts import Cohort
from patchtype.evaluation import bootstrap
from patchtype.evaluation.calibration import Temperature
from patchtype.evaluation.metrics import Estimate
from patchtype.models.ensemble import discriminant
from patchtype.models.table import scaled


def votes(predictions: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """One row a cell of the first repeat: ``true``, ``wrong`` (models that err), ``same`` (all say one wrong name).

    ``said`` is the name that the first of ``models`` gives.
    """
    said = _names(predictions, models)
    true = predictions.drop_duplicates("cell").set_index("cell")["true"].reindex(said.index)
    wrong = said.ne(true, axis=0).sum(axis=1)
    same = (wrong == len(models)) & said.eq(said[models[0]], axis=0).all(axis=1)
    return pd.DataFrame({"true": true, "wrong": wrong, "same": same, "said": said[models[0]]})


def _names(predictions: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """What each model (column) names each cell (row) in the first repeat."""
    part = predictions[(predictions["repeat"] == 0) & predictions["model"].isin(models)]
    return part.set_index(["cell", "model"])["predicted"].unstack("model")[list(models)]  # noqa: PD010


def neighbours(cohort: Cohort, k: int = 10) -> np.ndarray:
    """(N, C) share of each class among the ``k`` nearest cells of other donors, on z-scored features.

    Distances are in the space of the discriminant that is learnt from all cells, so that features which tell
    subclasses apart count; a cell's own donor is never its neighbour.
    """
    x = make_pipeline(*scaled()).fit_transform(cohort.x)
    space = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(x, cohort.y).transform(x)
    donors = pd.factorize(cohort.donors)[0]
    reach = min(len(cohort), k + int(np.bincount(donors).max()))
    order = NearestNeighbors(n_neighbors=reach).fit(space).kneighbors(space, return_distance=False)
    shares = np.zeros((len(cohort), len(cohort.classes)))
    for cell, near in enumerate(order):
        others = near[donors[near] != donors[cell]][:k]
        shares[cell] = np.bincount(cohort.y[others], minlength=len(cohort.classes)) / max(len(others), 1)
    return shares


def learning_curve(cohort: Cohort, protocol, shares: Sequence[float]) -> pd.DataFrame:
    """Macro-F1 of the discriminant by training cells: one row a fold and share of the training donors.

    A share is that of the first donors of a shuffled list, with all their cells; two donors are the least.
    """
    rows = []
    for fold in protocol.folds(cohort):
        rng = np.random.default_rng(fold.seed)
        donors = rng.permutation(np.unique(cohort.donors[fold.train]))
        for share in shares:
            chosen = donors[: max(2, round(share * len(donors)))]
            train = cohort.take(fold.train[np.isin(cohort.donors[fold.train], chosen)])
            test = cohort.take(fold.test)
            said = discriminant(fold.seed).fit(train).predict_proba(test).argmax(axis=1)
            rows.append({"fold": fold.fold, "share": share, "cells": len(train),
                         "macro_f1": f1_score(test.y, said, average="macro", zero_division=0)})
    return pd.DataFrame(rows)


def agreement(predictions: pd.DataFrame, models: Sequence[str]) -> np.ndarray:
    """Macro-F1 of each pair of models, the one's names taken for the truth, in the first repeat.

    Where models agree no better than with the labels, nobody can tell their errors from those of the labels.
    """
    said = _names(predictions, models)
    return np.array([f1_score(said[a], said[b], average="macro") for a, b in combinations(models, 2)])


def if_true(probabilities: np.ndarray, y: np.ndarray, draws: int = 1000, seed: int = 0) -> Estimate:
    """Macro-F1 of a model if its calibrated probabilities were the truth about each cell.

    One temperature is fitted to the labels ``y`` (N,); then labels are drawn from the probabilities (N, C), and the
    model's names are scored against them. The interval is over those draws: it covers the chance in labels, not
    that of cells, donors or temperature.
    """
    rng = np.random.default_rng(seed)
    p = Temperature.fit(probabilities, y, shifted=False).apply(probabilities)
    drawn = (rng.random((draws, len(p), 1)) > p.cumsum(axis=1)[:, :-1]).sum(axis=-1)
    classes = p.shape[1]
    pairs = (drawn * classes + p.argmax(axis=1)) + classes**2 * np.arange(draws)[:, None]
    counts = np.bincount(pairs.ravel(), minlength=draws * classes**2).reshape(draws, classes, classes)
    scores = bootstrap.macro_f1(counts)
    return Estimate(float(scores.mean()), *bootstrap.ends(scores), float("nan"))


def asymptote(curve: pd.DataFrame, draws: int = 1000, seed: int = 0) -> Estimate:
    r"""Where a `learning_curve` would end with cells without number, by a power law :math:`a - b n^{-c}`.

    The interval is over draws of folds with replacement; ``a`` is at most 1, and ``c`` one of twenty values from
    0.1 to 2. A curve of four points hardly fixes three numbers, which a wide interval says.
    """
    rng = np.random.default_rng(seed)
    wide = curve.pivot_table(index="fold", columns="share", values="macro_f1").to_numpy()
    n = curve.groupby("share")["cells"].mean().to_numpy()
    drawn = np.vstack([wide.mean(axis=0), wide[rng.integers(len(wide), size=(draws, len(wide)))].mean(axis=1)])
    ends, errors = [], []
    for power in np.linspace(0.1, 2, 20):
        design = np.column_stack([np.ones(len(n)), -((n / n[-1]) ** -power)])
        found = np.linalg.lstsq(design, drawn.T, rcond=None)[0]
        ends.append(found[0])
        errors.append(((design @ found - drawn.T) ** 2).sum(axis=0))
    best = np.take_along_axis(np.array(ends), np.argmin(errors, axis=0)[None], axis=0)[0].clip(0, 1)
    return Estimate(float(best[0]), *bootstrap.ends(best[1:]), float("nan"))


def label_noise(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(C, C) cells by given label (row) and the label that the model is sure of, scaled to the given ones.

    Confident learning (Northcutt et al. 2021): a model is sure of a class where its probability is at least the mean
    that cells of this label get. What lies off the diagonal is called a wrong label; errors of the model that are
    made with confidence count there, too, so it is more an upper bound than an estimate.

    >>> label_noise(np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.8, 0.2]]), np.array([0, 0, 1, 1])).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    counts = np.bincount(y, minlength=probabilities.shape[1])
    enough = np.array([probabilities[y == c, c].mean() for c in range(len(counts))])
    sure = np.where(probabilities >= enough, probabilities, -1.0)
    found = np.zeros((len(counts),) * 2)
    told = sure.max(axis=1) >= 0
    np.add.at(found, (y[told], sure[told].argmax(axis=1)), 1)
    return found / np.maximum(found.sum(axis=1, keepdims=True), 1) * counts[:, None]


def shared_errors(predictions: pd.DataFrame, cohort: Cohort) -> dict[str, float]:
    """What is wrong with the cells that the average of `better_model` names wrongly, as shares, in the first repeat.

    Neighbours are those of `neighbours`; a cell has more of one name than of another if more of them carry it.
    """
    members = _members(predictions)
    of = votes(predictions, ["average", *members])
    wrong = of["said"] != of["true"]
    near = pd.DataFrame(neighbours(cohort), cohort.cells.index, list(cohort.classes)).loc[of.index]
    of_said, of_true = (np.array([near.at[cell, name] for cell, name in of[key].items()]) for key in ("said", "true"))
    return {
        "wrong in the average": wrong.mean(), "wrong in every member": (of["wrong"] - wrong == len(members)).mean(),
        "errors with neighbours of the predicted name": (of_said > of_true)[wrong].mean(),
        "right cells with neighbours of another name": (near.max(axis=1).to_numpy() > of_true)[~wrong].mean(),
    }


def doubted(predictions: pd.DataFrame, cohort: Cohort, draws: int = 2000, seed: int = 0
            ) -> tuple[dict[str, int], dict[str, float], Estimate]:
    """How often the average errs on human cells whose label may be wrong.

    Returns counts of cells in the first repeat (``labels_changed`` by the revision, and errors among them), shares of
    errors in percent (on labels that stayed; on weak and on other markers, mean over the repeats), and how many
    percentage points more it errs on weak markers, with a 95 % interval over draws of donors. Weak: the quarter of each
    subclass with the lowest marker sum, so that no subclass makes the difference.
    """
    part = predictions[predictions["model"] == "average"]
    wrong = (part["predicted"] != part["true"]).groupby(part["cell"]).mean()
    cells = cohort.cells.loc[wrong.index]
    first = part[part["repeat"] == 0].set_index("cell").loc[wrong.index]
    once, changed = first["predicted"] != first["true"], cells["subclass"] != cells["original_subclass"]
    weak = cells.groupby("subclass")["marker_sum"].rank(pct=True) <= 0.25
    sums = pd.DataFrame({"weak": weak, "other": ~weak, "weak wrong": weak * wrong, "other wrong": ~weak * wrong})
    of_donors = sums.groupby(cells["donor"].to_numpy()).sum().to_numpy(float)
    all_donors = np.ones((1, len(of_donors)))
    drawn = np.concatenate([all_donors, bootstrap.times_drawn(len(of_donors), draws, seed)]) @ of_donors
    of_weak, of_others = 100 * drawn[:, 2] / drawn[:, 0], 100 * drawn[:, 3] / drawn[:, 1]
    more = of_weak - of_others
    return ({"labels_changed": int(changed.sum()), "errors_changed_label": int(once[changed].sum())},
            {"stable_label": 100 * float(once[~changed].mean()), "weak_markers": float(of_weak[0]),
             "strong_markers": float(of_others[0])},
            Estimate(float(more[0]), *bootstrap.ends(more[1:]), float("nan")))


def looks(predictions: pd.DataFrame, cohort: Cohort, curve: pd.DataFrame, score: Estimate
          ) -> tuple[dict[str, Estimate], np.ndarray]:
    """Five looks at the ceiling of macro-F1, by what each assumes, and the matrix of `label_noise`.

    Parameters: ``predictions`` of the average and its members; ``curve``, the `learning_curve`; ``score``, what the
    average has. All but the score are of the first repeat.
    """
    part = predictions[(predictions["model"] == "average") & (predictions["repeat"] == 0)]
    p = part[[f"p_{c}" for c in cohort.classes]].to_numpy()
    p = p / p.sum(axis=1, keepdims=True)
    y = cohort.y[cohort.cells.index.get_indexer(part["cell"])]
    pairs = agreement(predictions, _members(predictions))
    noise = label_noise(Temperature.fit(p, y, shifted=False).apply(p), y)
    return {
        "the average": score,
        "one member judged by another": Estimate(pairs.mean(), pairs.min(), pairs.max(), float("nan")),
        "the average, if calibrated probabilities were true": if_true(p, y),
        "the discriminant, cells without number": asymptote(curve),
        "no errors but in labels": Estimate(float(bootstrap.macro_f1(noise)), *[float("nan")] * 3),
    }, noise


def _members(predictions: pd.DataFrame) -> list[str]:
    return [model for model in predictions["model"].unique() if model.startswith("average / ")]
