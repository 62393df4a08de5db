"""The training loop of every network of the book, `descend`, and early stopping on validation cells around it.

A step should cost its matrix products and little else. So there is no data loader, both species of a joint
step go through the encoder as one batch, all parameters lie in one vector that is clipped and updated at once,
and the memory that a step frees stays for the next. None of this changes a result: the loss curve is that of a
plain loop with the same seed.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch
from imblearn.over_sampling import SMOTE
from torch import nn


def accuracy(confusion: torch.Tensor) -> float:
    """Share of cells on the diagonal of a confusion matrix (true, predicted)."""
    return float(confusion.diagonal().sum() / confusion.sum())


def macro_f1(confusion: torch.Tensor) -> float:
    """Mean F1 over the classes that occur or are predicted, from a confusion matrix (true, predicted)."""
    cells = confusion.sum(0) + confusion.sum(1)
    return float((2 * confusion.diagonal()[cells > 0] / cells[cells > 0]).mean())


#: Scores that may stop training, by name.
STOPPING = {"macro_f1": macro_f1, "accuracy": accuracy}


@dataclass(frozen=True)
class Plan:
    """Hyper-parameters of one training run; the defaults are the paper's.

    Training ends when ``stop_on`` has not risen on validation cells for ``patience`` epochs, and the weights
    of its best epoch are kept. ``precision`` "bfloat16" halves the width of the matrix products.
    """

    rate: float = 1e-3
    weight_decay: float = 1e-4
    clip: float = 2.0
    batch: int = 64
    epochs: int = 50
    patience: int = 7
    stop_on: str = "macro_f1"
    precision: str = "float32"

    def __post_init__(self):
        if self.stop_on not in STOPPING:
            raise ValueError(f"found stop_on={self.stop_on!r}, expected one of {tuple(STOPPING)}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"found precision={self.precision!r}, expected 'float32' or 'bfloat16'")
        if self.precision == "bfloat16" and not computes_in_bfloat16():
            raise ValueError("found precision='bfloat16', which this processor cannot compute with; use 'float32'")


def computes_in_bfloat16() -> bool:
    """Whether this processor can train a network in bfloat16; one without AVX-512 cannot."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


@dataclass(frozen=True)
class Cells:
    """Tokens (N, T, W), or cell vectors (N, D), and class codes (N,) of some cells."""

    x: torch.Tensor
    y: torch.Tensor

    def counts(self, n_classes: int) -> torch.Tensor:
        """(C,) cells of each class."""
        return torch.bincount(self.y, minlength=n_classes)

    def oversampled(self, seed: int, neighbours: int = 5) -> Cells:
        """With synthetic cells until every class present is as large as the largest (SMOTE, Chawla et al. 2002).

        A synthetic cell lies between a cell and one of its ``neighbours`` nearest of the same class, in the space
        of flattened tokens. Classes of at most that many cells use all their others; a single cell is repeated.
        Give it training cells only: what it is not given it cannot mix in.
        """
        counts = torch.bincount(self.y)
        smallest = int(counts[counts > 0].min())
        x, y = self.x.flatten(1), self.y
        if smallest == 1:  # a cell without neighbours: a twin stands in for them
            alone = torch.isin(y, (counts == 1).nonzero().flatten())
            x, y, smallest = torch.cat([x, x[alone]]), torch.cat([y, y[alone]]), 2
        x, y = SMOTE(k_neighbors=min(neighbours, smallest - 1), random_state=seed).fit_resample(x.numpy(), y.numpy())
        return Cells(torch.from_numpy(x).view(-1, *self.x.shape[1:]), torch.from_numpy(y))


def descend(optimiser: torch.optim.Optimizer, batches: Iterable[tuple], loss_of: Callable[..., torch.Tensor],
            clip: float | None = None, schedule=None, in_place: bool = False) -> float:
    """One pass over ``batches``, a step of the optimiser for each; returns the mean loss.

    Parameters
    ----------
    batches : what ``loss_of`` takes at each step; drawn as the steps come
    clip : largest norm of the gradient of all parameters together
    schedule : of the learning rate, moved on after each step
    in_place : gradients are set to zero where they lie. Without it a parameter that a loss does not reach is left
        alone, and does not decay.
    """
    parameters = [each for group in optimiser.param_groups for each in group["params"]]
    total, steps = torch.zeros(()), 0
    for batch in batches:
        optimiser.zero_grad(set_to_none=not in_place)
        loss = loss_of(*batch)
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(parameters, clip)
        optimiser.step()
        if schedule is not None:
            schedule.step()
        total += loss.detach()
        steps += 1
    return float(total) / steps


def train(network, cells: Cells, validation: Cells, plan: Plan, generator: torch.Generator, extra: Cells | None = None,
          extra_weight: float = 0.5) -> list[dict]:
    """Train in place and leave the weights of the best validation epoch; returns the history of epochs.

    With ``extra`` (cells of the other species, read by head 1) each step adds ``extra_weight`` times their
    loss, and an epoch is one pass over them, with the own cells repeated as often as needed.
    """
    keep_freed_memory()
    score = STOPPING[plan.stop_on]
    loss_of = _losses(network, cells, extra, extra_weight, plan)
    best, waited, history = -1.0, 0, []
    with _as_one_vector(network) as flat:
        kept = flat.detach().clone()
        optimiser = torch.optim.AdamW([flat], lr=plan.rate, weight_decay=plan.weight_decay, fused=True)
        for epoch in range(plan.epochs):
            network.train()
            steps = _steps(len(cells.y), 0 if extra is None else len(extra.y), plan.batch, generator)
            loss = descend(optimiser, steps, loss_of, plan.clip, in_place=True)
            value = score(_confusion(network, validation, plan))
            history.append({"epoch": epoch, "loss": loss, plan.stop_on: value})
            if value > best:
                best, waited = value, 0
                kept.copy_(flat.detach())
            elif (waited := waited + 1) >= plan.patience:
                break
        flat.detach().copy_(kept)
    return history


@cache
def keep_freed_memory() -> None:
    """Have this process keep the memory that a training step frees, up to 64 MB.

    As it comes, glibc may give blocks of some megabytes back to the kernel at once, and the next step gets them
    anew, page by page and filled with zeros; with the paper's twelve families of 150 columns this takes up to a
    quarter of the time. It holds for the whole process. With another C library nothing is done. See mallopt(3).
    """
    if platform.libc_ver()[0] == "glibc":
        mmap_threshold, trim_threshold = -3, -1
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, 2**25)  # the largest that glibc takes
        libc.mallopt(trim_threshold, 2**26)


@contextmanager
def _as_one_vector(network):
    """All parameters of a network as one leaf vector, of which each parameter and gradient is a view.

    Clipping and AdamW treat every number alike, so one update of the vector is the update of all of them.
    """
    parameters = list(network.parameters())
    flat = torch.cat([p.detach().flatten() for p in parameters]).requires_grad_()
    flat.grad = torch.zeros_like(flat)
    start = 0
    for p in parameters:
        part = slice(start, start := start + p.numel())
        p.data, p.grad = flat.detach()[part].view_as(p), flat.grad[part].view_as(p)
    try:
        yield flat
    finally:
        for p in parameters:
            p.data, p.grad = p.data.clone(), None


def _precision(plan: Plan):
    return torch.autocast("cpu", torch.bfloat16, enabled=plan.precision == "bfloat16")


def _losses(network, cells: Cells, extra: Cells | None, extra_weight: float, plan: Plan):
    """The loss of one step, given the rows of its own cells and, with ``extra``, of the other species."""
    head = network.heads[0]
    weights = head.class_weights(cells.counts(head.n_classes))

    @_precision(plan)
    def own(rows):
        return head.loss(network.encode(cells.x.index_select(0, rows))[0].float(), cells.y[rows], weights)

    if extra is None:
        return own
    other = network.heads[1]
    extra_weights = other.class_weights(extra.counts(other.n_classes))

    x = torch.cat([cells.x, extra.x])

    @_precision(plan)
    def joint(rows, extra_rows):
        both = network.encode(x.index_select(0, torch.cat([rows, extra_rows + len(cells.x)])))[0].float()
        mine, theirs = both[: len(rows)], both[len(rows):]
        loss = head.loss(mine, cells.y[rows], weights)
        return loss + extra_weight * other.loss(theirs, extra.y[extra_rows], extra_weights)

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
def _confusion(network, cells: Cells, plan: Plan) -> torch.Tensor:
    network.eval()
    with _precision(plan):
        scores = network(cells.x)
    n = scores.shape[1]
    return torch.bincount(cells.y * n + scores.argmax(1), minlength=n * n).view(n, n).double()


@torch.inference_mode()
def probabilities(network, x: torch.Tensor, species: int = 0) -> torch.Tensor:
    """(N, C) class probabilities of one head."""
    network.eval()
    return torch.softmax(network(x, species), dim=1)
