"""Evaluation: protocols (who is tested), predictions (what models say), metrics (how right they are)."""

from helpers.evaluation.importance import family_importance
from helpers.evaluation.metrics import (
    Estimate,
    confusion,
    corrected_mean,
    fold_scores,
    paired_difference,
    per_class,
    summary,
)
from helpers.evaluation.predictions import Model, as_table, evaluate
from helpers.evaluation.protocols import CrossValidation, Fold, HoldOut

__all__ = [
    "CrossValidation", "Estimate", "Fold", "HoldOut", "Model", "as_table", "confusion", "corrected_mean", "evaluate",
    "family_importance", "fold_scores", "paired_difference", "per_class", "summary",
]
