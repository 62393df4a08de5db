"""One recording from file to answer: read, measured, classified, explained, and compared with known cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from patchtype import cohorts
from patchtype.classify import patterns, traces
from patchtype.classify.classifier import load
from patchtype.classify.contributions import contributions
from patchtype.cohorts import Cohort
from patchtype.recordings.cell import Cell, extract
from patchtype.recordings.verdict import Finding
from patchtype.taxonomy import SPECIES, species_named

NEIGHBOURS = 5
#: Length of the long squares behind the published tables (s), and how far from it a note is due.
STEP_S, STEP_TOLERANCE = 1.0, 0.1


@dataclass
class Answer:
    """What a recording gave. ``refusal`` is None where there is an answer, else the rule and its sentence.

    ``row``: one row of `Classifier.answers`; ``features`` (P,) Series, and of those that are NaN the reason in
    ``missing``; ``pattern`` the blocks it was answered by, ``shares``: family → share in the log probability of the
    named subclass; ``neighbours``: nearest cells of the public tables with ``distance``, or None; ``notes``:
    sentences about the recording that do not cost the answer.
    """

    path: Path
    cell_id: str
    species: str = ""
    simulated: bool = False
    refusal: Finding | None = None
    row: pd.Series | None = None
    features: pd.Series | None = None
    missing: dict[str, str] = field(default_factory=dict)
    pattern: tuple[str, ...] = ()
    shares: pd.Series | None = None
    neighbours: pd.DataFrame | None = None
    traces: list = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def classify(path, species: str | None = None, references: dict[str, Cohort] | None = None, *,
             layer: str | None = None, electrode: str | None = None, protocol: Mapping[str, str] | None = None
             ) -> Answer:
    """The answer for the one cell of a recording. Never raises for a bad one: `Answer.refusal` says why.

    Parameters
    ----------
    path : NWB 2 or Axon file
    species : for a file that does not say it
    references : species → published cells to compare with, see `known`
    layer : cortical layer of the cell, where it is known: "2", "2/3", "L5"
    electrode : which cell, in a file with several
    protocol : stimulus name (``"*"`` for every one) → "long_square", "short_square" or "ramp", against what the
        command looks like

    >>> classify("nowhere.nwb").refusal.code
    'file_missing'
    """
    return answer_of(extract(path, electrode=electrode, protocol=protocol), Path(path), species, references, layer)


def answer_of(cell: Cell, path: Path, species: str | None = None, references: dict[str, Cohort] | None = None,
              layer: str | None = None) -> Answer:
    """The answer for a cell that was read and measured; parameters as those of `classify`."""
    answer = Answer(path, cell.cell_id, cell.species, cell.simulated, missing=dict(cell.missing))
    answer.notes = [note.text for note in cell.verdict.notes] + _of_steps(cell)
    answer.traces = _drawn(cell)
    if not cell.verdict.passed:
        answer.refusal = cell.verdict.reasons[0]
        return answer
    return answered(answer, pd.Series(cell.features), species, references, layer)


def answered(answer: Answer, values: pd.Series, species: str | None = None,
             references: dict[str, Cohort] | None = None, layer: str | None = None) -> Answer:
    """Fill in an answer from features (names and units of `patchtype.families.features`), or say why there is none."""
    found = species_of(answer.species, species)
    if isinstance(found, Finding):
        answer.refusal = found
        return answer
    answer.species, model = found, load(found)
    table = pd.DataFrame([values.reindex(list(model.features)).astype(float)], index=[answer.cell_id])
    if table[[f for f in model.features if not patterns.block(f)]].isna().all(axis=None) or (
            np.isnan(table["threshold_v_rheo"].item())):
        why = answer.missing.get("threshold_v_rheo", "the spike at rheobase was not measured")
        shown = " and shows how an action potential rises" if np.isfinite(values.get("rheobase_i", np.nan)) else ""
        answer.refusal = Finding("no_step_spike", f"found no step of current that made the cell fire{shown} "
                                 f"({why.rstrip('.')}), expected one: every answer needs it; record steps of "
                                 "0.3 s or longer up to firing")
        return answer
    answer.notes += _of_layer(layer, found)
    cell = patterns.with_layers(table, [layer], found).astype(float)
    answer.row = model.answers(table, layer).iloc[0]
    (answer.pattern,) = patterns.pattern_of(cell, found)
    answer.features = table.iloc[0]
    answer.shares = contributions(model, cell.iloc[0], answer.row["subclass"], answer.pattern)
    if references and found in references:
        answer.neighbours = nearest(model, answer.features, references[found])
    return answer


def species_of(written: str, asked: str | None) -> str | Finding:
    """The species to classify for, from what the file says and what the caller says, or why there is none.

    >>> species_of("Mus musculus", None), species_of("", "human"), species_of("human", "mouse").code
    ('mouse', 'human', 'species_differs')
    """
    known = species_named(written)
    if not written.strip():
        return asked or Finding("species_missing", "found no species in the file, expected mouse or human; "
                                "say it with --species")
    if known not in SPECIES:
        return Finding("species_unknown", f"found the species {written!r}, expected mouse or human; "
                       "there are no labelled cells of other species to learn from")
    if asked and asked != known:
        return Finding("species_differs", f"found a {known} recording, expected {asked} as --species says; "
                       "leave the option out, or correct the file")
    return known


def known(species=SPECIES) -> tuple[dict[str, Cohort], str]:
    """Published cells to compare with, by species, and a sentence where they cannot be had (else "")."""
    try:
        return {name: cohorts.load(name, name) for name in species}, ""
    except (cohorts.DataUnavailable, cohorts.TableError) as error:
        return {}, f"No nearest cells: {error}"


def nearest(model, features: pd.Series, reference: Cohort, n: int = NEIGHBOURS) -> pd.DataFrame:
    """The ``n`` published cells most like a cell: ``subclass``, ``t_type``, ``donor``, ``distance`` (scaled units)."""
    others = reference.table[list(model.features)].to_numpy()
    away = model.models.novelty.apart(features.to_numpy(float)[None], others)[0]
    order = np.argsort(away, kind="stable")[:n]
    cells = reference.cells.iloc[order]
    return cells[["subclass", "t_type", "donor"]].assign(distance=away[order])


def _of_steps(cell: Cell) -> list[str]:
    """A note where steps last longer or shorter than those behind the published features."""
    if cell.prepared is None:
        return []
    steps = [cell.protocol.steps[k] for k in cell.prepared.of("long_square")]
    length = np.median([step.end_s - step.onset_s for step in steps]) if steps else STEP_S
    if abs(length - STEP_S) <= STEP_TOLERANCE:
        return []
    return [f"steps last {length:.2g} s; the published cells were measured with steps of {STEP_S:g} s, so rates, "
            "adaptation, latencies and the area of the sag are not quite the same"]


def _of_layer(layer: str | None, species: str) -> list[str]:
    """A note where the layer is told in vain."""
    if layer is None or patterns.with_layers(pd.DataFrame(index=[0]), [layer], species).notna().any(axis=None):
        return []
    names = patterns.LAYERS.get(species)
    return [f"the layer {layer} was not used: " + (f"the {species} classifier knows the layers {', '.join(names)}"
                                                  if names else f"it adds nothing to {species} answers")]


def _drawn(cell: Cell) -> list:
    """Traces where there are any; a refused file may have none that can be read."""
    try:
        return traces.pick(cell.prepared, cell.scalars["threshold_i_long_square"])
    except Exception:  # noqa: BLE001 - the reason is told already
        return []


def as_row(answer: Answer) -> dict:
    """Identity, verdict, probabilities, set, flags, and the reason of a refusal, for one row of a table."""
    row = {"file": str(answer.path), "cell_id": answer.cell_id, "species": answer.species,
           "simulated": answer.simulated, "verdict": "refused" if answer.refusal else answer.row["verdict"]}
    if answer.refusal is None:
        row |= answer.row.drop("verdict").to_dict() | {f"share_{f}": v for f, v in answer.shares.items()}
    found = answer.refusal or Finding("", "")
    return row | {"rule": found.code, "reason": found.text}
