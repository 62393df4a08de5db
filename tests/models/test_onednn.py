"""Tanh units through oneDNN: PyTorch's values and slopes, for every kind of input."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import linear

from patchtype.models import onednn as product

needs_onednn = pytest.mark.skipif(product.ONEDNN is None, reason="this PyTorch is built without oneDNN")


def reference(x, weight, bias):
    return torch.tanh(linear(x, weight, bias))


def inputs(*shape, dtype=torch.float32):
    torch.manual_seed(0)
    tensors = torch.randn(*shape, 7, dtype=dtype), torch.randn(5, 7, dtype=dtype), torch.randn(5, dtype=dtype)
    return [tensor.requires_grad_() for tensor in tensors]


def values_and_slopes(function, tensors):
    result = function(*tensors)
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(1)).to(result.dtype)
    return result, *torch.autograd.grad((result * weights).sum(), tensors)


@pytest.mark.parametrize("shape", [(3,), (1,), (4, 3), (2, 4, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_slopes_are_those_of_the_library(shape, dtype):
    tensors = inputs(*shape, dtype=dtype)
    ours, theirs = (values_and_slopes(f, tensors) for f in (product.tanh_units, reference))
    torch.testing.assert_close(ours, theirs)


def test_a_view_that_is_not_contiguous_is_read_rightly():
    x, weight, bias = inputs(4, 3)
    turned = x.transpose(0, 1)
    torch.testing.assert_close(product.tanh_units(turned, weight, bias), reference(turned, weight, bias))


def test_lower_precision_is_left_to_the_library():
    with torch.autocast("cpu", torch.bfloat16):
        assert product.tanh_units(*inputs(3)).dtype == torch.bfloat16


@needs_onednn
def test_single_numbers_do_go_through_onednn():
    with torch.profiler.profile() as seen:
        torch.autograd.grad(product.tanh_units(*(tensors := inputs(4, 3))).sum(), tensors)
    calls = {event.key: event.count for event in seen.key_averages()}
    assert calls["mkldnn::_linear_pointwise"] == 3  # the layer, and the slopes of its input and its weights
    assert "aten::addmm" not in calls


def test_without_onednn_the_library_multiplies(monkeypatch):
    monkeypatch.setattr(product, "ONEDNN", None)
    tensors = inputs(4, 3)
    assert torch.equal(product.tanh_units(*tensors), reference(*tensors))
