"""The methods of the comparison: what each may see of the own cells, and how the networks stop."""

from __future__ import annotations

import pytest

from patchtype.experiments import methods
from patchtype.experiments.methods import METHODS
from patchtype.models.average import Viewed
from patchtype.models.bilstm import BiLSTM
from tests.models.conftest import make_cohort

MOUSE = make_cohort(n=300, seed=2).view({"passive": ["a", "b"], "spike": ["c"]})


@pytest.fixture
def built(monkeypatch):
    """Every method's model, unfitted; pretraining is noted and not done."""
    options = []
    monkeypatch.setattr(methods, "pretrain", lambda partner, n, **given: options.append(given) or {0: "donor"})
    models = {name: method.build(MOUSE, 1)(0) for name, method in METHODS.items() if not name.startswith("stacked")}
    return models, options


def test_what_is_called_common_features_shows_those_of_both_species_and_no_other(built):
    models, _ = built
    for name in ("aligned", "bilstm_alone", "bilstm_pretrained", "bilstm_joint"):
        assert isinstance(models[name], Viewed) and models[name].families == MOUSE.families
    assert not isinstance(models["full"], Viewed)


def test_every_network_of_the_fair_comparison_stops_on_donors_of_its_own(built):
    models, options = built
    networks = [model.model for name, model in models.items() if name.startswith("bilstm")]
    assert len(networks) == 3 and all(isinstance(network, BiLSTM) and network.grouped for network in networks)
    assert options == [{"inputs": "family embedding", "grouped": True}]


def test_a_method_without_a_twin_is_given_no_mouse_cell(built):
    models, _ = built
    assert models["scaled_alone"].weights == (0.0,) and 1.0 in models["pooled_coral"].weights
    assert models["network_alone"].partner is None and models["adversarial"].partner is not None
    assert models["bilstm_alone"].model.partner is None and models["bilstm_joint"].model.partner is not None
