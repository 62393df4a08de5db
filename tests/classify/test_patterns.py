"""Patterns of recorded protocols: which a cell has, what is left of it, and that no missing block misleads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from patchtype import families
from patchtype.classify import fitting, guard, nesting, patterns, training
from patchtype.classify.classifier import Classifier, load
from patchtype.classify.judgement import MISS
from patchtype.evaluation.protocols import CrossValidation
from patchtype.taxonomy import SPECIES
from tests.classify.conftest import kept_predictions


def test_every_feature_says_which_protocol_it_needs():
    table = families.features()
    endings = {"_ramp": "ramp", "_short_square": "short_square", "_chirp": "chirp"}
    for name, row in table.iterrows():
        assert row["protocol"] == next((p for e, p in endings.items() if name.endswith(e)), "long_square")
    down = table.index[table["needs"] == "downward"]
    assert {"input_resistance", "tau", "sag", "vm_for_sag"} <= set(down) and set(table["needs"]) == {"", "downward"}
    assert not set(table.loc[down, "protocol"]) - {"long_square"}


def test_there_are_eight_patterns_for_mouse_and_the_layer_for_human():
    names = [patterns.name(p) for p in patterns.patterns("mouse")]
    assert names[0] == "full" and names[-1] == "steps only, no downward step" and len(set(names)) == 8
    assert {"no ramp", "no short square", "steps only", "no ramp, no downward step"} < set(names)
    assert {patterns.name(p) for p in patterns.patterns("human")} == {
        "steps only", "steps only, no downward step", "steps only, layer known",
        "steps only, no downward step, layer known"}


@pytest.mark.parametrize("species", SPECIES)
def test_a_blanked_cell_has_the_pattern_it_was_blanked_to(species):
    cohort = fitting.load(species)
    whole = cohort.table[patterns.has(cohort.table, patterns.READS[species])].head(20)
    for pattern in patterns.patterns(species):
        blanked = patterns.blanked(whole, pattern)
        assert patterns.pattern_of(blanked, species) == [pattern] * 20
        left = blanked.columns[blanked.notna().any()]
        assert set(left) <= set(np.array(patterns.columns(species))[patterns.positions(species, pattern)])
        kept = [c for c in whole if patterns.block(c) in ("", *pattern)]
        pd.testing.assert_frame_equal(blanked[kept], whole[kept])


def test_layers_as_people_write_them():
    table = pd.DataFrame({"tau": [0.01] * 7})
    found = patterns.with_layers(table, ["2", "L5", "2/3", "5_6", "1", None, "2-3"], "human").filter(like="layer")
    assert found["layer 2"].tolist()[:3] == [1, 0, 0.5] and found["layer 5"].tolist()[1:4:2] == [1, 0.5]
    assert found.iloc[[4, 5]].isna().all(axis=None) and found.iloc[6].tolist() == found.iloc[2].tolist()
    assert patterns.with_layers(table, ["2"] * 7, "mouse").filter(like="layer").empty


def test_answers_do_not_look_at_what_a_pattern_lacks():
    """A value of a block that is there in part only counts with its block: the rest of the cell decides alone."""
    model = load("mouse")
    table = fitting.load("mouse").table.head(30)
    blanked = patterns.blanked(table, ("downward",))
    x = blanked.to_numpy(float)
    other = x.copy()
    lost = np.setdiff1d(np.arange(x.shape[1]), patterns.positions("mouse", ("downward",)))
    other[:, lost] = 1e6
    assert np.array_equal(model.probabilities(x, ("downward",)), model.probabilities(other, ("downward",)))
    said = [model.models.says(pd.DataFrame(v, columns=table.columns), ("downward",)) for v in (x, other)]
    for key in said[0]:
        assert np.array_equal(said[0][key], said[1][key])


@pytest.mark.parametrize("species", ["human", pytest.param("mouse", marks=pytest.mark.slow)])
def test_no_subclass_falls_under_its_card_when_a_block_is_blanked(species):
    """Held-out cells of one fold, as recorded and with each block blanked, answered by a classifier made without them.

    By chance a fold may fall under the figure of all folds; it may not by more than one time in a thousand.
    """
    cohort, others = fitting.load(species), guard.specimens(species).learnt
    fold = next(CrossValidation(nesting.FOLDS, 1, grouped=True, seed=nesting.SEED).folds(cohort))
    nested, figures = kept_predictions(species), load(species).about["figures"]
    inner = nested[(nested["repeat"] == fold.fold) & (nested["fold"] != nesting.JUDGED)]
    train, test = cohort.take(fold.train), cohort.take(fold.test)
    wanted = [p for p in patterns.patterns(species)
              if len(p) >= len(patterns.READS[species]) - 1 or p in ((), ("downward",))]
    models = fitting.Models.fit(train, others, wanted)
    judgements = {p: nesting.judgement(inner[inner["model"] == patterns.name(p)], MISS[species]) for p in wanted}
    model = Classifier(species, cohort.classes, tuple(cohort.table.columns), models, judgements, np.zeros((1, 1)), {})
    for pattern in wanted:
        cells = test.take(patterns.has(test.table, pattern))
        blanked = patterns.blanked(cells.table, pattern)
        layer = cells.cells["layer"] if patterns.LAYER in pattern else None
        answers = model.answers(blanked, None if layer is None else list(layer))
        assert set(answers["pattern"]) == {patterns.name(pattern)}
        answered = answers[answers["verdict"] == "answered"]
        true = cells.cells.loc[answered.index, "subclass"]
        stated = figures[patterns.name(pattern)]
        for subclass, (_, share) in stated["right_answered"].items():
            right = (answered["subclass"] == true)[true == subclass]
            assert binom.cdf(right.sum(), len(right), share) > 1e-3, (pattern, subclass, right.mean(), share)
        rows = nested[(nested["repeat"] == fold.fold) & (nested["model"] == patterns.name(pattern))]
        kept = nesting.answers(rows, MISS[species]).loc[answers.index]
        for column in ("subclass", "verdict"):
            assert (kept[column] == answers[column]).mean() > 0.98


def test_a_layer_told_makes_answers_better():
    figures = load("human").about["figures"]
    told, untold = figures["steps only, layer known"], figures[training.UNTOLD]
    assert told["cells"] == untold["cells"] and told["log_loss"] < untold["log_loss"]


def test_a_part_of_a_cohort_keeps_its_columns():
    cohort = fitting.load("human")
    again = fitting.prepared(replace(cohort, table=cohort.table))
    assert tuple(again.table.columns) == patterns.columns("human") == tuple(cohort.table.columns)
