"""The attention BiLSTM as a model of the book: trained on a cohort, alone or with the other species' help.

Three regimes share one class, so that they differ in nothing but what they see:

* ``BiLSTM()``: the cells of the cohort alone;
* ``BiLSTM(pretrained=...)``: the encoder starts from weights trained on the other species, a new head is
  warmed up alone, then everything is fine-tuned;
* ``BiLSTM(partner=...)``: both species are trained together through one encoder and two heads, then the
  cohort alone is fine-tuned.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from helpers.cohorts import Cohort
from helpers.models.network import AttentionBiLSTM
from helpers.models.tokens import FamilyTokens
from helpers.models.training import Cells, Plan, probabilities, train

#: Learning rates of the stages, as the paper gives them.
FINE_TUNE = Plan(rate=5e-4)
WARM_UP = Plan(rate=1e-3, epochs=5, patience=5)
JOINT = Plan(rate=5e-4)
AFTER_JOINT = Plan(rate=3e-4)


@dataclass
class BiLSTM:
    """Attention BiLSTM; see the module for its regimes and `helpers.evaluation.Model` for its interface.

    ``validation`` is the share of training cells that decide when to stop; with ``grouped`` their donors are
    kept apart from the rest. After `fit`: ``network``, ``tokens`` (the fitted scaler) and ``history``.
    """

    seed: int = 0
    inputs: str = "layer norm"
    plan: Plan = field(default_factory=Plan)
    validation: float = 0.2
    grouped: bool = False
    pretrained: BiLSTM | None = None
    partner: Cohort | None = None
    epochs: int | None = None  # caps every stage, for a quick run

    def fit(self, cohort: Cohort) -> BiLSTM:
        inner, held = self._split(cohort)
        self.tokens = FamilyTokens().fit(cohort.take(inner))
        cells, validation = (self._cells(cohort.take(rows)) for rows in (inner, held))
        generator = torch.Generator().manual_seed(self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            if self.partner is not None:
                self._fit_joint(cohort, cells, validation, generator)
            elif self.pretrained is not None:
                self._fine_tune(cohort, cells, validation, generator)
            else:
                self.network = self._network(cells, [len(cohort.classes)])
                self.history = train(self.network, cells, validation, self._capped(self.plan), generator)
        return self

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """(N, C) class probabilities."""
        return probabilities(self.network, self.tokens.transform(cohort)).numpy()

    @torch.inference_mode()
    def attention(self, cohort: Cohort) -> np.ndarray:
        """(N, T) weight of each family for each cell; rows sum to one."""
        self.network.eval()
        return self.network.encode(self.tokens.transform(cohort))[1].numpy()

    def _fine_tune(self, cohort, cells, validation, generator):
        self.network = self._network(cells, [len(cohort.classes)])
        donor = self.pretrained.network.state_dict()
        encoder = {name: value for name, value in donor.items() if not name.startswith("heads.")}
        self.network.load_state_dict(encoder, strict=False)
        warm = train(self.network, cells, validation, self._capped(replace(WARM_UP, stop_on=self.plan.stop_on)),
                     generator, parameters=self.network.heads.parameters())
        tune = self._capped(replace(FINE_TUNE, stop_on=self.plan.stop_on))
        self.history = warm + train(self.network, cells, validation, tune, generator)

    def _fit_joint(self, cohort, cells, validation, generator):
        partner_tokens = FamilyTokens().fit(self.partner)
        extra = Cells(partner_tokens.transform(self.partner), torch.from_numpy(self.partner.y))
        self.network = self._network(cells, [len(cohort.classes), len(self.partner.classes)])
        joint = self._capped(replace(JOINT, stop_on=self.plan.stop_on))
        after = self._capped(replace(AFTER_JOINT, stop_on=self.plan.stop_on))
        self.history = train(self.network, cells, validation, joint, generator, extra=extra)
        self.history += train(self.network, cells, validation, after, generator)

    def _network(self, cells: Cells, classes: list[int]) -> AttentionBiLSTM:
        return AttentionBiLSTM(cells.x.shape[1], cells.x.shape[2], classes, self.inputs)

    def _cells(self, cohort: Cohort) -> Cells:
        return Cells(self.tokens.transform(cohort), torch.from_numpy(cohort.y))

    def _capped(self, plan: Plan) -> Plan:
        return plan if self.epochs is None else replace(plan, epochs=min(plan.epochs, self.epochs))

    def _split(self, cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the cells trained on and of those that decide when to stop."""
        if self.grouped:
            splitter = StratifiedGroupKFold(round(1 / self.validation), shuffle=True, random_state=self.seed)
            return next(splitter.split(cohort.x, cohort.y, cohort.donors))
        return train_test_split(
            np.arange(len(cohort)), test_size=self.validation, stratify=cohort.y, random_state=self.seed)
