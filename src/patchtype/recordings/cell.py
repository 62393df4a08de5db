"""One recording from file to families, scalar features and verdict. Nothing raised here stops a batch."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from patchtype.recordings import extraction, protocols, quality
from patchtype.recordings.nwb import Recording, RecordingError
from patchtype.recordings.scalars import SCALARS, scalar_features


@dataclass
class Cell:
    """What one recording gives. A cell with a reason has no families; its scalars are NaN.

    ``paper`` and ``official``: family → 1-d float array. ``scalars``: name of `SCALARS` → float.
    ``sweeps``: number of sweeps in the file, of long squares, and of long squares used.
    """

    cell_id: str
    verdict: quality.Verdict = field(default_factory=quality.Verdict)
    species: str = ""
    subject_id: str = ""
    session_id: str = ""
    paper: dict[str, np.ndarray] = field(default_factory=dict)
    official: dict[str, np.ndarray] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SCALARS, np.nan))
    sweeps: tuple[int, int, int] = (0, 0, 0)


def cell_id_of(source) -> str:
    """Identifier of a cell: the name of its file without the ending.

    >>> cell_id_of("a/sub-1_ses-2_icephys.nwb")
    'sub-1_ses-2_icephys'
    """
    return Path(str(source)).name.removesuffix(".nwb")


def extract(source, *, cell_id: str | None = None, drop_failed: bool = False, allow: Collection[str] = ()) -> Cell:
    """Check and extract one recording in one pass over its file.

    Parameters
    ----------
    source : path, open `h5py.File`, or binary file-like object
    drop_failed : leave out sweeps beyond ipfx's limits, which the paper keeps
    allow : codes of `quality.RULES` that cost no cell this time

    Never raises for a bad recording: the verdict says why.

    >>> extract("nowhere.nwb").verdict.reasons[0].code
    'file_missing'
    """
    cell = Cell(cell_id or cell_id_of(source))
    case = quality.Case(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ipfx and numpy warn of what the rules say in full
        try:
            _examine(case, cell, drop_failed, allow)
        except RecordingError as error:
            cell.verdict.add(error.code, str(error), allow)
        except OSError as error:
            cell.verdict.add(*quality.unreadable(error), allow)
        except Exception as error:  # noqa: BLE001 - nothing may stop a batch
            cell.verdict.add("unexpected_error", f"{type(error).__name__}: {error}", allow)
        finally:
            if case.recording is not None:
                case.recording.close()
    if not cell.verdict.passed:
        cell.paper, cell.official, cell.scalars = {}, {}, dict.fromkeys(SCALARS, np.nan)
    return cell


def _examine(case: quality.Case, cell: Cell, drop_failed: bool, allow: Collection[str]) -> None:
    """Fill in ``cell`` stage by stage; stop after the stage that costs it."""
    def judged(stage: str) -> bool:
        quality.apply(stage, case, cell.verdict, allow)
        return cell.verdict.passed

    if not judged("file"):
        return
    case.recording = Recording(case.source)
    case.dataset = protocols.Dataset(case.recording)
    case.long = protocols.numbers_of(case.dataset, case.dataset.ontology.long_square_names)
    cell.species, cell.subject_id = case.recording.species, case.recording.subject_id
    cell.session_id = case.recording.session_id
    cell.sweeps = len(case.recording.all_sweep_numbers), len(case.long), 0
    if not judged("recording") or not judged("samples"):
        return
    case.checked = protocols.check_sweeps(case.dataset)
    if not judged("sweeps"):
        return

    case.official = extraction.official_families(case.dataset)
    protocols.usable(case.dataset, case.checked, drop_failed)
    case.long_squares = extraction.analyze_long_squares(case.dataset)
    case.paper = extraction.paper_families(case.long_squares)
    values, case.scalars_missing = scalar_features(case.dataset)
    if case.long_squares.protocol is not None:
        cell.sweeps = *cell.sweeps[:2], len(case.long_squares.protocol.numbers)
    judged("result")
    cell.paper, cell.official, cell.scalars = case.paper.values, case.official.values, values
