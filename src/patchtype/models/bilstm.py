"""The BiLSTM over families as a model of the book: trained on a cohort, alone or with the other species' help.

Three regimes share one class, so that they differ in nothing but what they see:

* ``BiLSTM()``: the cells of the cohort alone;
* ``BiLSTM(pretrained=...)``: the encoder starts from weights trained on the other species, a new head is
  warmed up alone, then everything is fine-tuned;
* ``BiLSTM(partner=...)``: both species are trained together through one encoder and two heads, then the
  cohort alone is fine-tuned.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from patchtype.cohorts import Cohort
from patchtype.models.network import FamilyBiLSTM, HeadsAlone
from patchtype.models.tokens import FamilyTokens
from patchtype.models.training import Cells, Plan, probabilities, train

#: The paper's four networks, by the name shown in tables: arguments of `BiLSTM`.
VARIANTS = {
    "last step": {"pooling": "last step"},
    "attention": {},
    "attention + SMOTE": {"smote": True},
    "ArcFace + focal loss": {"head": "arcface"},
}

#: Learning rates and epochs of the stages of transfer, as the paper gives them.
WARM_UP = {"rate": 1e-3, "epochs": 5, "patience": 5}
FINE_TUNE = {"rate": 5e-4}
JOINT = {"rate": 5e-4}
AFTER_JOINT = {"rate": 3e-4}


@dataclass(frozen=True)
class Partner:
    """Cells of the other species for joint training, scaled on themselves once for all folds.

    ``x`` (N, T, W) tokens and ``y`` (N,) class codes are NumPy arrays: joblib maps those into the memory of all
    processes, where it would send tensors to each fold anew.
    """

    x: np.ndarray
    y: np.ndarray
    n_classes: int

    @classmethod
    def of(cls, cohort: Cohort) -> Partner:
        """The partner made of all cells of a cohort; no cell of the species of interest takes part."""
        return cls(FamilyTokens().fit(cohort).transform(cohort).numpy(), cohort.y, len(cohort.classes))

    @property
    def cells(self) -> Cells:
        """A copy for training, as joblib's arrays cannot be written to."""
        return Cells(torch.tensor(self.x), torch.tensor(self.y))


@dataclass
class BiLSTM:
    """BiLSTM over families; see the module for its regimes and `patchtype.evaluation.Model` for its interface.

    ``inputs``, ``pooling`` and ``head`` are those of `FamilyBiLSTM`. ``smote`` adds synthetic training cells
    of rare classes after scaling. ``validation`` is the share of the cells given to `fit` that decide when to
    stop and do nothing else: they are drawn by class, or with ``grouped`` by donor, and neither scaler, SMOTE,
    class weights, priors nor gradients see them. ``plan.stop_on`` is the score they decide by, in every stage.
    After `fit`: ``network``, ``tokens`` (the fitted scaler), ``priors`` (C,) class shares and ``history``.

    >>> BiLSTM(seed=0, **VARIANTS["last step"]).pooling
    'last step'
    """

    seed: int = 0
    inputs: str = "layer norm"
    pooling: str = "attention"
    head: str = "linear"
    smote: bool = False
    plan: Plan = field(default_factory=Plan)
    validation: float = 0.2
    grouped: bool = False
    pretrained: BiLSTM | None = None
    partner: Partner | None = None
    epochs: int | None = None  # caps every stage, for a quick run

    def fit(self, cohort: Cohort) -> BiLSTM:
        inner, held = self._split(cohort)
        self.tokens = FamilyTokens().fit(cohort.take(inner))
        cells, validation = (self._cells(cohort.take(rows)) for rows in (inner, held))
        counts = cells.counts(len(cohort.classes)).numpy()
        self.priors = counts / counts.sum()
        if self.smote:
            cells = cells.oversampled(self.seed)
        self.generator = torch.Generator().manual_seed(self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            if self.partner is not None:
                self.history = self._fit_joint(cohort, cells, validation)
            elif self.pretrained is not None:
                self.history = self._fine_tune(cohort, cells, validation)
            else:
                self.network = self._network(cells, [len(cohort.classes)])
                self.history = self._train(cells, validation)
        return self

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """(N, C) class probabilities."""
        return probabilities(self.network, self.tokens.transform(cohort)).numpy()

    @torch.inference_mode()
    def attention(self, cohort: Cohort) -> np.ndarray:
        """(N, T) weight of each family for each cell; rows sum to one."""
        self.network.eval()
        return self.network.encode(self.tokens.transform(cohort))[1].numpy()

    def integrated_gradients(self, cohort: Cohort, points: int = 24) -> np.ndarray:
        r"""Share of each family in each cell's score of its own subclass (Sundararajan et al. 2017), (N, T).

        The score is :math:`\log p_y`. The path runs straight from the embedded tokens of a cell whose every
        feature is at its training mean to those of the cell, so each family has a share

        .. math:: \mathrm{IG}_t = (e_t - e'_t) \cdot \int_0^1 \frac{\partial \log p_y}{\partial e_t}
                  \bigl(e' + a (e - e')\bigr) \, da ,

        and the shares of a cell add up to the difference of its score from the mean cell's (completeness).
        The integral is a Gauss-Legendre sum over ``points``, in double precision.
        """
        network = deepcopy(self.network).eval().double()
        tokens, y = self.tokens.transform(cohort).double(), torch.from_numpy(cohort.y)
        nodes, weights = np.polynomial.legendre.leggauss(points)
        shares = []
        for rows in torch.arange(len(cohort)).split(128):  # few at a time: the path holds every state
            with torch.no_grad():
                end = network.embed(tokens[rows])
                start = network.embed(torch.zeros_like(tokens[rows]))
            total = torch.zeros_like(start)
            for place, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
                at = (start + place * (end - start)).requires_grad_()
                total += weight * torch.autograd.grad(network.log_probability(at, y[rows]).sum(), at)[0]
            shares.append((total * (end - start)).sum(2))
        return torch.cat(shares).numpy()

    def _fine_tune(self, cohort, cells, validation) -> list[dict]:
        self.network = self._network(cells, [len(cohort.classes)])
        donor = self.pretrained.network.state_dict()
        encoder = {name: value for name, value in donor.items() if not name.startswith("heads.")}
        self.network.load_state_dict(encoder, strict=False)
        with torch.no_grad():
            vectors = [Cells(self.network.encode(part.x)[0], part.y) for part in (cells, validation)]
        warm = self._train(*vectors, network=HeadsAlone(self.network), **WARM_UP)
        return warm + self._train(cells, validation, **FINE_TUNE)

    def _fit_joint(self, cohort, cells, validation) -> list[dict]:
        extra = self.partner.cells.oversampled(self.seed) if self.smote else self.partner.cells
        self.network = self._network(cells, [len(cohort.classes), self.partner.n_classes])
        together = self._train(cells, validation, extra=extra, **JOINT)
        return together + self._train(cells, validation, **AFTER_JOINT)

    def _train(self, cells, validation, network=None, extra=None, **stage) -> list[dict]:
        """One stage: the plan with what the stage changes, no longer than ``epochs``."""
        plan = replace(self.plan, **stage)
        if self.epochs is not None:
            plan = replace(plan, epochs=min(plan.epochs, self.epochs))
        return train(self.network if network is None else network, cells, validation, plan, self.generator, extra)

    def _network(self, cells: Cells, classes: list[int]) -> FamilyBiLSTM:
        return FamilyBiLSTM(cells.x.shape[1], cells.x.shape[2], classes, self.inputs, self.pooling, self.head)

    def _cells(self, cohort: Cohort) -> Cells:
        return Cells(self.tokens.transform(cohort), torch.from_numpy(cohort.y))

    def _split(self, cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the cells trained on and of those that decide when to stop."""
        if self.grouped:
            splitter = StratifiedGroupKFold(round(1 / self.validation), shuffle=True, random_state=self.seed)
            return next(splitter.split(cohort.x, cohort.y, cohort.donors))
        return train_test_split(
            np.arange(len(cohort)), test_size=self.validation, stratify=cohort.y, random_state=self.seed)
