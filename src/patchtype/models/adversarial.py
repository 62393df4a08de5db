"""A small network whose inner layer cannot tell the species: gradient reversal (Ganin et al. 2016)."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from patchtype.cohorts import Cohort
from patchtype.models.alignment import Scaled
from patchtype.models.objectives import inverse_frequency
from patchtype.models.training import descend


class Reversal(torch.autograd.Function):
    """The identity forwards; backwards the gradient is multiplied by minus ``strength``."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, strength: float) -> torch.Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor):
        return -ctx.strength * gradient, None


class TwoSpeciesNetwork(nn.Module):
    """Features (N, P) to a hidden layer (N, H) that a head for classes and a head for species read."""

    def __init__(self, width: int, n_classes: int, hidden: int = 64, dropout: float = 0.3):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.ReLU())
        self.classes = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, n_classes))
        self.species = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classes(self.encoder(x))


class Adversarial:
    """Both species through one encoder that names classes and hides the species; see `patchtype.evaluation.Model`.

    Parameters: ``partner``, cells of the other species, or None with ``families`` for the same network on the
    training cells alone; ``share``, weight of the partner's class loss; ``strength``, of the reversal, reached
    along the first half of the training. The number of ``steps`` is fixed: no cell is set aside to stop it.
    Cells of the partner are drawn with the class shares of the training cells, so that hiding the species does
    not mean hiding the mixture.
    """

    def __init__(self, partner: Cohort | None, seed: int = 0, families=None, share: float = 0.5, strength: float = 0.3,
                 steps: int = 1000, batch: int = 64, rate: float = 1e-3, weight_decay: float = 1e-2):
        self.partner = partner
        self.families = families if partner is None else partner.families
        self.seed, self.share, self.strength = seed, share, strength
        self.steps, self.batch, self.rate, self.weight_decay = steps, batch, rate, weight_decay

    def fit(self, cohort: Cohort) -> Adversarial:
        own = cohort.view(self.families)
        other = own if self.partner is None else self.partner
        self.alignment = Scaled().fit(other.x, other.y, own.x, own.y, len(own.classes))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network = TwoSpeciesNetwork(own.x.shape[1], len(own.classes))
            self._train(_tensor(self.alignment.own(own.x)), torch.from_numpy(own.y))
        return self

    @torch.inference_mode()
    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """(N, C) class probabilities."""
        self.network.eval()
        x = _tensor(self.alignment.own(cohort.view(self.families).x))
        return torch.softmax(self.network(x), dim=1).numpy().astype(float)

    def _train(self, x: torch.Tensor, y: torch.Tensor) -> None:
        network, n_classes = self.network.train(), self.network.classes[-1].out_features
        optimiser = torch.optim.AdamW(network.parameters(), lr=self.rate, weight_decay=self.weight_decay)
        weights = inverse_frequency(torch.bincount(y, minlength=n_classes))
        if self.partner is None:
            batches = ((torch.randint(len(y), (self.batch,)),) for _ in range(self.steps))
            descend(optimiser, batches, lambda rows: cross_entropy(network(x[rows]), y[rows], weight=weights))
            return
        x_partner, y_partner = _tensor(self.alignment.partner), torch.from_numpy(self.partner.y)
        chance = torch.from_numpy(self.alignment.weights)

        def drawn():
            for step in range(self.steps):
                rows = torch.randint(len(y), (self.batch,))
                others = torch.multinomial(chance, self.batch, replacement=True)
                strength = self.strength * min(1.0, 2 * step / self.steps)
                yield x[rows], y[rows], x_partner[others], y_partner[others], weights, strength

        descend(optimiser, drawn(), self._loss)

    def _loss(self, x, y, x_partner, y_partner, weights, strength: float) -> torch.Tensor:
        hidden = self.network.encoder(torch.cat([x, x_partner]))
        named = self.network.classes(hidden)
        classes = cross_entropy(named[: len(y)], y, weight=weights) + self.share * cross_entropy(
            named[len(y):], y_partner, weight=weights)
        species = torch.cat([torch.zeros(len(y)), torch.ones(len(y_partner))])
        guess = self.network.species(Reversal.apply(hidden, strength)).squeeze(1)
        return classes + nn.functional.binary_cross_entropy_with_logits(guess, species)


def _tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, np.float32))
