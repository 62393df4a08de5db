"""`patchtype classify`: from a file to a page and a row, and from a bad file to one clear sentence."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from patchtype.__main__ import main
from patchtype.classify import many, report, traces
from patchtype.classify.answer import Answer, as_row, classify, nearest, species_of
from patchtype.classify.classifier import load
from patchtype.cohorts import load as load_cohort
from patchtype.recordings import nwb
from patchtype.recordings.nwb import RawSweep
from patchtype.recordings.sources import Asset
from patchtype.recordings.verdict import Finding
from tests.recordings import analytic

FIELD = Path(__file__).parents[3] / "shared" / "field" / "recordings"
FULL = ("ramp", "short_square", "downward")


@pytest.fixture(scope="module")
def answer(mouse_file):
    return classify(mouse_file)


def foreign(path: Path, sweeps, name=lambda code: code, rate=50_000.0, numbered=True, species="Mus musculus"):
    """A recording as another laboratory might write it: plain h5py, its own group names, integers and conversions."""
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        file["session_start_time"] = "2024-05-01T10:00:00+02:00"
        file["general/institution"] = "elsewhere"
        if species:
            file["general/subject/species"] = species
        for k, sweep in enumerate(sweeps):
            parts = (("acquisition", "CurrentClampSeries", sweep.v_mv, 1e-3 / 64, "volts"),
                     ("stimulus/presentation", "CurrentClampStimulusSeries", sweep.i_pa, 1e-12 / 4, "amperes"))
            for folder, kind, values, conversion, unit in parts:
                group = file.create_group(f"{folder}/trial_{k:03d}_{kind[12:14]}")
                group.attrs["neurodata_type"] = kind
                group.attrs["stimulus_description"] = name(sweep.code)
                if numbered:
                    group.attrs["sweep_number"] = k
                scale = conversion * (1e12 if unit == "amperes" else 1e3)
                data = group.create_dataset("data", data=np.round(values / scale).astype("int32"))
                data.attrs.update({"unit": unit, "conversion": conversion})
                start = group.create_dataset("starting_time", data=float(3 * k))
                start.attrs.update({"rate": rate, "unit": "seconds"})
    return path


# --- answers -----------------------------------------------------------------------------------------------


def test_a_good_recording_has_a_whole_answer(answer):
    model = load("mouse")
    assert answer.refusal is None and answer.species == "mouse" and answer.simulated
    assert answer.row[[f"p_{c}" for c in model.classes]].sum() == pytest.approx(1)
    assert answer.features["v_baseline"] == pytest.approx(analytic.REST, abs=0.5)
    assert answer.features["rheobase_i"] == pytest.approx(analytic.RHEOBASE)
    assert answer.features["tau"] == pytest.approx(analytic.TAU, rel=0.1)
    assert list(answer.shares.index) == list(model.families(answer.pattern))
    assert answer.row["pattern"] == "full" and answer.pattern == ("ramp", "short_square", "downward")
    assert [t.i_pa for t in answer.traces] == [-110, analytic.RHEOBASE, 210]
    assert [t.title.split(",")[0] for t in answer.traces] == ["downward step", "at rheobase", "strongest step"]


def test_a_recording_of_another_laboratory_has_the_same_answer(tmp_path, sweeps, answer):
    other = classify(foreign(tmp_path / "theirs.nwb", sweeps))
    assert other.refusal is None and not other.simulated
    assert other.row["subclass"] == answer.row["subclass"]
    p = [f"p_{c}" for c in load("mouse").classes]
    assert other.row[p].astype(float).to_numpy() == pytest.approx(answer.row[p].astype(float).to_numpy(), abs=0.05)


def test_another_sampling_rate_is_resampled_and_said(tmp_path):
    path = foreign(tmp_path / "slow.nwb", analytic.cell(rate=25_000.0), rate=25_000.0)
    found = classify(path)
    assert found.refusal is None and any("resampled from 25 to 50 kHz" in note for note in found.notes)


@pytest.mark.parametrize(("species", "code"), [("Rattus norvegicus", "species_unknown"), ("", "species_missing")])
def test_what_another_laboratory_leaves_open_is_refused_by_name(tmp_path, sweeps, species, code):
    found = classify(foreign(tmp_path / "theirs.nwb", sweeps, species=species))
    assert found.refusal.code == code and found.row is None
    assert code in report.page(found) and code in report.sentence(found)


@pytest.mark.parametrize("options", [{"name": lambda code: "step protocol 3"}, {"numbered": False}])
def test_what_another_laboratory_calls_its_stimuli_changes_no_answer(tmp_path, sweeps, answer, options):
    found = classify(foreign(tmp_path / "theirs.nwb", sweeps, **options))
    assert found.refusal is None and found.row["subclass"] == answer.row["subclass"]


@pytest.mark.parametrize(("written", "asked", "expected"), [
    ("mouse", None, "mouse"), ("Homo sapiens", None, "human"), ("", "human", "human"),
    ("Mus Musculus ", "mouse", "mouse"),
    ("http://purl.obolibrary.org/obo/NCBITaxon_9606", None, "human"),
])
def test_species_as_files_spell_them(written, asked, expected):
    assert species_of(written, asked) == expected


@pytest.mark.parametrize(("written", "asked", "sentence"), [
    ("human", "mouse", "found a human recording, expected mouse as --species says; leave the option out, or correct "
     "the file"),
    ("Rattus norvegicus", "mouse", "found the species 'Rattus norvegicus', expected mouse or human; there are no "
     "labelled cells of other species to learn from"),
    ("", None, "found no species in the file, expected mouse or human; say it with --species"),
])
def test_species_that_cannot_be_answered_for(written, asked, sentence):
    assert species_of(written, asked).text == sentence


def test_a_published_cell_is_nearest_to_itself():
    model, cohort = load("human"), load_cohort("human", "human")
    for row in (0, 100):
        found = nearest(model, cohort.table.iloc[row][list(model.features)], cohort)
        assert found.index[0] == cohort.table.index[row] and found["distance"].iloc[0] == 0
        assert found["distance"].is_monotonic_increasing and len(found) == 5


# --- traces and page ---------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects tags, addresses and text; void elements aside, every tag must be closed in order."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.found, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "path", "polyline", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_and_asks_no_host(answer):
    text = report.page(answer, "No nearest cells: offline.")
    page = Page(text)
    assert not page.open and "http:" not in text and "https:" not in text and "src=" not in text and "url(" not in text
    tags = {tag for tag, _ in page.found}
    assert {"title", "main", "h1", "table", "svg"} <= tags and "script" not in tags
    svg = next(attrs for tag, attrs in page.found if tag == "svg" and attrs.get("aria-hidden") != "true")
    assert svg["role"] == "img" and answer.cell_id in svg["aria-label"] and "mV" in svg["aria-label"]
    assert dict(page.found)["html"] == {"lang": "en"} and "width=device-width" in text
    assert "prefers-color-scheme:dark" in text and "Simulated recording" in page.text
    assert "No nearest cells: offline." in page.text and report.sentence(answer) in page.text


def test_the_policy_of_the_page_allows_its_own_style_and_nothing_else(answer):
    text = report.page(answer)
    (policy,) = (attrs["content"] for tag, attrs in Page(text).found
                 if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not any("style" in attrs or any(name.startswith("on") for name in attrs) for _, attrs in Page(text).found)


def test_texts_from_files_are_shortened_and_cleaned():
    long = Answer(Path("x" * 200 + ".nwb"), "y" * 5000 + "\x1b[31m", "\u202emouse", notes=["z" * 5000, "a\x07b"],
                  refusal=Finding("no_spikes", "w" * 5000 + "\x1b"))
    text = report.page(long)
    assert len(text) < 8000 and "\x1b" not in text + report.sentence(long) and "\u202e" not in text
    assert "a b" in text and len(report.sentence(long)) < 700


def test_the_page_says_which_pattern_an_answer_belongs_to_and_how_good_it_is_there(answer):
    figures = load("mouse").about["figures"]["full"]
    text = Page(report.page(answer)).text
    assert "for the pattern “full”: steps of current, ramps, short squares, downward steps." in text
    assert f"on {figures['cells']:,} published mouse cells" in text
    assert f"macro-F1 of {figures['macro_f1']:.2f}" in text and f"{100 * figures['accuracy_answered']:.0f} %" in text


def test_a_cell_without_a_ramp_is_answered_by_its_own_pattern_and_the_page_says_so(tmp_path, sweeps):
    path = nwb.write(tmp_path / "steps.nwb", [s for s in sweeps if "Ramp" not in s.code and "SP_" not in s.code],
                     species="mouse")
    found = classify(path)
    assert found.refusal is None and found.row["pattern"] == "steps only"
    assert "no ramp and no short square with features" in report.page(found)


def test_the_page_shows_what_a_file_calls_itself_as_text():
    evil = Answer(Path("<script>alert(1)</script>.nwb"), "<script>alert(1)</script>", species="<b>",
                  refusal=Finding("no_spikes", "found <i>none</i>"))
    text = report.page(evil)
    assert "<script" not in text and "<i>" not in text and "<b>" not in text and "&lt;script&gt;" in text


@pytest.mark.parametrize(("change", "start"), [
    ({"verdict": "answered", "set": "Sst"}, "Sst (60 %). It is the only subclass in the 90 % prediction set."),
    ({"verdict": "undecided", "set": "Lamp5 Sst Vip"},
     "Undecided between Lamp5, Sst and Vip, the 90 % prediction set."),
    ({"verdict": "undecided", "set": ""}, "Undecided: no subclass fits well enough for the 90 % prediction set."),
    ({"verdict": "unlike", "distance": 99.0, "missing": 0}, "No answer: this cell is unlike the mouse interneurons"),
    ({"verdict": "unlike", "distance": 0.0, "missing": 30}, "No answer: this cell is unlike the mouse interneurons "
     "that the classifier has learnt from (30 of 38 features are missing"),
    ({"verdict": "excitatory", "margin": 1.5}, "No answer: this cell looks excitatory (its score is 1.50, the limit "),
    ({"verdict": "undecided", "set": "Vip"}, "Undecided: Vip is the only subclass in the 90 % prediction set, but the "
     "likeliest is Sst (60 %)"),
    ({"verdict": "answered", "set": "Sst", "p_Sst": 0.9999}, "Sst (> 99 %)."),
])
def test_sentences_for_each_verdict(change, start):
    usual = {"subclass": "Sst", "p_Sst": 0.6, "set": "", "missing": 0, "distance": 0.0}
    row = pd.Series(usual | change, dtype=object)
    assert report.sentence(Answer(Path("a.nwb"), "a", "mouse", row=row, pattern=FULL)).startswith(start)


@pytest.mark.parametrize(("change", "beyond", "flagged"), [
    ({}, 0, False), ({"verdict": "excitatory", "margin": 9.0, "excitatory": True}, 1, True),
    ({"verdict": "unlike", "distance": np.inf, "missing": 30}, 2, True),
])
def test_the_page_shows_both_flags_beside_their_limits(answer, change, beyond, flagged):
    usual = {"verdict": "undecided", "distance": 0.0, "missing": 0, "margin": -2.0, "excitatory": False}
    row = pd.Series(answer.row.to_dict() | usual | change)
    text = report.page(replace(answer, row=row))
    limit = f"{load('mouse').judgements[FULL].margin_limit:.2f}".replace("-", "−")
    assert not Page(text).open and text.count("<td>beyond</td>") == beyond and f">{limit}<" in text
    assert ("This cell is flagged" in text) == flagged and ('class="verdict none"' in text) == flagged


def test_no_figure_of_an_axis_is_cut_off():
    v = np.linspace(-72_718, 19_000, 100)
    wrong = traces.drawing([traces.Trace("downward step", np.arange(100) / 100, v, 0)], "a")
    assert "−72720</text>" in wrong and wrong.count("textLength") == 1
    assert "textLength" not in traces.drawing([traces.Trace("a", np.arange(9) / 9, np.linspace(-70, 40, 9), 0)], "a")


def test_thinned_traces_keep_every_extreme():
    v = np.sin(np.arange(100_000) / 700.0)
    v[12_345] = 40
    t, thin = traces.thinned(traces.Trace("", np.arange(100_000) / 5e4, v, 0.0))
    assert thin.max() == 40 and thin.min() == v.min() and (np.diff(t) >= 0).all() and len(t) <= 2 * traces.COLUMNS


# --- command line ------------------------------------------------------------------------------------------


def test_many_files_at_once(tmp_path, mouse_file, sweeps, capsys):
    (tmp_path / "in").mkdir()
    silent = [s for s in sweeps if s.v_mv.max() < 0 or "SP_" in s.code]
    nwb.write(tmp_path / "in" / "quiet.nwb", silent, species="mouse")
    nwb.write(tmp_path / "in" / "clamp.nwb", [RawSweep(s.code, s.i_pa, s.v_mv, nwb.VOLTAGE_CLAMP) for s in sweeps[:2]])
    (tmp_path / "in" / "page.nwb").write_text("<html>not found</html>")
    status = main(["classify", str(mouse_file), str(tmp_path / "in"), str(tmp_path / "nowhere.nwb"), "--no-reference",
                   "--out", str(tmp_path / "out")])
    table = pd.read_csv(tmp_path / "out" / "answers.csv").set_index("cell_id")
    assert status == 1 and table["verdict"].eq("refused").sum() == 4
    assert table.loc["clamp", "rule"] == "voltage_clamp_only" and table.loc["page", "rule"] == "not_hdf5"
    assert table.loc["nowhere", "rule"] == "file_missing" and table.loc["quiet", "rule"] == "no_step_spike"
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "answers.csv", "cells", "clamp.html", "nowhere.html", "page.html", "quiet.html", "sub-1_ses-2_icephys.html"}
    printed = capsys.readouterr().out
    assert "clamp (simulated): Refused by the rule voltage_clamp_only: found 2 voltage-clamp sweeps" in printed
    assert "Not compared with published cells, as asked." in (tmp_path / "out" / "sub-1_ses-2_icephys.html").read_text()


def test_without_the_public_tables_there_is_an_answer_and_a_sentence(tmp_path, mouse_file):
    """As a user has it: another process, no tables, no network."""
    environment = {**os.environ, "HELPERS_DATA": "", "HELPERS_CACHE": str(tmp_path / "cache"),
                   "https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    command = [sys.executable, "-W", "ignore", "-m", "patchtype", "classify", str(mouse_file), "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert re.search(r"No nearest cells: .* could not be downloaded", done.stderr)
    assert "No nearest cells" in (tmp_path / "out" / "sub-1_ses-2_icephys.html").read_text()


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "cell.nwb").write_text("x")
    main(["classify", str(tmp_path / "a"), str(tmp_path / "b"), "--no-reference", "--out", str(tmp_path / "out")])
    names = sorted(p.name for p in (tmp_path / "out").glob("*.html"))
    assert [name.rpartition("__")[0][-1] for name in names] == ["a", "b"]


def test_folders_are_searched_at_any_depth_and_every_file_has_its_own_page(tmp_path):
    deep = tmp_path / "in" / Path(*"abcdefghijklmnopqrstuvwxy")
    deep.mkdir(parents=True)
    (tmp_path / "in" / "folder.nwb").mkdir()
    for path in (deep / "cell.nwb", deep.parent / "Cell.nwb", tmp_path / "in" / "cell-2.nwb"):
        path.write_text("x")
    main(["classify", str(tmp_path / "in"), "--no-reference", "--out", str(tmp_path / "out")])
    pages = {p.stem for p in (tmp_path / "out").glob("*.html")}
    assert len(pages) == 3 and len({name.casefold() for name in pages}) == 3 and "cell-2" in pages


def test_a_folder_with_recordings_only_below_it_is_no_empty_folder(tmp_path):
    (tmp_path / "in" / "below").mkdir(parents=True)
    (tmp_path / "in" / "below" / "cell.nwb").write_text("x")
    assert main(["classify", str(tmp_path / "in"), "--no-reference", "--out", str(tmp_path / "out")]) == 1
    assert pd.read_csv(tmp_path / "out" / "answers.csv")[["cell_id", "rule"]].values.tolist() == [["cell", "not_hdf5"]]


@pytest.mark.parametrize(("make", "message"), [
    (lambda p: [str(p), "--out", str(p / "out")], "error: found no recording in"),
    (lambda p: [str(p / "x.nwb"), "--no-reference", "--out", str(p / "taken")], "error: found a file at"),
])
def test_calls_that_cannot_be_right(tmp_path, capsys, make, message):
    (tmp_path / "taken").write_text("")
    assert main(["classify", *make(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_the_row_of_a_refusal():
    row = as_row(Answer(Path("a.nwb"), "a", refusal=Finding("file_missing", "found no file")))
    assert (row["verdict"], row["rule"]) == ("refused", "file_missing")


# --- layers, tables of features, going on ------------------------------------------------------------------


@pytest.fixture(scope="module")
def human_table():
    model, cohort = load("human"), load_cohort("human", "human")
    return cohort.table[list(model.features)].head(3).rename_axis("cell_id").reset_index()


def classified(tmp_path, capsys, table, *more):
    path = tmp_path / "cells.csv"
    table.to_csv(path, index=False)
    status = main(["classify", str(path), "--no-reference", "--out", str(tmp_path / "out"), "--json", *more])
    return status, json.loads(capsys.readouterr().out)["answers"]


def test_a_table_of_features_is_answered_like_the_classifier_alone(tmp_path, capsys, human_table):
    status, rows = classified(tmp_path, capsys, human_table.assign(surplus=1), "--species", "human")
    alone = load("human").answers(human_table.set_index("cell_id"))
    assert status == 0 and [row["subclass"] for row in rows] == alone["subclass"].tolist()
    assert [row["p_Pvalb"] for row in rows] == pytest.approx(alone["p_Pvalb"].tolist())
    page = tmp_path / "out" / f"{human_table['cell_id'][0]}.html"
    assert "not read: the columns surplus" in page.read_text("utf-8")


def test_a_layer_told_is_a_pattern_of_its_own_and_one_told_in_vain_is_said(tmp_path, capsys, human_table):
    _, rows = classified(tmp_path, capsys, human_table.assign(species="human", layer=["2/3", "1", ""]))
    assert [row["pattern"] for row in rows] == ["steps only, layer known", "steps only", "steps only"]
    page = (tmp_path / "out" / f"{human_table['cell_id'][1]}.html").read_text("utf-8")
    assert "the layer 1 was not used: the human classifier knows the layers 2, 3, 4, 5, 6" in page


@pytest.mark.parametrize(("change", "rule", "reason"), [
    (lambda t: t[["cell_id"]], "table_unreadable", "found no feature among its 1 columns, expected names such as tau "
     "and rheobase_i"),
    (lambda t: t.head(0), "table_unreadable", "found no row, expected one a cell"),
    (lambda t: t.assign(tau="=1+1"), "table_unreadable", "found '=1+1' as tau in row 1, expected a number or nothing"),
    (lambda t: t.assign(threshold_v_rheo=np.nan), "no_step_spike",
     "found no step of current that made the cell fire and shows how an action potential rises"),
    (lambda t: t.assign(threshold_v_rheo=np.nan, rheobase_i=np.nan), "no_step_spike",
     "found no step of current that made the cell fire ("),
    (lambda t: t[["cell_id", "tau", "sag"]], "no_step_spike", "every answer needs it; record steps of 0.3 s or longer"),
])
def test_tables_that_allow_no_answer(tmp_path, capsys, human_table, change, rule, reason):
    status, rows = classified(tmp_path, capsys, change(human_table), "--species", "human")
    assert status == 1 and {row["rule"] for row in rows} == {rule} and all(reason in row["reason"] for row in rows)


def test_names_that_begin_a_formula_are_made_harmless_in_the_table(tmp_path, capsys, human_table):
    classified(tmp_path, capsys, human_table.assign(cell_id="=HYPERLINK(1)").head(1), "--species", "human")
    assert pd.read_csv(tmp_path / "out" / "answers.csv")["cell_id"].item() == "'=HYPERLINK(1)"


def test_a_run_goes_on_where_it_was_and_another_question_is_asked_again(tmp_path, monkeypatch, human_table):
    done = []
    monkeypatch.setattr(many, "work", lambda asset, question, work=many.work: done.append(asset.cell_id) or work(
        asset, question))
    for name in ("a", "b"):
        human_table.head(1).assign(cell_id=name).to_csv(tmp_path / f"{name}.csv", index=False)
    assets = [Asset(name, str(tmp_path / f"{name}.csv"), 1) for name in ("a", "b", "gone")]
    question = many.Question("human", compare=False)
    first = many.run(assets, tmp_path / "out", question, progress=False)
    (tmp_path / "out" / "cells" / "b.json").write_text("{")
    assert many.run(assets, tmp_path / "out", question, progress=False) == first
    assert done == ["a", "b", "gone", "b"]
    many.run(assets, tmp_path / "out", replace(question, layer="2"), progress=False)
    assert done[4:] == ["a", "b", "gone"]


def test_a_file_that_raises_costs_itself_alone(tmp_path, monkeypatch, human_table):
    human_table.head(1).assign(cell_id="good").to_csv(tmp_path / "good.csv", index=False)

    def work(asset, question, work=many.work):
        if asset.cell_id == "bad":
            raise ZeroDivisionError("by zero")
        return work(asset, question)
    monkeypatch.setattr(many, "work", work)
    rows = many.run([Asset("bad", "bad.nwb"), Asset("good", str(tmp_path / "good.csv"))], tmp_path / "out",
                    many.Question("human", compare=False), progress=False)
    assert [(row["cell_id"], row["rule"]) for row in rows] == [("bad", "unexpected_error"), ("good", "")]


def test_broken_metadata_do_not_take_the_label_of_a_simulated_cell(tmp_path, mouse_file):
    path = tmp_path / "broken.nwb"
    path.write_bytes(mouse_file.read_bytes())
    with h5py.File(path, "a") as file:
        del file["general/subject/species"]
        file.create_dataset("general/subject/species", data=b"\xff\xfe mouse", dtype=h5py.string_dtype())
    found = classify(path, "mouse")
    assert found.simulated and "Simulated recording" in report.page(found)


@pytest.mark.slow
def test_several_processes_give_what_one_gives(tmp_path, human_table):
    for k in range(3):
        human_table.iloc[[k]].to_csv(tmp_path / f"{k}.csv", index=False)
    assets = [Asset(str(k), str(tmp_path / f"{k}.csv")) for k in range(3)]
    question = many.Question("human", compare=False)
    one, two = (many.run(assets, tmp_path / f"out{jobs}", question, jobs, progress=False) for jobs in (0, 2))
    for first, second in zip(one, two, strict=True):
        assert first.keys() == second.keys() and first["sentence"] == second["sentence"]
        assert first["p_Pvalb"] == pytest.approx(second["p_Pvalb"], abs=1e-9)


@pytest.mark.slow
@pytest.mark.skipif(not FIELD.is_dir(), reason="the recordings of other laboratories are not here")
def test_every_recording_of_the_field_has_an_answer_or_a_reason(tmp_path, capsys):
    main(["classify", str(FIELD), "--species", "mouse", "--no-reference", "--out", str(tmp_path), "--json", "--jobs",
          "0"])
    rows = {row["cell_id"]: row for row in json.loads(capsys.readouterr().out)["answers"]}
    assert len(rows) == 10 and "unexpected_error" not in {row["rule"] for row in rows.values()}
    assert {name for name, row in rows.items() if row["rule"]} == {"17o05027_ic_ramp", "hand_17o05027_ic_ramp"}
    for first, second in (("171116sh_0018", "axon_171116sh_0018"), ("18711001", "abfi_18711001"),
                          ("190619B_0003", "hand_190619B_0003")):
        assert rows[first]["sentence"] == rows[second]["sentence"]
    assert rows["2019_07_24_0055_fsi"]["subclass"] == "Pvalb"
