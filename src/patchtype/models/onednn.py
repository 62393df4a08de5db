"""A layer of tanh units whose matrix products go through oneDNN.

PyTorch multiplies 32-bit matrices through MKL, which uses half the width of the vector units of a processor
that is not Intel's. oneDNN, with which PyTorch computes its LSTM, uses all of it, and takes tanh on the way.
"""

from __future__ import annotations

import torch
from torch.nn.functional import linear

#: oneDNN's product, where this PyTorch has it. PyTorch's compiler calls it; it has no public name.
ONEDNN = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None


def tanh_units(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """tanh of ``x`` (..., D) times ``weight`` (E, D) transposed plus ``bias`` (E,), to rounding: (..., E).

    Other than 32-bit numbers on a CPU are left to PyTorch's own functions.

    >>> tanh_units(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([100.0])).tolist()
    [[1.0]]
    """
    plain = ONEDNN is None or torch.is_autocast_enabled("cpu")
    if plain or x.device.type != "cpu" or not x.dtype == weight.dtype == torch.float32:
        return torch.tanh(linear(x, weight, bias))
    return _TanhUnits.apply(x.flatten(0, -2), weight, bias).view(*x.shape[:-1], -1)


class _TanhUnits(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        result = product(x, weight, bias, "tanh")
        ctx.save_for_backward(x, weight, result)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, weight, result = ctx.saved_tensors
        grad = torch.ops.aten.tanh_backward(grad, result)
        return product(grad, weight.t()), product(grad.t(), x.t()), grad.sum(0)


def product(a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None = None, then: str = "none") -> torch.Tensor:
    """``a`` (M, K) times ``b`` (N, K) transposed, plus ``bias`` (N,); 32-bit, by oneDNN."""
    return ONEDNN(a, b, bias, then, [], "")
