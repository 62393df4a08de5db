"""What a head is trained on: class weights, focal loss, the ArcFace margin, and what a prior does afterwards.

Rare subclasses need help. Each remedy is one equation here, so that it can be tested and combined:
weights make a rare cell count more, the focal loss makes a difficult cell count more, the ArcFace margin
asks for room between classes, and the prior correction moves the decision after training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from scipy.special import softmax
from torch import nn
from torch.nn.functional import cross_entropy, linear, log_softmax, normalize


def inverse_frequency(counts: torch.Tensor) -> torch.Tensor:
    r"""Class weights :math:`w_c \propto 1 / n_c`, mean one; an absent class counts as one cell.

    >>> inverse_frequency(torch.tensor([3, 1])).tolist()
    [0.5, 1.5]
    """
    return _mean_one(1 / counts.clamp(min=1).double())


def effective_number(counts: torch.Tensor, beta: float = 0.999) -> torch.Tensor:
    r"""Class-balanced weights :math:`w_c \propto (1 - \beta) / (1 - \beta^{n_c})`, mean one (Cui et al. 2019).

    ``beta`` 0 gives equal weights; towards 1 they become inverse frequencies.

    >>> effective_number(torch.tensor([30, 1]), beta=0.0).tolist()
    [1.0, 1.0]
    """
    return _mean_one((1 - beta) / (1 - beta ** counts.clamp(min=1).double()))


def _mean_one(weights: torch.Tensor) -> torch.Tensor:
    return (weights / weights.mean()).float()


def focal_loss(scores: torch.Tensor, y: torch.Tensor, weights: torch.Tensor, gamma: float = 2.0) -> torch.Tensor:
    r"""Mean of :math:`-w_y (1 - p_y)^\gamma \log p_y` over cells (Lin et al. 2017).

    ``scores`` (N, C), ``y`` (N,) class codes, ``weights`` (C,). A cell that is already named with confidence
    counts little. With ``gamma`` 0 and equal weights this is the cross entropy.
    """
    log_p = log_softmax(scores, dim=1).gather(1, y[:, None]).squeeze(1)
    return -(weights[y] * (1 - log_p.exp()) ** gamma * log_p).mean()


class LinearHead(nn.Module):
    """LayerNorm, dropout and a linear map from cell vectors (N, D) to scores (N, C); weighted cross entropy."""

    class_weights = staticmethod(inverse_frequency)

    def __init__(self, width: int, n_classes: int, dropout: float = 0.2):
        super().__init__()
        self.n_classes = n_classes
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout))
        self.linear = nn.Linear(width, n_classes)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        return self.linear(self.body(vectors))

    def loss(self, vectors: torch.Tensor, y: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return cross_entropy(self(vectors), y, weight=weights)


class ArcFaceHead(nn.Module):
    r"""Cosines to one direction per class, with an angular margin in training (Deng et al. 2019).

    Scores are :math:`s \cos\theta_c`, with :math:`\theta_c` the angle between the cell vector, after LayerNorm
    and dropout, and the direction of class c. The loss replaces the true class's score by
    :math:`s \cos(\theta_y + m)`, so a cell must lie closer to its class by the margin m. Where
    :math:`\theta_y + m` would pass :math:`\pi` the score goes on falling as :math:`s (\cos\theta_y - m \sin m)`.
    Trained with class-balanced focal loss. With ``margin`` 0 it is a softmax of scaled cosines.
    """

    class_weights = staticmethod(effective_number)

    def __init__(self, width: int, n_classes: int, dropout: float = 0.2, scale: float = 30.0, margin: float = 0.35,
                 gamma: float = 2.0):
        super().__init__()
        self.n_classes, self.scale, self.margin, self.gamma = n_classes, scale, margin, gamma
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout))
        self.directions = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_classes, width)))

    def cosines(self, vectors: torch.Tensor) -> torch.Tensor:
        """(N, C) cosine between each cell and each class direction."""
        return linear(normalize(self.body(vectors)), normalize(self.directions))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        return self.scale * self.cosines(vectors)

    def margin_scores(self, cosines: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Scores (N, C) from cosines, the true class's with the margin."""
        own = cosines.gather(1, y[:, None])
        # A cosine of exactly one would have an infinite slope in its sine.
        sine = (1 - own**2).clamp(min=1e-7).sqrt()
        shifted = torch.where(
            own > math.cos(math.pi - self.margin),
            own * math.cos(self.margin) - sine * math.sin(self.margin),
            own - self.margin * math.sin(self.margin))
        return self.scale * cosines.scatter(1, y[:, None], shifted)

    def loss(self, vectors: torch.Tensor, y: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return focal_loss(self.margin_scores(self.cosines(vectors), y), y, weights, self.gamma)


HEADS = {"linear": LinearHead, "arcface": ArcFaceHead}


def prior_corrected(probabilities: np.ndarray, priors: np.ndarray, power: float) -> np.ndarray:
    r"""Probabilities (N, C) from scores to which :math:`\tau \log \pi_c` was added, with ``power`` as tau.

    ``priors`` (C,) are class shares among training cells. A positive power favours frequent classes, a
    negative one rare classes (Menon et al. 2021). A class without training cells counts as a millionth.

    >>> prior_corrected(np.array([[0.5, 0.5]]), np.array([0.8, 0.2]), 1.0).round(6).tolist()
    [[0.8, 0.2]]
    """
    log = np.log(np.clip(probabilities, 1e-38, None)) + power * np.log(np.clip(priors, 1e-6, None))
    return softmax(log, axis=1)


class PriorCorrected:
    """One trained model read with several prior corrections; see `patchtype.evaluation.Model`.

    ``model`` keeps ``priors`` (C,) after `fit`, from the cells that moved its weights; ``powers`` maps the
    ending of each reading's name to its power. The paper's code uses +0.7 in its mouse run and -1 in its
    human run. Training and early stopping do not know of the correction, so readings differ in nothing else.
    """

    def __init__(self, model, powers: Mapping[str, float]):
        self.model = model
        self.powers = dict(powers)

    def fit(self, cohort) -> PriorCorrected:
        self.model.fit(cohort)
        return self

    def predict_proba(self, cohort) -> dict[str, np.ndarray]:
        """Name ending → (N, C) probabilities."""
        plain = self.model.predict_proba(cohort)
        return {name: prior_corrected(plain, self.model.priors, power) for name, power in self.powers.items()}
