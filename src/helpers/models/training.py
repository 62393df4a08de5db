"""One training loop for every network of the book: tensors in memory, early stopping on validation cells."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from sklearn.metrics import accuracy_score, f1_score
from torch.nn.functional import cross_entropy

STOPPING = {
    "macro_f1": lambda true, predicted: f1_score(true, predicted, average="macro", zero_division=0),
    "accuracy": accuracy_score,
}


@dataclass(frozen=True)
class Plan:
    """Hyper-parameters of one training run; the defaults are the paper's."""

    rate: float = 1e-3
    weight_decay: float = 1e-4
    clip: float = 2.0
    batch: int = 64
    epochs: int = 50
    patience: int = 7
    stop_on: str = "macro_f1"


@dataclass(frozen=True)
class Cells:
    """Tokens (N, T, W) and class codes (N,) of some cells."""

    x: torch.Tensor
    y: torch.Tensor

    def class_weights(self, n_classes: int) -> torch.Tensor:
        """Inverse class frequencies, mean one over the classes; an absent class counts as one cell."""
        weights = 1 / torch.bincount(self.y, minlength=n_classes).clamp(min=1).float()
        return weights * n_classes / weights.sum()


def train(network, cells: Cells, validation: Cells, plan: Plan, generator: torch.Generator, extra: Cells | None = None,
          extra_weight: float = 0.5, parameters=None) -> list[dict]:
    """Train in place and leave the weights of the best validation epoch; returns the history of epochs.

    With ``extra`` (cells of the other species, read by head 1) each step adds ``extra_weight`` times their
    loss, and an epoch is one pass over them, with the own cells repeated as often as needed.
    ``parameters`` limits what is trained (the head alone, say); by default everything.
    """
    score = STOPPING[plan.stop_on]
    losses = _losses(network, cells, extra, extra_weight)
    chosen = list(network.parameters() if parameters is None else parameters)
    optimiser = torch.optim.AdamW(chosen, lr=plan.rate, weight_decay=plan.weight_decay, fused=True)
    best, best_state, waited, history = -1.0, copy.deepcopy(network.state_dict()), 0, []
    for epoch in range(plan.epochs):
        network.train()
        total = torch.zeros(())
        steps = list(_steps(len(cells.y), 0 if extra is None else len(extra.y), plan.batch, generator))
        for rows in steps:
            loss = losses(*rows)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(chosen, plan.clip, foreach=True)
            optimiser.step()
            total += loss.detach()
        value = score(validation.y.numpy(), probabilities(network, validation.x).argmax(1).numpy())
        history.append({"epoch": epoch, "loss": float(total) / len(steps), plan.stop_on: float(value)})
        if value > best:
            best, best_state, waited = value, copy.deepcopy(network.state_dict()), 0
        elif (waited := waited + 1) >= plan.patience:
            break
    network.load_state_dict(best_state)
    return history


def _losses(network, cells: Cells, extra: Cells | None, extra_weight: float):
    """The loss of one step, given the rows of its own cells and, with ``extra``, of the other species."""
    weights = cells.class_weights(network.heads[0][-1].out_features)

    def own(rows):
        return cross_entropy(network(cells.x[rows]), cells.y[rows], weight=weights)

    if extra is None:
        return own
    extra_weights = extra.class_weights(network.heads[1][-1].out_features)

    def joint(rows, extra_rows):
        other = cross_entropy(network(extra.x[extra_rows], 1), extra.y[extra_rows], weight=extra_weights)
        return own(rows) + extra_weight * other

    return joint


def _steps(n: int, n_extra: int, batch: int, generator: torch.Generator):
    """Rows of each step of one epoch: shuffled batches, paired with batches of the extra cells if any."""
    own = torch.randperm(n, generator=generator).split(batch)
    if not n_extra:
        yield from ((rows,) for rows in own)
        return
    own = list(own)
    for extra_rows in torch.randperm(n_extra, generator=generator).split(batch):
        if not own:
            own = list(torch.randperm(n, generator=generator).split(batch))
        yield own.pop(), extra_rows


@torch.inference_mode()
def probabilities(network, x: torch.Tensor, species: int = 0) -> torch.Tensor:
    """(N, C) class probabilities of one head."""
    network.eval()
    return torch.softmax(network(x, species), dim=1)
