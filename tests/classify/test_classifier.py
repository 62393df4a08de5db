"""The shipped classifiers: whole, reproducible, calibrated as their card says, and loud about what does not fit."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from patchtype.classify import card, fitting, guard, nesting, patterns, training
from patchtype.classify.classifier import Classifier, WeightsError, load, shipped
from patchtype.classify.contributions import contributions, shapley
from patchtype.classify.fitting import Models
from patchtype.classify.judgement import EXCITATORY_ALARM, FALSE_ALARM, MISS, Judgement, limit_above, novelty_limits
from patchtype.cohorts import public_files
from patchtype.evaluation import archive
from patchtype.evaluation.calibration import Temperature
from patchtype.evaluation.conformal import PredictionSets
from patchtype.taxonomy import SPECIES
from tests.classify.conftest import kept_predictions


@pytest.fixture(scope="module")
def human():
    return fitting.load("human")


@pytest.mark.parametrize("species", SPECIES)
def test_the_weights_are_small_and_made_from_the_registered_tables(species):
    model = load(species)
    assert {name: public_files()[name].sha256[:12] for name in training.TABLES[species]} == model.about["tables"]
    assert sum(path.stat().st_size for path in shipped().iterdir()) < 3_500_000
    assert model.about["cells"] == {c: int(n) for c, n in fitting.load(species).counts().items()}


def test_training_again_gives_the_shipped_models(human):
    made, model = Models.fit(human, guard.specimens("human").learnt), load("human").models
    for pattern in patterns.patterns("human"):
        again, shipped_ = (m.says(human.table, pattern) for m in (made, model))
        assert again["raw"] == pytest.approx(shipped_["raw"], abs=1e-4)
        assert again["distance"] == pytest.approx(shipped_["distance"], abs=1e-6)
        assert again["margin"] == pytest.approx(shipped_["margin"], abs=1e-3)


@pytest.mark.parametrize("species", ["human", pytest.param("mouse", marks=pytest.mark.slow)])
def test_the_figures_of_the_card_are_those_of_the_kept_predictions(species):
    model = load(species)
    again = training.figures(kept_predictions(species), model.classes, MISS[species], training.subsets_of(species))
    assert _flat(again) == pytest.approx(_flat(model.about["figures"]), abs=1e-6)


def _flat(figures, name=""):
    """Every number under the path to it."""
    if isinstance(figures, dict):
        return {k: v for key, each in figures.items() for k, v in _flat(each, f"{name}/{key}").items()}
    if isinstance(figures, list | tuple):
        return {k: v for key, each in enumerate(figures) for k, v in _flat(each, f"{name}/{key}").items()}
    return {name: figures}


@pytest.mark.parametrize("species", SPECIES)
def test_the_limits_that_ship_are_those_of_the_kept_predictions(species):
    model, table = load(species), kept_predictions(species)
    unseen = table[table["fold"] == nesting.JUDGED]
    for pattern, judgement in model.judgements.items():
        again = nesting.judgement(unseen[unseen["model"] == patterns.name(pattern)], MISS[species])
        assert again.distance_limit == pytest.approx(judgement.distance_limit, abs=1e-5)
        assert again.missing_limit == judgement.missing_limit
        assert again.margin_limit == pytest.approx(judgement.margin_limit, abs=1e-5)
        assert again.sets.limits == pytest.approx(judgement.sets.limits, abs=1e-6)


#: Macro-F1 that each pattern has to reach, nested and calibrated as shipped.
GOALS = {("mouse", "full"): 0.905, ("mouse", "steps only"): 0.89, ("human", training.FULL): 0.82,
         ("human", "steps only"): 0.80, ("human", "steps only, layer known"): 0.84}


@pytest.mark.parametrize(("species", "pattern"), GOALS)
def test_the_goals_are_reached(species, pattern):
    assert load(species).about["figures"][pattern]["macro_f1"] >= GOALS[species, pattern]


@pytest.mark.parametrize("species", SPECIES)
def test_promises_are_kept_in_every_pattern(species):
    for figures in load(species).about["figures"].values():
        assert figures["log_loss"] < figures["log_loss_uncalibrated"] + 0.01 and figures["calibration_error"] < 0.06
        assert abs(figures["false_alarms"] - FALSE_ALARM) < 0.02
        assert abs(figures["excitatory_alarms"] - EXCITATORY_ALARM) < 0.015
        assert figures["accuracy_answered"] > figures["accuracy"]
        for row in figures["sets"].values():
            stated = 1 - MISS[species]
            # Three standard errors of the cells of the class, half as many again for what donors share.
            assert abs(row["coverage"] - stated) < 0.04 + 3 * np.sqrt(stated * (1 - stated) / row["cells"] * 1.5)


def test_probabilities_do_not_depend_on_the_company_of_a_cell(human):
    model, table = load("human"), human.table
    together = model.answers(table.head(40))
    alone = pd.concat([model.answers(table.iloc[[k]]) for k in (0, 7, 39)])
    pd.testing.assert_frame_equal(together.iloc[[0, 7, 39]], alone)


def test_columns_may_come_in_any_order_but_none_may_be_absent(human):
    model, table = load("human"), human.table.head(5)
    pd.testing.assert_frame_equal(model.answers(table), model.answers(table[table.columns[::-1]]))
    with pytest.raises(WeightsError, match="found no column 'tau', expected the 56 features of the human classifier"):
        model.answers(table.drop(columns="tau"))


def test_a_cell_without_features_is_unlike_anything():
    model = load("mouse")
    answer = model.answers(pd.DataFrame(np.nan, ["empty"], list(model.features))).iloc[0]
    assert answer["unlike"] and answer["verdict"] == "unlike"
    assert answer["missing"] == 20 and answer["pattern"] == "steps only, no downward step"


@pytest.mark.parametrize("unit", ["mV", "s"])
def test_cells_in_wrong_units_are_not_answered(human, unit):
    from patchtype import families

    model = load("human")
    scaled = [f for f in model.features if families.unit(f) == unit]
    answers = model.answers(human.table.assign(**(1e3 * human.table[scaled])))
    assert (answers["verdict"] == "unlike").mean() > 0.95


def test_saved_and_loaded_classifiers_answer_alike(tmp_path, human):
    load("human").save(tmp_path)
    again = load("human", tmp_path)
    pd.testing.assert_frame_equal(again.answers(human.table.head(9)), load("human").answers(human.table.head(9)))
    assert {p.name for p in tmp_path.iterdir()} == {"human.safetensors", "human.json"}


def test_no_weight_is_pickled():
    for path in shipped().iterdir():
        assert path.suffix in (".safetensors", ".json", ".md") and b"pickle" not in path.read_bytes()[:4096]


def test_the_card_shows_the_figures_of_the_weights():
    text = (shipped() / "CARD.md").read_text("utf-8")
    for species in SPECIES:
        figures = load(species).about["figures"]
        for name, row in figures.items():
            assert card.row(name, row) in text
        assert f"## {species.capitalize()}" in text
    assert "Not for clinical" in text and "excitatory cells (spiny dendrites)" in text
    assert "motor cortex, another laboratory" in text and "ROC AUC" in text
    assert "| layer 1 |" in text and "| cell types |" in text and "made anew on its" in text


@pytest.mark.parametrize(("species", "message"), [
    ("rat", r"found the species 'rat', expected one of \('mouse', 'human'\)"),
    ("mouse", r"found no .*mouse.json, expected the weights of the mouse classifier; run `patchtype models`"),
])
def test_weights_that_are_not_there(tmp_path, species, message):
    with pytest.raises(WeightsError, match=message):
        load(species, tmp_path)


def test_damaged_weights_are_named(tmp_path):
    shutil.copytree(shipped(), tmp_path / "w")
    weights = tmp_path / "w" / "human.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="the weights of the human classifier in .* cannot be read"):
        load("human", tmp_path / "w")


def test_weights_of_an_earlier_format_are_named(tmp_path):
    shutil.copytree(shipped(), tmp_path / "w")
    content = json.loads((tmp_path / "w" / "human.json").read_text())
    del content["format"]  # the first one did not say
    (tmp_path / "w" / "human.json").write_text(json.dumps(content))
    with pytest.raises(WeightsError, match="found weights of format 1 in .*, expected format 3, which this version "
                       "reads; run `patchtype models`"):
        load("human", tmp_path / "w")


# --- training ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(human):
    rows = np.flatnonzero(pd.Series(human.donors).isin(pd.unique(human.donors)[:40]).to_numpy())
    cohort = human.take(rows)
    others = guard.specimens("human").learnt
    return cohort, others, nesting.predictions(cohort, others, folds=3)


def test_no_donor_is_judged_by_a_limit_that_has_seen_it(small):
    cohort, _, table = small
    for (pattern, _), part in table.groupby(["model", "repeat"]):
        judged = part["fold"] == nesting.JUDGED
        if "layer" not in pattern:
            assert sorted(part["cell"]) == sorted(cohort.table.index)
        assert not set(part.loc[judged, "donor"]) & set(part.loc[~judged, "donor"])
        folds = part[["donor", "fold"]].drop_duplicates()
        assert not folds["donor"].duplicated().any()
    steps = table[(table["model"] == "steps only") & (table["fold"] == nesting.JUDGED)]
    assert sorted(steps["cell"]) == sorted(cohort.table.index)


@pytest.mark.parametrize("judged_fold", [0, 2])
def test_the_answers_of_a_fold_do_not_depend_on_its_labels(small, judged_fold):
    """Nor on those of the fold that a pair of folds is left out with."""
    cohort, others, table = small
    chosen = [("downward",)]
    before = nesting.answers(table[table["model"] == "steps only"], 0.2)
    judged = before["fold"] == judged_fold
    inside = np.flatnonzero(cohort.table.index.isin(before.index[judged]))
    labels = cohort.cells["subclass"].to_numpy(copy=True)
    labels[inside] = np.random.default_rng(0).permutation(labels[inside])
    cells = cohort.cells.assign(subclass=labels)
    changed = type(cohort)(cells, cohort.table, cohort.families, cohort.classes, cohort.excluded)
    fold = np.zeros(len(cohort), int)
    for k in range(3):
        fold[cohort.table.index.isin(before.index[before["fold"] == k])] = k
    after = nesting.answers(nesting.of_folds(changed, others, fold, chosen), 0.2)
    after = after[after["fold"] == judged_fold]
    assert (after["true"] != before.loc[judged, "true"]).mean() > 0.3
    pd.testing.assert_frame_equal(before[judged].drop(columns="true"), after.drop(columns="true"))


def test_the_chapter_and_the_card_judge_alike(small):
    _, _, table = small
    table = table[table["model"] == "steps only"]
    answers, arrays = nesting.answers(table, 0.2), nesting.judged(table, 0.2)
    judged = pd.concat([part[part["fold"] == nesting.JUDGED] for _, part in table.groupby("repeat")])
    classes = nesting.classes_of(table)
    answers = answers.loc[judged["cell"]]
    assert answers[[f"p_{c}" for c in classes]].to_numpy() == pytest.approx(arrays["calibrated"])
    named = [" ".join(c for c, held in zip(classes, row, strict=True) if held) for row in arrays["sets_by_class"]]
    assert answers["set"].tolist() == named and answers["true"].tolist() == [classes[k] for k in arrays["y"]]


def test_each_part_is_calibrated_and_gets_its_sets_without_its_own_labels():
    rng, names = np.random.default_rng(5), np.array(["a", "b", "c"])
    p = rng.dirichlet(np.ones(3), 300)
    y = np.array([rng.choice(3, p=row) for row in p ** 2 / (p ** 2).sum(axis=1, keepdims=True)])
    parts = np.arange(300) % 4
    changed = np.where(parts == 2, (y + 1) % 3, y)
    cells = pd.DataFrame({"fold": parts, "cell": np.arange(300), "donor": parts * 50 + np.arange(300) % 10})
    cells = cells.assign(**{f"p_{c}": p[:, k] for k, c in enumerate(names)})
    own, other = (nesting.judged(nesting.from_one_level(cells.assign(true=names[labels]))) for labels in (y, changed))
    part = np.sort(parts)  # judged cells come part by part
    for key in ("calibrated", "sets", "sets_by_class"):
        assert np.array_equal(own[key][part == 2], other[key][part == 2])
    assert not np.allclose(own["calibrated"][part == 0], other["calibrated"][part == 0])
    assert not np.array_equal(own["sets_by_class"], other["sets_by_class"])


def test_what_is_kept_gives_the_figures_of_the_card(small, tmp_path):
    cohort, _, table = small
    table = nesting.rounded(table)
    archive.keep("here", table, "p", tmp_path, cohort=cohort, steps=nesting.STEPS)
    read = archive.load("here", cohort, tmp_path)
    read = read.assign(donor=read["cell"].map(cohort.cells["donor"]))
    pd.testing.assert_frame_equal(nesting.answers(read, 0.2), nesting.answers(table, 0.2), check_dtype=False)


def test_a_probability_rounded_to_nought_stays_above_it(small):
    _, _, table = small
    columns = [f"p_{c}" for c in nesting.classes_of(table)]
    judged = nesting.judged(table.assign(**dict.fromkeys(columns, 0.0) | {"p_Sst": 1.0}))
    assert judged["p"].min() > 0 and judged["p"].sum(axis=1) == pytest.approx(1)


def test_ordinary_folds_take_the_same_shape():
    flat = pd.DataFrame({"fold": [0, 1, 2, 0], "cell": list("abcd"), "true": "x", "donor": "d", "predicted": "x"})
    table = nesting.from_one_level(flat)
    assert len(table) == 12 and table.query("repeat == 0")["fold"].tolist() == [255, 1, 2, 255]


def test_a_small_cohort_makes_a_whole_classifier(small, tmp_path):
    cohort, others, nested = small
    training.train(cohort, others, nested, training.about(cohort, nested)).save(tmp_path)
    figures = json.loads((tmp_path / "human.json").read_text())["about"]["figures"]
    assert figures[nesting.AS_RECORDED]["cells"] == figures["steps only"]["cells"] == len(cohort)
    assert "## Human" in card.markdown(tmp_path) and "## Mouse" not in card.markdown(tmp_path)
    assert isinstance(load("human", tmp_path), Classifier)


@pytest.mark.parametrize("n", [40, 1000])
def test_the_limits_of_novelty_spend_the_stated_share_of_false_alarms(n):
    rng = np.random.default_rng(0)
    distance, missing = rng.normal(size=n), rng.poisson(0.3, size=n)
    limit, most = novelty_limits(distance, missing, 0.05)
    alarms = ((distance > limit) | (missing > most)).mean()
    assert 0.05 - 1.5 / n <= alarms <= 0.05


def test_a_judgement_names_each_verdict():
    raw = np.array([[0.98, 0.01, 0.01], [0.4, 0.35, 0.25]] * 40)
    y = np.array([0, 1] * 20 + [0, 2] * 20)
    judge = Judgement.fit(raw, y, np.arange(80), np.zeros(80), np.zeros(80, int), np.zeros(80))
    table = judge.answers(raw[[0, 0, 1, 1, 0, 0]], np.array([0, 9.0, 0, 0, 0, 9]), np.array([0, 0, 0, 3, 0, 0]),
                          np.array([0, 0, 0, 0, 2.0, 2]), ("a", "b", "c"), list("wxyzuv"))
    assert table["verdict"].tolist() == ["answered", "unlike", "undecided", "unlike", "excitatory", "unlike"]
    assert table["excitatory"].tolist() == [False] * 4 + [True] * 2
    assert table.loc["w", "set"] == "a" and set(table.loc["y", "set"].split()) >= {"b", "c"}


def test_a_set_without_the_likeliest_class_is_no_answer():
    judge = Judgement(Temperature(1.0, np.zeros(2)), PredictionSets(np.array([0.1, 0.9]), 0.1), 3.0, 3, 0.0)
    table = judge.answers(np.array([[0.6, 0.4], [0.05, 0.95]]), np.zeros(2), np.zeros(2, int), -np.ones(2), ("a", "b"),
                          ["x", "y"])
    assert table["subclass"].tolist() == ["a", "b"] and table["set"].tolist() == ["b", "b"]
    assert table["verdict"].tolist() == ["undecided", "answered"]


@pytest.mark.parametrize(("share", "limit"), [(0.0, 9), (0.1, 8), (0.25, 7), (0.9, 0)])
def test_a_limit_lets_no_more_than_the_stated_share_pass(share, limit):
    values = np.random.default_rng(0).permutation(10).astype(float)
    assert limit_above(values, share) == limit and (values > limit).mean() <= share


# --- contributions -----------------------------------------------------------------------------------------


def test_shares_of_a_game_with_a_known_answer():
    # Three players; worth 1 only if the first and any other are there.
    shares = shapley(lambda told: (told[:, 0] & (told[:, 1] | told[:, 2])).astype(float), 3)
    assert shares == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_players_that_add_nothing_get_nothing_and_sums_split():
    shares = shapley(lambda told: told @ np.array([3.0, 0.0, -1.0, 0.5]), 4)
    assert shares == pytest.approx([3, 0, -1, 0.5])


def test_the_shares_of_a_cell_add_up_to_its_log_probability(human):
    model, row, pattern = load("human"), human.table.iloc[3], ("downward", "layer")
    for target, subclass in enumerate(model.classes[:2]):
        shares = contributions(model, row, subclass, pattern)
        cell, typical = (np.log(model.probabilities(x, pattern))[:, target]
                         for x in (row.to_numpy()[None], model.typical))
        assert shares.sum() == pytest.approx(cell[0] - typical.mean(), abs=1e-9)
    assert list(shares.index) == [*patterns.members("human"), "layer"] == list(human.families)
