"""The paper's network: a bidirectional LSTM over family tokens, pooled to one vector, one head per species."""

from __future__ import annotations

import torch
from torch import nn

from patchtype.models.objectives import HEADS
from patchtype.models.onednn import tanh_units

INPUTS = ("layer norm", "family embedding")
POOLINGS = ("attention", "last step")


class FamilyBiLSTM(nn.Module):
    """Tokens (N, T, W) to class scores, through a BiLSTM and a pooling over tokens.

    ``inputs``: "layer norm" normalises each token as the paper does; "family embedding" gives each family a
    linear map of its own, so that a narrow family is not diluted by the zeros that pad it.
    ``pooling``: "attention" adds the states up by learned weights; "last step" takes the state at the last
    token, where the backward direction has read that token alone.
    ``head``: one of `objectives.HEADS`. ``classes``: classes of each head; head 0 is the species of interest.

    >>> FamilyBiLSTM(tokens=8, width=5, classes=[4])(torch.zeros(3, 8, 5)).shape
    torch.Size([3, 4])
    """

    def __init__(self, tokens: int, width: int, classes: list[int], inputs: str = "layer norm",
                 pooling: str = "attention", head: str = "linear", hidden: int = 128, embedding: int = 32,
                 dropout: float = 0.2):
        super().__init__()
        for name, value, known in (("inputs", inputs, INPUTS), ("pooling", pooling, POOLINGS), ("head", head, HEADS)):
            if value not in known:
                raise ValueError(f"found {name}={value!r}, expected one of {tuple(known)}")
        own_map = inputs == "family embedding"
        self.norm = nn.LayerNorm(width) if not own_map else None
        self.weight = nn.Parameter(0.2 * torch.randn(tokens, width, embedding)) if own_map else None
        self.bias = nn.Parameter(torch.zeros(tokens, 1, embedding)) if own_map else None
        self.lstm = nn.LSTM(embedding if own_map else width, hidden, batch_first=True, bidirectional=True)
        self.attend = None if pooling == "last step" else nn.Sequential(
            nn.Linear(2 * hidden, 128), nn.Tanh(), nn.Linear(128, 1, bias=False))
        self.heads = nn.ModuleList(HEADS[head](2 * hidden, n, dropout) for n in classes)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """What the LSTM reads, (N, T, E): each token depends on its own family alone."""
        if self.weight is None:
            return self.norm(x)
        return torch.baddbmm(self.bias, x.transpose(0, 1), self.weight).transpose(0, 1)

    def pool(self, embedded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cell vectors (N, 2 hidden) and the weight of each token (N, T), rows summing to one."""
        states, _ = self.lstm(embedded)
        if self.attend is None:
            weights = torch.zeros(states.shape[:2])
            weights[:, -1] = 1
            return states[:, -1], weights
        hidden, _, score = self.attend
        weights = torch.softmax(score(tanh_units(states, hidden.weight, hidden.bias)).squeeze(-1), dim=1)
        return torch.bmm(weights.unsqueeze(1), states).squeeze(1), weights

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens to cell vectors and token weights, see `pool`."""
        return self.pool(self.embed(x))

    def forward(self, x: torch.Tensor, species: int = 0) -> torch.Tensor:
        return self.heads[species](self.encode(x)[0])

    def log_probability(self, embedded: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """(N,) log probability of the class ``y`` of each cell, from its embedded tokens, see `embed`."""
        log_p = torch.log_softmax(self.heads[0](self.pool(embedded)[0]), dim=1)
        return log_p.gather(1, y[:, None]).squeeze(1)


class HeadsAlone(nn.Module):
    """The heads of a network, on cell vectors that its resting encoder has computed once.

    The encoder has no dropout, so while only heads are trained its output does not change.
    """

    def __init__(self, network: FamilyBiLSTM):
        super().__init__()
        self.heads = network.heads

    def encode(self, vectors: torch.Tensor) -> tuple[torch.Tensor, None]:
        return vectors, None

    def forward(self, vectors: torch.Tensor, species: int = 0) -> torch.Tensor:
        return self.heads[species](vectors)
