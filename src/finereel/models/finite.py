"""Raise an error for features and scores that are NaN or infinite."""

from dataclasses import fields
from typing import TypeVar

import torch
from torch import Tensor

from finereel.errors import ModelError

Features = TypeVar("Features")
Scores = TypeVar("Scores")


def require_finite_features(features: Features, name: str) -> Features:
    """The features as they are; ModelError where the model called `name` made numbers of them that
    are not finite.
    """
    for field in fields(features):  # type: ignore[arg-type]
        tensor = getattr(features, field.name)
        if isinstance(tensor, Tensor) and not is_finite(tensor):
            raise ModelError(
                f"model {name} makes {field.name} features that are not finite numbers: its "
                "weights are too large or "
                "damaged; copy the model again, or take another one"
            )
    return features


def require_finite_scores(scores: Scores, name: str) -> Scores:
    """The scores as they are; ModelError where the head of the model called `name` made some that
    are not finite.
    """
    for part, matrix in scores.parts.items():  # type: ignore[attr-defined]
        if not is_finite(matrix):
            raise ModelError(
                f"model {name} gives {part} scores that are not finite numbers: the weights of its "
                "head are too large "
                "or damaged; copy the model again, or take another one"
            )
    return scores


def is_finite(tensor: Tensor) -> bool:
    """Whether no number of a tensor is NaN or infinite."""
    if not tensor.is_floating_point():
        return True
    return bool(torch.isfinite(tensor.sum())) or bool(
        torch.isfinite(tensor).all()
    )  # the sum alone may overflow
