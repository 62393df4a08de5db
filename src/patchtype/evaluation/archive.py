"""Out-of-fold predictions of long runs, kept in the repository and joined with their labels when they are read.

An experiment is two files of one folder, ``NAME.parquet`` and ``NAME.json``. The table says which cell was
predicted, by which model, in which fold and with what probabilities; it holds no features and no labels. The
JSON file says how the table was made: protocol, data, versions, time and command. It is written last, so its
presence says that the experiment is whole.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pooch

from patchtype import cohorts
from patchtype.cohorts import Cohort
from patchtype.evaluation.predictions import evaluate
from patchtype.files import read_parquet, write_parquet, write_text
from patchtype.settings import SCIENCE, science_folder

#: Probabilities are kept as whole thousandths, which is finer than scores of names and ranks can see. Log loss and
#: calibration see it, so that `keep` takes more ``steps``, up to 65,535.
STEPS = 1000

#: What flags for unusual cells go by, beside the probabilities.
MORE = {"distance": "float32", "missing": "uint8", "margin": "float32"}

#: What makes the experiments whose names begin so.
COMMANDS = {"baselines": "make suite", "better": "make better", "classifier": "make models", "suite": "make suite"}

PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "torch")


class ArchiveError(ValueError):
    """Kept predictions are absent, damaged, or about other cells than those at hand."""


def identity(cohort: Cohort) -> str:
    """Twelve hex digits that change with the cells of a cohort, their order, labels or donors.

    The features are not part of it: experiments on other features of the same cells are about the same cells.
    """
    rows = cohort.cells[["subclass", "donor", "source"]].astype(str)
    lines = "\n".join("\t".join(row) for row in rows.itertuples(name=None))
    content = "\t".join(cohort.classes) + "\n" + lines
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def keep(name: str, predictions: pd.DataFrame, protocol, folder: str | Path | None = None, *, cohort: Cohort,
         steps: int = STEPS, **more) -> dict:
    """Keep a table of `patchtype.evaluation.evaluate` under a name; returns what was written beside it.

    Parameters: ``predictions`` with ``model, repeat, fold, cell, predicted`` and one ``p_<class>`` per class, and
    optionally ``size`` (training cells; 0 means all) and columns of `MORE`; ``protocol``, said in words;
    ``cohort``, the cells predicted; ``steps``, see `STEPS`; ``more``, what else should be known of the run, such as
    ``cpu_minutes``.
    Anything else in the table, the true labels above all, is left out.
    """
    folder = Path(folder or science_folder())
    folder.mkdir(parents=True, exist_ok=True)
    stray = predictions.loc[~predictions["cell"].isin(cohort.cells.index), "cell"]
    if len(stray):
        raise ArchiveError(f"found predictions of the cell {stray.iloc[0]!r}, expected cells of the given cohort only")
    about = folder / f"{name}.json"
    about.unlink(missing_ok=True)
    write_parquet(folder / f"{name}.parquet", _compact(predictions, cohort, steps), compression="zstd")
    content = {
        "experiment": name, "protocol": str(protocol), "cells": len(cohort), "classes": list(cohort.classes),
        "species": str(cohort.cells["species"].iloc[0]), "source": cohort.source,
        "identity": identity(cohort), "features": _features(cohort), "fingerprint": cohorts.fingerprint(),
        "files": _files(cohort),
        "rows": len(predictions), "steps": steps, "sha256": pooch.file_hash(str(folder / f"{name}.parquet")),
        "python": platform.python_version(), "packages": {package: version(package) for package in PACKAGES},
        "command": shlex.join(["patchtype", *sys.argv[1:]]), **more,
    }
    write_text(about, json.dumps(content, indent=1, sort_keys=True, default=str) + "\n")
    return content


def load(name: str, cohort: Cohort, folder: str | Path | None = None) -> pd.DataFrame:
    """Kept predictions with the true label of each cell, as `patchtype.evaluation.evaluate` returns them.

    Raises `ArchiveError` when the experiment is absent or damaged, or when the cohort's cells, labels or donors, or
    one of the public files, are not those that it was run on.

    >>> load("transfer_full", cohorts.load("human", "human"))["true"].iloc[0]  # doctest: +SKIP
    'Vip'
    """
    folder = Path(folder or science_folder())
    about = provenance(name, folder)
    path = folder / f"{name}.parquet"
    if not path.is_file() or pooch.file_hash(str(path)) != about["sha256"]:
        raise ArchiveError(
            f"{path} is not the table that {name}.json describes (expected sha256 {about['sha256'][:12]}…); "
            f"restore both files, or delete both and run `{command(name)}`")
    _same_data(about, cohort)
    table = read_parquet(path)
    classes = about["classes"]
    p = table[[f"p_{c}" for c in classes]].to_numpy(float) / about.get("steps", STEPS)
    out = table.drop(columns=[f"p_{c}" for c in classes]).astype({"repeat": int, "fold": int, "predicted": str})
    out.insert(out.columns.get_loc("predicted"), "true", out["cell"].map(cohort.cells["subclass"]).astype(str))
    out = out.astype({"model": str, "cell": str} | ({"size": int} if "size" in out else {}))
    return out.assign(**{f"p_{c}": p[:, i] for i, c in enumerate(classes)})


def recall(name: str, cohort: Cohort, protocol, folder: str | Path | None = None) -> pd.DataFrame:
    """What `patchtype.evaluation.evaluate` would give under a protocol, from what is kept.

    Raises `ArchiveError` where `load` does, and when the experiment was run on other features of the cells or does not
    hold every fold of the protocol, with the same test cells.

    >>> recall("suite", cohorts.load("human", "aligned"), CrossValidation(5, 1))  # doctest: +SKIP
    """
    about, table = provenance(name, folder), load(name, cohort, folder)
    if about.get("features", _features(cohort)) != _features(cohort):
        raise ArchiveError(f"found other features than {name} was run on; run its models on these")
    table = table[table["repeat"] < protocol.n_repeats]
    tested = pd.concat(
        pd.DataFrame({"repeat": fold.repeat, "fold": fold.fold, "cell": cohort.cells.index[fold.test]})
        for fold in protocol.folds(cohort))
    held = table[["repeat", "fold", "cell"]].drop_duplicates()
    if not len(held) == len(tested) == len(held.merge(tested)):
        raise ArchiveError(f"found folds ({protocol}) that {name} does not hold ({about['protocol']}); run its models "
                           "on these")
    return table.reset_index(drop=True)


def recall_or_run(name: str, models: Mapping, cohort: Cohort, protocol, n_jobs: int = 1) -> pd.DataFrame:
    """The predictions that `recall` finds, or else those that `patchtype.evaluation.evaluate` makes here.

    Parameters: ``models``, builder by name, as for `evaluate`; ``n_jobs``, folds that are run at once.

    >>> recall_or_run("networks_human", networks(0.2), cohort, CrossValidation(5, 1))  # doctest: +SKIP
    """
    try:
        return recall(name, cohort, protocol)
    except ArchiveError:
        return evaluate(models, cohort, protocol, n_jobs)


def is_kept(name: str, cohort: Cohort, folder: str | Path | None = None) -> bool:
    """Whether an experiment is whole and about the cells of this cohort."""
    try:
        load(name, cohort, folder)
    except ArchiveError:
        return False
    return True


def provenance(name: str, folder: str | Path | None = None) -> dict:
    """How an experiment was made; `ArchiveError` says what to do where there is none."""
    path = Path(folder or science_folder()) / f"{name}.json"
    if not path.is_file():
        raise ArchiveError(f"found no {path}, expected a kept experiment; run `{command(name)}`, or set {SCIENCE}")
    return json.loads(path.read_text("utf-8"))


def command(name: str) -> str:
    """What makes an experiment of this name.

    >>> command("transfer_full"), command("classifier_mouse")
    ('make science', 'make models')
    """
    return COMMANDS.get(name.partition("_")[0], "make science")


def kept(folder: str | Path | None = None) -> list[str]:
    """Names of the whole experiments of a folder."""
    return sorted(path.stem for path in Path(folder or science_folder()).glob("*.json"))


def _compact(predictions: pd.DataFrame, cohort: Cohort, steps: int = STEPS) -> pd.DataFrame:
    """The columns that are kept, as small as they can be without changing a score."""
    columns = [c for c in ("model", "size", "repeat", "fold", "cell", "predicted", *MORE) if c in predictions]
    table = predictions[columns].reset_index(drop=True)
    small = dict.fromkeys(("model", "cell", "predicted"), "category") | dict.fromkeys(("repeat", "fold"), "uint8")
    table = table.astype(small | {c: kind for c, kind in MORE.items() if c in table})
    if "size" in table:
        table["size"] = table["size"].astype("uint16")
    probabilities = predictions[[f"p_{c}" for c in cohort.classes]].to_numpy(float)
    if not np.isfinite(probabilities).all():
        raise ArchiveError("found a probability that is not a number, expected finite predictions; nothing was kept")
    counted = np.rint(probabilities * steps).astype("uint16")
    return table.assign(**{f"p_{c}": counted[:, i] for i, c in enumerate(cohort.classes)})


def _same_data(about: dict, cohort: Cohort) -> None:
    found = identity(cohort)
    changed = [name for name, sha in about["files"].items() if _files(cohort).get(name) != sha]
    if found != about["identity"] or changed:
        same = found == about["identity"]
        reason = f"the file {changed[0]} is another" if same else "cells, labels or donors differ"
        raise ArchiveError(
            f"found {len(cohort):,} {cohort.source} cells with identity {found}, expected the {about['cells']:,} "
            f"{about['source']} cells {about['identity']} that {about['experiment']} was run on ({reason}); "
            f"run `{command(about['experiment'])}` on the present data")


def _features(cohort: Cohort) -> str:
    """Twelve hex digits that change with the names of the features and their order."""
    return hashlib.sha256("\n".join(cohort.table.columns).encode()).hexdigest()[:12]


def _files(cohort: Cohort) -> dict[str, str]:
    """Hash of each public file that the cells may come from; a file registered later changes nothing."""
    if cohort.source != "published":
        return {}
    return {row.name: row.sha256[:12] for row in cohorts.public_files().values()}
