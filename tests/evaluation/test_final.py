"""Final donors, intervals over donors, verdicts on goals: known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from patchtype.cohorts import Cohort
from patchtype.evaluation import bootstrap
from patchtype.evaluation.final import FINAL_SHARE, is_final, split
from patchtype.evaluation.metrics import Estimate
from patchtype.experiments import ceiling
from patchtype.experiments.ceiling import neighbours, votes
from patchtype.experiments.goals import verdict
from tests.models.conftest import make_cohort


def test_no_donor_is_on_both_sides_and_no_cell_is_lost():
    cohort = make_cohort(n=600)
    development, final = split(cohort)
    assert not set(development.donors) & set(final.donors)
    assert set(development.cells.index) | set(final.cells.index) == set(cohort.cells.index)
    assert len(development) + len(final) == 600


def test_the_rule_reads_the_name_alone_and_takes_about_a_fifth():
    cohort = make_cohort(n=600)
    other = replace(cohort, cells=cohort.cells.assign(subclass="Vip"), table=cohort.table * 0)
    assert split(cohort)[1].cells.index.equals(split(other)[1].cells.index)
    share = np.mean([is_final(f"donor-{i}") for i in range(5000)])
    assert abs(share - FINAL_SHARE) < 0.02


def test_the_real_final_donors_are_those_that_were_set_aside(monkeypatch):
    """The numbers of cells and donors, so that a change of the rule or of a donor's spelling does not pass unseen."""
    from patchtype import cohorts
    _, human = split(cohorts.load("human", "human"))
    _, mouse = split(cohorts.load("mouse", "aligned"))
    assert (len(human), len(set(human.donors))) == (132, 23)
    assert (len(mouse), len(set(mouse.donors))) == (854, 197)


def table(true, predicted, model="m"):
    return pd.DataFrame({"model": model, "repeat": 0, "fold": 0, "cell": [f"c{i}" for i in range(len(true))],
                         "true": true, "predicted": predicted})


def test_macro_f1_of_confusions_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    true, said = rng.choice(list("abc"), 200), rng.choice(list("abcd"), 200)
    predictions = table(true, said)
    counts = bootstrap.donor_confusions(predictions, pd.Series("d", index=predictions["cell"]))
    expected = f1_score(true, said, labels=list("abc"), average="macro")
    assert bootstrap.macro_f1(counts.sum(0)) == pytest.approx(expected)


def test_one_donor_gives_an_interval_without_width():
    predictions = table(list("aabb"), list("aabb"))
    e = bootstrap.interval(predictions, pd.Series("d", index=predictions["cell"]), draws=50)
    assert (e.mean, e.low, e.high) == (1.0, 1.0, 1.0)


def test_a_donor_is_drawn_with_all_its_rows_or_not_at_all():
    donors = np.array(["b", "a", "b", "c", "a", "b"])
    rows = bootstrap.rows_by_donor(donors)
    assert [r.tolist() for r in rows] == [[0, 2, 5], [1, 4], [3]]
    rng = np.random.default_rng(0)
    for _ in range(20):
        drawn = bootstrap.redrawn(rows, rng)
        times = np.bincount(drawn, minlength=6)
        assert all(len(set(times[r])) == 1 for r in rows) and sum(times[r[0]] for r in rows) == 3


def test_more_cells_of_one_donor_do_not_narrow_the_interval_as_more_donors_do():
    rng = np.random.default_rng(0)
    true = rng.choice(list("ab"), 400)
    right_donor = rng.random(20) < 0.7
    donor = np.repeat(np.arange(20), 20)
    said = np.where(right_donor[donor], true, np.where(true == "a", "b", "a"))
    predictions = table(true, said)
    clustered = bootstrap.interval(predictions, pd.Series(donor, index=predictions["cell"]))
    single = bootstrap.interval(predictions, pd.Series(np.arange(400), index=predictions["cell"]))
    assert clustered.high - clustered.low > 2 * (single.high - single.low)


def test_a_cell_named_twice_is_refused():
    predictions = table(list("aabb"), list("abab"))
    with pytest.raises(ValueError, match="found a cell twice, expected one prediction a cell"):
        bootstrap.interval(pd.concat([predictions, predictions]), pd.Series(list("wxyz"), index=predictions["cell"]))


def test_the_interval_is_that_of_donors_drawn_one_by_one():
    """Against the plain way: take the rows of the donors drawn, let scikit-learn score them, and cut the tails."""
    rng = np.random.default_rng(0)
    true = rng.choice(list("ab"), 60)
    predictions = table(true, np.where(rng.random(60) < 0.8, true, "a"))
    donors = pd.Series(rng.choice(list("uvwxyz"), 60), index=predictions["cell"])
    found = bootstrap.interval(predictions, donors, draws=100, seed=3)
    names = pd.unique(predictions["cell"].map(donors))
    scores = []
    for times in np.random.default_rng(3).multinomial(len(names), np.full(len(names), 1 / len(names)), size=100):
        drawn = zip(names, times, strict=True)
        rows = np.concatenate([np.tile(np.flatnonzero(donors == name), n) for name, n in drawn])
        part = predictions.iloc[rows]
        scores.append(f1_score(part["true"], part["predicted"], labels=sorted(set(part["true"])), average="macro"))
    assert found[:3] == pytest.approx((f1_score(predictions["true"], predictions["predicted"], average="macro"),
                                       *np.percentile(scores, [2.5, 97.5])))


@pytest.mark.parametrize(("low", "value", "high", "words"), [
    (0.86, 0.9, 0.94, "reached"), (0.8, 0.86, 0.9, "reached, but the interval goes below"),
    (0.8, 0.84, 0.88, "not reached, but within the interval"), (0.7, 0.75, 0.8, "not reached")])
def test_a_verdict_reads_value_and_interval(low, value, high, words):
    assert verdict(0.85, value, low, high) == words


def test_votes_tell_a_shared_error_from_a_split_one():
    true = ["a", "a", "a"]
    predictions = pd.concat([table(true, ["a", "b", "b"], "m"), table(true, ["a", "b", "c"], "n")])
    of = votes(predictions, ["m", "n"])
    assert of["wrong"].tolist() == [0, 2, 2] and of["same"].tolist() == [False, True, False]


def test_votes_are_those_of_the_first_repeat():
    first, second = table(["a"], ["a"], "m"), table(["a"], ["b"], "m").assign(repeat=1)
    assert votes(pd.concat([first, second]), ["m"])["said"].tolist() == ["a"]


def test_neighbours_of_separate_classes_carry_the_label_and_never_the_own_donor():
    cohort = make_cohort(n=400, shift=6)
    shares = neighbours(cohort, k=5)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares.argmax(1) == cohort.y).mean() > 0.97
    # All cells of one donor are copies of one point with a label of their own: none of them sees another.
    donor = cohort.donors == "donor-3"
    copied = cohort.table.copy()
    copied[donor] = copied[donor].iloc[0].to_numpy()
    lonely = replace(cohort, table=copied, cells=cohort.cells.assign(
        subclass=np.where(donor, "Vip", cohort.cells["subclass"].where(cohort.cells["subclass"] != "Vip", "Sst"))))
    assert (neighbours(lonely, k=5)[donor][:, 3] == 0).all()


def predictions_of(models: dict[str, list[str]], true: list[str]) -> pd.DataFrame:
    return pd.concat([table(true, said, model) for model, said in models.items()])


def test_agreement_is_one_score_a_pair_of_models():
    named = predictions_of({"x": list("aabb"), "y": list("aabb"), "z": list("abbb")}, list("abab"))
    expected = f1_score(list("aabb"), list("abbb"), average="macro")
    assert ceiling.agreement(named, ["x", "y", "z"]) == pytest.approx([1.0, expected, expected])


def test_a_model_that_is_sure_and_right_would_score_one_if_its_probabilities_were_true():
    y = np.repeat([0, 1, 2], 30)
    sure = 0.98 * np.eye(3)[y] + 0.02 / 3
    found = ceiling.if_true(sure, y, draws=200)
    assert found.mean > 0.97 and found.high == pytest.approx(1.0, abs=0.01)


def test_labels_drawn_from_probabilities_give_the_score_that_the_probabilities_promise():
    """Three in four named rightly in each of two classes of one size: a macro-F1 of three quarters."""
    y = np.tile([0, 0, 0, 1, 1, 1, 1, 0], 100)
    p = np.tile([[0.75, 0.25]] * 4 + [[0.25, 0.75]] * 4, (100, 1))
    found = ceiling.if_true(p, y, draws=300)
    assert found.mean == pytest.approx(0.75, abs=0.005)
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.75 * 0.25 / 800), rel=0.2)


def test_the_end_of_a_curve_that_follows_a_power_law():
    n = np.array([100, 200, 300, 400])
    curve = pd.concat([
        pd.DataFrame({"fold": fold, "share": n / 400, "cells": n, "macro_f1": 0.9 - 3 * n**-0.7}) for fold in range(5)])
    found = ceiling.asymptote(curve, draws=50)
    assert found.mean == pytest.approx(0.9, abs=1e-6) and found.interval == pytest.approx((0.9, 0.9), abs=1e-6)


def test_labels_exchanged_at_random_are_found():
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1], 500)
    p = np.eye(2)[true] * 0.9 + 0.05
    given = np.where(rng.random(1000) < 0.1, 1 - true, true)
    found = ceiling.label_noise(p, given)
    assert found.sum() == 1000 and found[0, 1] + found[1, 0] == (given != true).sum()


def test_an_error_among_cells_of_the_predicted_name_is_told_from_one_that_stands_alone():
    """Two clouds far apart; a cell of the first labelled as the second is an error that its neighbours explain."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2)) + 20 * np.repeat([[0], [1]], 40, axis=0)
    true = np.repeat(["Sst", "Vip"], 40)
    true[0] = "Vip"  # lies among Sst
    index = [f"c{i:02d}" for i in range(80)]
    cells = pd.DataFrame({"species": "human", "subclass": true, "donor": [f"d{i}" for i in range(80)],
                          "source": "simulated"}, index=index)
    cohort = Cohort.build(cells, pd.DataFrame(x, index, ["a", "b"]), {"all": ["a", "b"]}, ("Sst", "Vip"))
    named = np.repeat(["Sst", "Vip"], 40)
    named[79] = "Sst"  # lies among Vip, so no neighbour speaks for the error

    def said(model, names):
        return pd.DataFrame({"model": model, "repeat": 0, "fold": 0, "cell": index, "true": true, "predicted": names})

    predictions = pd.concat([said("average", named), said("average / m", named), said("average / n", true)])
    found = ceiling.shared_errors(predictions, cohort)
    assert found == {
        "wrong in the average": 2 / 80, "wrong in every member": 0.0,
        "errors with neighbours of the predicted name": 0.5, "right cells with neighbours of another name": 0.0}


def test_errors_are_counted_by_the_markers_of_a_cell_within_its_subclass():
    cohort = make_cohort(n=400)
    cells = cohort.cells
    # The third subclass has the strongest markers of all; the weakest of its own kind are weak all the same.
    marker = pd.Series(np.random.default_rng(0).permutation(400) / 400.0, index=cells.index) + 9.0 * (cohort.y == 2)
    before = cells["subclass"].mask(np.arange(400) < 20, "Lamp5")
    cohort = replace(cohort, cells=cells.assign(marker_sum=marker, original_subclass=before))
    weak = marker.groupby(cells["subclass"]).transform(lambda m: m <= m.sort_values().iloc[len(m) // 4 - 1])
    other = {name: cohort.classes[(k + 1) % 4] for k, name in enumerate(cohort.classes)}
    table = pd.DataFrame({"model": "average", "repeat": 0, "cell": cells.index, "true": cells["subclass"].to_numpy()})
    right = table.assign(predicted=table["true"], repeat=1)
    table["predicted"] = np.where(weak, table["true"].map(other), table["true"])
    counts, shares, more = ceiling.doubted(pd.concat([table, right]), cohort)
    assert (shares["weak_markers"], shares["strong_markers"]) == (50.0, 0.0)
    assert more.mean == more.low == more.high == 50.0
    changed, wrong = before != cells["subclass"], weak.to_numpy()  # wrong in the first repeat, which alone counts here
    assert counts == {"labels_changed": changed.sum(), "errors_changed_label": (changed & wrong).sum()}
    assert shares["stable_label"] == pytest.approx(100 * wrong[~changed].mean())
    # Errors that have nothing to do with the markers: the interval holds zero.
    by_chance = np.random.default_rng(1).random(400) < 0.3
    table["predicted"] = np.where(by_chance, table["true"].map(other), table["true"])
    _, shares, more = ceiling.doubted(table, cohort)
    of_weak, of_others = shares["weak_markers"], shares["strong_markers"]
    assert [of_weak, of_others] == pytest.approx([100 * by_chance[weak].mean(), 100 * by_chance[~weak].mean()])
    assert more.low < 0 < more.high and more.mean == of_weak - of_others


def test_looks_at_the_ceiling_read_the_first_repeat_alone():
    rng = np.random.default_rng(1)
    cohort = make_cohort(n=200)
    p = np.eye(4)[cohort.y] * 2 + rng.dirichlet(np.ones(4), 200)
    p /= p.sum(axis=1, keepdims=True)
    named = np.array(cohort.classes)[p.argmax(axis=1)]
    table = pd.DataFrame(p, columns=[f"p_{c}" for c in cohort.classes]).assign(
        repeat=0, cell=cohort.cells.index, true=cohort.cells["subclass"].to_numpy(), predicted=named)
    first = pd.concat([table.assign(model=m) for m in ("average", "average / a", "average / b")])
    curve = pd.DataFrame({"fold": [0, 0, 1, 1], "share": [0.5, 1.0] * 2, "cells": [50, 100] * 2,
                          "macro_f1": [0.7, 0.8, 0.6, 0.9]})
    score = Estimate(0.9, 0.8, 1.0, float("nan"))
    found, noise = ceiling.looks(first, cohort, curve, score)
    wrong = first.assign(repeat=1, predicted="Sst", **{f"p_{c}": float(c == "Sst") for c in cohort.classes})
    again, same = ceiling.looks(pd.concat([first, wrong]), cohort, curve, score)
    pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(again))
    np.testing.assert_array_equal(noise, same)
    assert list(found.values())[0] is score and found["one member judged by another"].mean == 1.0
    assert found["no errors but in labels"].mean == pytest.approx(float(bootstrap.macro_f1(noise)))
