"""The paper's network: a bidirectional LSTM over family tokens, attention pooling, one head per species."""

from __future__ import annotations

import torch
from torch import nn

INPUTS = ("layer norm", "family embedding")


class AttentionBiLSTM(nn.Module):
    """Tokens (N, T, W) to class scores, through a BiLSTM and a learned weight for each token.

    ``inputs``: "layer norm" normalises each token as the paper does; "family embedding" gives each family a
    linear map of its own, so that a narrow family is not diluted by the zeros that pad it.
    ``classes``: number of classes of each head; head 0 is the species of interest.

    >>> AttentionBiLSTM(tokens=8, width=5, classes=[4])(torch.zeros(3, 8, 5)).shape
    torch.Size([3, 4])
    """

    def __init__(self, tokens: int, width: int, classes: list[int], inputs: str = "layer norm", hidden: int = 128,
                 embedding: int = 32, dropout: float = 0.2):
        super().__init__()
        if inputs not in INPUTS:
            raise ValueError(f"found inputs={inputs!r}, expected one of {INPUTS}")
        own_map = inputs == "family embedding"
        self.norm = nn.LayerNorm(width) if not own_map else None
        self.weight = nn.Parameter(0.2 * torch.randn(tokens, width, embedding)) if own_map else None
        self.bias = nn.Parameter(torch.zeros(tokens, 1, embedding)) if own_map else None
        self.lstm = nn.LSTM(embedding if own_map else width, hidden, batch_first=True, bidirectional=True)
        self.attend = nn.Sequential(nn.Linear(2 * hidden, 128), nn.Tanh(), nn.Linear(128, 1, bias=False))
        self.heads = nn.ModuleList(head(2 * hidden, n, dropout) for n in classes)

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cell vectors (N, 2 hidden) and attention over tokens (N, T), rows summing to one."""
        if self.weight is None:
            x = self.norm(x)
        else:
            x = torch.baddbmm(self.bias, x.transpose(0, 1), self.weight).transpose(0, 1)
        states, _ = self.lstm(x)
        weights = torch.softmax(self.attend(states).squeeze(-1), dim=1)
        return torch.bmm(weights.unsqueeze(1), states).squeeze(1), weights

    def forward(self, x: torch.Tensor, species: int = 0) -> torch.Tensor:
        return self.heads[species](self.encode(x)[0])


def head(width: int, n_classes: int, dropout: float = 0.2) -> nn.Sequential:
    """A fresh classification head on cell vectors."""
    return nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, n_classes))
