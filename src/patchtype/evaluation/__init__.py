"""Evaluation: protocols (who is tested), predictions (what models say), metrics (how right they are)."""

from patchtype.evaluation.importance import family_importance
from patchtype.evaluation.metrics import (
    Estimate,
    confusion,
    corrected_mean,
    fold_differences,
    fold_scores,
    paired_difference,
    per_class,
    summary,
)
from patchtype.evaluation.predictions import Model, as_table, evaluate
from patchtype.evaluation.protocols import CrossValidation, Fold, HoldOut

__all__ = [
    "CrossValidation", "Estimate", "Fold", "HoldOut", "Model", "as_table", "confusion", "corrected_mean", "evaluate",
    "family_importance", "fold_differences", "fold_scores", "paired_difference", "per_class", "summary",
]
