"""The family encoder as a model of the book: pretrained without labels on both species, then trained for one.

*Pretraining* hides some measured values and some whole families, and asks for the hidden values. It needs no
label. Its pool is the cells given to `FamilyEncoder.fit` and all cells of the other species: the test cells of a
fold are in neither, so not even their features are seen. *Training* then reads the subclass from the cell token.

There is no early stopping and so no validation cells: the number of epochs is fixed, the learning rate
falls to zero, and several networks from different seeds are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from patchtype.cohorts import Cohort
from patchtype.models.family_transformer import FamilyTransformer
from patchtype.models.family_values import FamilyValues, Values, join
from patchtype.models.training import descend


@dataclass(frozen=True)
class EncoderPlan:
    """Hyper-parameters of the two stages. ``hide`` and ``hide_families`` are shares hidden in pretraining."""

    pretrain_epochs: int = 12
    epochs: int = 40
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 0.05
    smoothing: float = 0.05
    hide: float = 0.25
    hide_families: float = 0.2
    size: int = 32
    layers: int = 2
    dropout: float = 0.2
    family_dropout: float = 0.15


@dataclass
class FamilyEncoder:
    """Transformer over family tokens; see the module, and `patchtype.evaluation.Model` for its interface.

    ``partner``: all cells of the other species, whose labels are not read; without it, or with
    ``plan.pretrain_epochs=0``, pretraining sees the given cells alone, or is left out.
    ``members``: networks averaged. Classes are weighted by the inverse of their frequency to the power ``balance``.
    After `fit`: ``networks`` and ``values`` (the fitted scaler).

    >>> FamilyEncoder(seed=1, members=2).plan.epochs
    40
    """

    seed: int = 0
    partner: Cohort | None = None
    members: int = 1
    balance: float = 0.5
    plan: EncoderPlan = field(default_factory=EncoderPlan)

    def fit(self, cohort: Cohort) -> FamilyEncoder:
        self.values = FamilyValues().fit(cohort)
        cells, y = self.values.transform(cohort), torch.from_numpy(cohort.y)
        pool = cells if self.partner is None else join(cells, self.values.of_other(self.partner))
        self.networks = []
        for member in range(self.members):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed * 101 + member)
                network = FamilyTransformer(
                    self.values.widths, len(cohort.classes), self.plan.size, self.plan.layers,
                    dropout=self.plan.dropout, family_dropout=self.plan.family_dropout)
                pretrain(network, pool, self.plan)
                train(network, cells, y, self._weights(y, len(cohort.classes)), self.plan)
            self.networks.append(network.eval())
        return self

    @torch.inference_mode()
    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """(N, C) mean of the networks' class probabilities."""
        values = self.values.transform(cohort)
        return torch.stack([torch.softmax(net(values), dim=1) for net in self.networks]).mean(0).double().numpy()

    def _weights(self, y: torch.Tensor, n_classes: int) -> torch.Tensor:
        counts = torch.bincount(y, minlength=n_classes).clamp(min=1).float()
        weights = counts.pow(-self.balance)
        return weights / weights[y].mean()


def pretrain(network: FamilyTransformer, pool: Values, plan: EncoderPlan) -> list[float]:
    """Learn to say hidden values from the rest, in place; returns the mean loss of each epoch.

    Only values that were measured and then hidden count: a value that is missing has no truth to learn from.
    """

    def loss(rows):
        batch = pool.take(rows)
        families = torch.rand(batch.x.shape[:2]) < plan.hide_families
        hidden = batch.seen & ((torch.rand(batch.x.shape) < plan.hide) | families[..., None])
        said = network.reconstruct(Values(batch.x, batch.seen & ~hidden, batch.species))
        return nn.functional.smooth_l1_loss(said[hidden], batch.x[hidden])

    return _epochs(network, loss, len(pool.x), plan.pretrain_epochs, plan)


def train(network: FamilyTransformer, cells: Values, y: torch.Tensor, weights: torch.Tensor,
          plan: EncoderPlan) -> list[float]:
    """Learn the classes ``y`` (N,), in place; ``weights`` (C,) count the classes. Returns the loss of each epoch."""
    criterion = nn.CrossEntropyLoss(weights, label_smoothing=plan.smoothing)
    return _epochs(network, lambda rows: criterion(network(cells.take(rows)), y[rows]), len(y), plan.epochs, plan)


def _epochs(network, loss_of, n: int, epochs: int, plan: EncoderPlan) -> list[float]:
    """Shuffled batches, AdamW, a rate that rises for a tenth of the steps and then falls to zero."""
    if epochs == 0:
        return []
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=plan.weight_decay, fused=True)
    steps = epochs * -(-n // plan.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=steps, pct_start=0.1)
    network.train()
    return [descend(optimiser, ((rows,) for rows in torch.randperm(n).split(plan.batch)), loss_of, 1.0, schedule)
            for _ in range(epochs)]
