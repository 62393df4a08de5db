"""Many recordings to many answers: resumable, in several processes, and nothing that one file does stops the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from patchtype import families
from patchtype.classify import answer as answering
from patchtype.classify import report
from patchtype.files import file_name, write_bytes, write_text
from patchtype.recordings import batch, sources
from patchtype.recordings.recording import TRANSIENT
from patchtype.recordings.text import clean
from patchtype.recordings.verdict import Finding

#: Columns of a table of features that are none.
TOLD = ("cell_id", "species", "layer", "simulated")


@dataclass(frozen=True)
class Question:
    """What is asked of every cell, and how its recording is read.

    ``compare``: whether with the published cells; ``note`` stands on the pages instead of them.
    """

    species: str | None = None
    layer: str | None = None
    compare: bool = True
    note: str = ""
    options: batch.Options = batch.Options()


def run(assets: list[sources.Asset], out: Path, question: Question, jobs: int = 0, progress: bool = True) -> list[dict]:
    """Classify all assets into a folder: a page a cell, ``answers.csv``, and ``cells/<name>.json`` to go on from.

    A file that was done with the same question, and has the same size, is not done again, unless its refusal says
    nothing about the cell. Returns the rows of the table in the order of the assets.
    """
    places = {asset.cell_id: out / "cells" / file_name(asset.cell_id, ".json") for asset in assets}
    (out / "cells").mkdir(parents=True, exist_ok=True)
    done = {asset.cell_id: found for asset in assets if (found := _done(places[asset.cell_id], asset, question))}
    todo = [asset for asset in assets if asset.cell_id not in done]
    with tqdm(total=len(assets), initial=len(done), unit="file", disable=None if progress else True) as bar:
        for asset, found in _results(todo, question, jobs):
            for name, page in found["pages"].items():
                write_text(out / file_name(name, ".html"), page)
            done[asset.cell_id] = found["rows"]
            write_bytes(places[asset.cell_id], json.dumps(
                {"size": asset.size, "question": _identity(question), "rows": found["rows"]}).encode())
            bar.update()
    return [row for asset in assets for row in done[asset.cell_id]]


def _identity(question: Question) -> dict:
    """What two runs must share for one to go on from the other, as JSON gives it back."""
    said = asdict(replace(question, options=batch.Options())) | {"options": question.options.identity()}
    return json.loads(json.dumps(said))


def _done(place: Path, asset: sources.Asset, question: Question) -> list[dict] | None:
    """The rows that an earlier run left, if they are what this one would give."""
    try:
        found = json.loads(place.read_text("utf-8"))
        if found["size"] != asset.size or found["question"] != _identity(question):
            return None
        return None if any(row["rule"] in TRANSIENT for row in found["rows"]) else found["rows"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def work(asset: sources.Asset, question: Question) -> dict:
    """Rows and pages (by name) of all cells of one asset, wherever it is. Runs in a worker."""
    path = Path(asset.location)
    if asset.location.lower().endswith(".csv") and not asset.remote:
        answers = list(from_table(path, question))
    else:
        answers = [answering.answer_of(cell, path, question.species, _references(question), question.layer)
                   for cell in batch.cells_of(asset, question.options)]
    return {"rows": [_row(each) for each in answers],
            "pages": {each.cell_id: report.page(each, question.note) for each in answers}}


def lost(asset: sources.Asset, question: Question, code: str, text: str) -> dict:
    """What `work` gives for a file of which nothing is known but why."""
    found = answering.Answer(Path(asset.location), asset.cell_id, refusal=Finding(code, text))
    return {"rows": [_row(found)], "pages": {found.cell_id: report.page(found, question.note)}}


def from_table(path: Path, question: Question) -> Iterator[answering.Answer]:
    """An answer for each row of a CSV file of features, names and units as in `patchtype.families.features`.

    It may tell ``cell_id``, ``species``, ``layer`` and ``simulated``; what it does not have was not measured.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(TOLD, str), keep_default_na=True)
        known = [name for name in table if name in families.features().index]
        if not known:
            raise ValueError(f"found no feature among its {len(table.columns)} columns, expected names such as tau and "
                             "rheobase_i; see `patchtype.families.features`")
        if not len(table):
            raise ValueError("found no row, expected one a cell")
        values = table[known].apply(pd.to_numeric, errors="coerce")
        wrong = table[known].notna() & values.isna()
        if wrong.any(axis=None):
            row, name = next((r, n) for n in known for r in np.flatnonzero(wrong[n]))
            raise ValueError(f"found {clean(table[name][row], 40)!r} as {name} in row {row + 1}, expected a number or "
                             "nothing")
    except (OSError, ValueError) as error:
        code = "file_missing" if isinstance(error, FileNotFoundError) else "table_unreadable"
        yield answering.Answer(path, path.stem, refusal=Finding(code, clean(error)))
        return
    told = table.reindex(columns=list(TOLD)).fillna("")
    rows = pd.Series([f"-{k + 1}" for k in range(len(table))])
    names = told["cell_id"].where(told["cell_id"] != "", path.stem + rows)
    names = names.where(~names.duplicated(), names + rows)
    stray = [clean(name, 40) for name in table if name not in known and name not in TOLD]
    more = f" and {len(stray) - 5} more" if len(stray) > 5 else ""
    notes = [f"not read: the columns {', '.join(stray[:5])}{more}"] if stray else []
    for k, name in enumerate(names):
        found = answering.Answer(path, clean(name), clean(told["species"][k]), notes=list(notes), simulated=
                                 told["simulated"][k].strip().lower() in ("true", "1", "yes"))
        yield answering.answered(found, values.iloc[k].replace([np.inf, -np.inf], np.nan), question.species,
                                 _references(question), told["layer"][k] or question.layer)


def _references(question: Question):
    return _known() if question.compare else None


@cache
def _known():
    return answering.known()[0]


def _row(answer: answering.Answer) -> dict:
    """The row of an answer with numbers and texts that JSON knows, and its sentence."""
    row = answering.as_row(answer) | {"sentence": report.sentence(answer)}
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in row.items()}


def _results(todo: list[sources.Asset], question: Question, jobs: int) -> Iterator[tuple[sources.Asset, dict]]:
    """Each asset with its result, as they are finished."""
    jobs = max(1, min(jobs, len(todo)))
    if jobs == 1 and not batch.can_be_copied():
        for asset in todo:
            yield asset, _safely(work, asset, question)
        return
    answered = partial(_safely, work, question=question)
    for asset, found in batch.in_processes(answered, todo, jobs):
        yield asset, found or lost(asset, question, "worker_lost", batch.ENDED)


def _safely(what: Callable, asset: sources.Asset, question: Question) -> dict:
    """What ``what`` gives, or a refusal: nothing that one file does may stop the others."""
    try:
        return what(asset, question)
    except OSError as error:
        if error.errno in batch.FULL:
            raise
        return lost(asset, question, "file_unreadable", f"{type(error).__name__}: {clean(error)}")
    except Exception as error:  # noqa: BLE001
        return lost(asset, question, "unexpected_error", f"{type(error).__name__}: {clean(error)}")
