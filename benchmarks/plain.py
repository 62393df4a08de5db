"""The same protocol written the straightforward way: one fold at a time, a data loader, an ordinary optimiser.

This is what `helpers` is timed against. The network has the package's layers, so both train the same model; how
they are called, the loop, the batches, the loss, the scores and the three regimes are written here once more,
plainly.
"""

from __future__ import annotations

import copy

import torch
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from patchtype.models.network import FamilyBiLSTM


class PlainBiLSTM(FamilyBiLSTM):
    """The package's layers, each called as PyTorch gives it."""

    def encode(self, x):
        states, _ = self.lstm(self.norm(x))
        weights = torch.softmax(self.attend(states).squeeze(-1), dim=1)
        return torch.bmm(weights.unsqueeze(1), states).squeeze(1), weights


def class_weights(y, n_classes):
    counts = torch.bincount(y, minlength=n_classes).clamp(min=1).float()
    return (1 / counts) * n_classes / (1 / counts).sum()


def loader(x, y, shuffle):
    return DataLoader(TensorDataset(x, y), batch_size=64, shuffle=shuffle)


def predict(network, x, y):
    network.eval()
    predicted = []
    with torch.no_grad():
        for batch, _ in loader(x, y, shuffle=False):
            predicted.append(network(batch).argmax(1))
    return torch.cat(predicted).numpy()


def train(network, own, validation, rate, epochs=50, patience=7, other=None, head_only=False):
    """Train with early stopping on macro-F1; `own`, `validation` and `other` are (x, y)."""
    for p in network.parameters():
        p.requires_grad_(not head_only)
    for p in network.heads.parameters():
        p.requires_grad_(True)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=rate, weight_decay=1e-4)
    weights = class_weights(own[1], 4)
    other_weights = None if other is None else class_weights(other[1], 4)
    best, best_state, waited = -1.0, copy.deepcopy(network.state_dict()), 0
    own_loader = loader(*own, shuffle=True)
    other_loader = None if other is None else loader(*other, shuffle=True)
    for _ in range(epochs):
        network.train()
        if other is None:
            batches = ((batch, None) for batch in own_loader)
        else:
            batches = zip(endless(own_loader), other_loader, strict=False)
        for (x, y), extra in batches:
            loss = cross_entropy(network(x), y, weight=weights)
            if extra is not None:
                loss = loss + 0.5 * cross_entropy(network(extra[0], 1), extra[1], weight=other_weights)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 2.0)
            optimiser.step()
        score = f1_score(validation[1].numpy(), predict(network, *validation), average="macro", zero_division=0)
        if score > best:
            best, best_state, waited = score, copy.deepcopy(network.state_dict()), 0
        else:
            waited += 1
            if waited >= patience:
                break
    network.load_state_dict(best_state)


def endless(batches):
    while True:
        yield from batches


def split(x, y, seed):
    inner, held = train_test_split(range(len(y)), test_size=0.2, stratify=y.numpy(), random_state=seed)
    return (x[inner], y[inner]), (x[held], y[held])


def network_for(x, heads):
    return PlainBiLSTM(x.shape[1], x.shape[2], [4] * heads)


def pretrain(mouse, seed, epochs):
    """A mouse model, to be shared by the folds of a repeat."""
    torch.manual_seed(seed)
    own, validation = split(*mouse, seed)
    network = network_for(mouse[0], 1)
    train(network, own, validation, 1e-3, epochs)
    return network


def fit(regime, x, y, mouse, donor, seed, epochs):
    """One fold of one regime on scaled tokens; returns the network."""
    torch.manual_seed(seed)
    own, validation = split(x, y, seed)
    if regime == "human only":
        network = network_for(x, 1)
        train(network, own, validation, 1e-3, epochs)
    elif regime == "pretrained":
        network = network_for(x, 1)
        state = {name: value for name, value in donor.state_dict().items() if not name.startswith("heads.")}
        network.load_state_dict(state, strict=False)
        train(network, own, validation, 1e-3, min(5, epochs), head_only=True, patience=5)
        train(network, own, validation, 5e-4, epochs)
    else:
        network = network_for(x, 2)
        train(network, own, validation, 5e-4, epochs, other=mouse)
        train(network, own, validation, 3e-4, epochs)
    return network
