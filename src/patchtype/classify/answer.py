"""One recording from file to answer: checked, measured, classified, explained, and compared with known cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from patchtype import cohorts
from patchtype.classify import traces
from patchtype.classify.classifier import FEATURES, load
from patchtype.classify.contributions import contributions
from patchtype.cohorts import Cohort
from patchtype.cohorts.extracted import scalar_table
from patchtype.recordings.cell import extract
from patchtype.recordings.protocols import Prepared
from patchtype.recordings.verdict import Finding
from patchtype.taxonomy import SPECIES

#: How files name the two species.
SPELLINGS = {
    "mus musculus": "mouse", "house mouse": "mouse", "ncbitaxon_10090": "mouse",
    "homo sapiens": "human", "ncbitaxon_9606": "human",
}
NEIGHBOURS = 5


@dataclass
class Answer:
    """What a recording gave. ``refusal`` is None where there is an answer, else the rule and its sentence.

    ``row``: one row of `Classifier.answers`; ``features`` (P,) Series; ``shares``: family → share in the log
    probability of the named subclass; ``neighbours``: nearest cells of the public tables with ``distance``, or
    None; ``notes``: sentences about the recording that do not cost the answer.
    """

    path: Path
    cell_id: str
    species: str = ""
    simulated: bool = False
    refusal: Finding | None = None
    row: pd.Series | None = None
    features: pd.Series | None = None
    shares: pd.Series | None = None
    neighbours: pd.DataFrame | None = None
    traces: list = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def classify(path, species: str | None = None, references: dict[str, Cohort] | None = None) -> Answer:
    """The answer for one NWB file. Never raises for a bad recording: `Answer.refusal` says why.

    Parameters: ``species``, for a file that does not say it; ``references``, species → published cells, see `known`.

    >>> classify("nowhere.nwb").refusal.code
    'file_missing'
    """
    path = Path(path)
    cell = extract(path)
    answer = Answer(path, cell.cell_id, cell.species, cell.simulated)
    answer.notes = [note.text for note in cell.verdict.notes]
    if not cell.verdict.passed:
        answer.refusal = cell.verdict.reasons[0]
        answer.traces = _drawn(cell.prepared, np.nan)
        return answer
    found = species_of(cell.species, species)
    if isinstance(found, Finding):
        answer.refusal = found
        return answer
    answer.species, model = found, load(found)
    scalars = pd.DataFrame([cell.scalars], index=[answer.cell_id], dtype=float)
    table = scalar_table(scalars, FEATURES)[0]
    answer.row = model.answers(table).iloc[0]
    answer.features = table.iloc[0][list(model.features)]
    answer.shares = contributions(model, answer.features, answer.row["subclass"])
    answer.traces = _drawn(cell.prepared, cell.scalars["threshold_i_long_square"])
    if references and found in references:
        answer.neighbours = nearest(model, answer.features, references[found])
    return answer


def species_of(written: str, asked: str | None) -> str | Finding:
    """The species to classify for, from what the file says and what the caller says, or why there is none.

    >>> species_of("Mus musculus", None), species_of("", "human"), species_of("human", "mouse").code
    ('mouse', 'human', 'species_differs')
    """
    plain = written.strip().lower()
    # Files may give an address of the NCBI taxonomy instead of a name.
    known = SPELLINGS.get(plain.rsplit("/", 1)[-1], plain)
    if not plain:
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
        return {name: cohorts.load(name, FEATURES) for name in species}, ""
    except (cohorts.DataUnavailable, cohorts.TableError) as error:
        return {}, f"No nearest cells: {error}"


def nearest(model, features: pd.Series, reference: Cohort, n: int = NEIGHBOURS) -> pd.DataFrame:
    """The ``n`` published cells most like a cell: ``subclass``, ``t_type``, ``donor``, ``distance`` (scaled units)."""
    away = model.novelty.apart(features.to_numpy(float)[None], reference.table[list(model.features)].to_numpy())[0]
    order = np.argsort(away, kind="stable")[:n]
    cells = reference.cells.iloc[order]
    return cells[["subclass", "t_type", "donor"]].assign(distance=away[order])


def _drawn(prepared: Prepared | None, rheobase: float) -> list:
    """Traces where there are any; a refused file may have none that can be read."""
    try:
        return traces.pick(prepared, rheobase)
    except Exception:  # noqa: BLE001 - the reason is told already
        return []


def as_table(answers: list[Answer]) -> pd.DataFrame:
    """One row a file: identity, verdict, probabilities, set, novelty, and the reason of a refusal."""
    rows = []
    for a in answers:
        row = {"file": str(a.path), "cell_id": a.cell_id, "species": a.species, "simulated": a.simulated,
               "verdict": "refused" if a.refusal else a.row["verdict"]}
        if a.refusal is None:
            row |= a.row.drop("verdict").to_dict() | {f"share_{f}": v for f, v in a.shares.items()}
        rows.append(row | {"rule": a.refusal.code if a.refusal else "", "reason": a.refusal.text if a.refusal else ""})
    return pd.DataFrame(rows)
