"""The network of the family encoder: one embedding per family, masks for what is missing, a small transformer."""

from __future__ import annotations

import torch
from torch import nn

from patchtype.models.family_values import Values


class FamilyTransformer(nn.Module):
    r"""Values of families (N, T, W) to class scores (N, C), through a transformer over T family tokens.

    The token of family :math:`t` adds up what its features say,

    .. math:: e_t = b_t + \sum_j m_{tj} \, (w_{tj} x_{tj}) + (1 - m_{tj}) \, u_{tj} ,

    with :math:`m_{tj} = 1` where feature :math:`j` was measured: a missing feature has a learnt vector
    :math:`u_{tj}` of its own instead of a made-up number. A family without any measured feature is replaced by its
    learnt *mask token*. A cell token that carries the species is read at the end.

    Parameters: ``widths``, the number of features of each family; ``n_classes``; ``size`` of a token.

    >>> network = FamilyTransformer((3, 1), n_classes=4)
    >>> network(Values(torch.zeros(2, 2, 3), torch.ones(2, 2, 3, dtype=torch.bool), torch.zeros(2).long())).shape
    torch.Size([2, 4])
    """

    def __init__(self, widths: tuple[int, ...], n_classes: int, size: int = 32, layers: int = 2, heads: int = 4,
                 dropout: float = 0.2, family_dropout: float = 0.15):
        super().__init__()
        tokens, width = len(widths), max(widths)
        self.family_dropout = family_dropout
        exists = torch.zeros(tokens, width)
        for token, n in enumerate(widths):
            exists[token, :n] = 1
        self.register_buffer("exists", exists)
        spread = 1 / torch.tensor(widths, dtype=torch.float32).sqrt()
        self.weight = nn.Parameter(torch.randn(tokens, width, size) * spread[:, None, None])
        self.missing = nn.Parameter(torch.zeros(tokens, width, size))
        self.bias = nn.Parameter(0.1 * torch.randn(tokens, size))
        self.mask_token = nn.Parameter(0.1 * torch.randn(tokens, size))
        self.cell_token = nn.Parameter(0.1 * torch.randn(2, size))
        layer = nn.TransformerEncoderLayer(
            size, heads, 2 * size, dropout, activation="gelu", batch_first=True, norm_first=True)
        layer.self_attn.dropout = 0.0  # family dropout already hides tokens, and random numbers cost time here
        self.transformer = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(size)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(size, n_classes))
        self.decode = nn.Parameter(torch.randn(tokens, size, width) / size**0.5)

    def embed(self, values: Values, hidden: torch.Tensor | None = None) -> torch.Tensor:
        """Family tokens (N, T, E); each depends on its own family alone. ``hidden`` (N, T) families are masked."""
        seen = values.seen * self.exists
        tokens = torch.einsum("ntw,twe->nte", values.x * seen, self.weight)
        tokens = tokens + torch.einsum("ntw,twe->nte", self.exists - seen, self.missing) + self.bias
        gone = ~seen.any(dim=2)
        if hidden is not None:
            gone = gone | hidden
        return torch.where(gone[..., None], self.mask_token, tokens)

    def states(self, values: Values, hidden: torch.Tensor | None = None) -> torch.Tensor:
        """States (N, 1 + T, E) of the cell token and of the family tokens."""
        tokens = torch.cat([self.cell_token[values.species][:, None], self.embed(values, hidden)], dim=1)
        return self.norm(self.transformer(tokens))

    def forward(self, values: Values) -> torch.Tensor:
        hidden = None
        if self.training and self.family_dropout > 0:
            hidden = torch.rand(values.x.shape[:2]) < self.family_dropout
        return self.head(self.states(values, hidden)[:, 0])

    def reconstruct(self, values: Values, hidden: torch.Tensor | None = None) -> torch.Tensor:
        """Every feature of every family (N, T, W) from the states of the families, for pretraining."""
        return torch.einsum("nte,tew->ntw", self.states(values, hidden)[:, 1:], self.decode)
