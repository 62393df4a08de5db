"""One recording from file to features, families and verdict. Nothing raised here stops a batch."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from patchtype.recordings import extraction, quality
from patchtype.recordings.commands import EVERY, KINDS, Protocol, divided, named_kind
from patchtype.recordings.protocols import Prepared, check_sweeps
from patchtype.recordings.reading import recordings, stem_of
from patchtype.recordings.recording import Recording
from patchtype.recordings.scalars import SCALARS, names, scalar_features, unmeasured

LOST_MV = 25.0  # from the potential before most steps; firing and drift move it less


@dataclass
class Cell:
    """What one recording gives.

    Parameters
    ----------
    paper, official : family → 1-d float array; empty where the verdict says why
    scalars : name of `SCALARS` → value, in the units of the published mouse table
    sweeps : number of sweeps in the recording, of long squares, and of long squares used
    features : every name of ``features.csv`` → value in that table's unit, NaN where there is none
    missing : feature → why it is NaN, a sentence
    behind : feature → number of sweeps behind its value, where more than one may be
    protocol : what each sweep injects, as recognised from the command

    The last few are there while the rules look at the cell; they are not written to results.
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
    features: dict[str, float] = field(default_factory=lambda: dict.fromkeys(names(), np.nan))
    missing: dict[str, str] = field(default_factory=dict)
    behind: dict[str, int] = field(default_factory=dict)
    electrode: str = ""
    format: str = ""
    simulated: bool = False
    protocol: Protocol | None = None
    prepared: Prepared | None = field(default=None, repr=False)
    checked: pd.DataFrame | None = field(default=None, repr=False)
    long_squares: extraction.LongSquares | None = field(default=None, repr=False)
    lost: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)

    def long_table(self) -> pd.DataFrame:
        """Rows of the sweep check that belong to long squares; none where there was no check."""
        if self.checked is None:
            return pd.DataFrame({"tags": [], "fails": []})
        return self.checked[self.checked["kind"] == "long_square"]

    def without_features(self) -> Cell:
        """The same with its numbers taken away, for they cannot be trusted; the reasons stay."""
        nothing = unmeasured("; ".join(found.text for found in self.verdict.reasons))
        self.paper, self.official, self.behind = {}, {}, {}
        self.scalars, self.features, self.missing = nothing.scalars, nothing.features, nothing.missing
        return self


def extract(source, *, electrode: str | None = None, cell_id: str | None = None,
            protocol: Mapping[str, str] | None = None, drop_failed: bool = False, allow: Collection[str] = ()) -> Cell:
    """Check and measure one cell: a `Recording`, or the only one of a file.

    Parameters
    ----------
    source : a `Recording`, the path of an NWB or ABF file, or NWB as an open `h5py.File` or binary file-like object
    electrode : which cell, where several were recorded at once; without it such a file gives a reason
    protocol : stimulus name (``"*"`` for every one) → "long_square", "short_square" or "ramp", against what the
        command looks like
    drop_failed : leave out sweeps beyond ipfx's limits, which the paper keeps
    allow : codes of `quality.waivable` that cost nothing this time

    Never raises for a bad recording: the verdict says why.

    >>> extract("nowhere.nwb").verdict.reasons[0].code
    'file_missing'
    >>> extract(Recording("a", [])).verdict.reasons[0].code
    'no_sweeps'
    """
    settings = {"protocol": protocol, "drop_failed": drop_failed, "allow": allow}
    if isinstance(source, Recording):
        return _measured(source, **settings)
    cells = extract_all(source, electrode=electrode, cell_id=cell_id, **settings)
    if len(cells) == 1:
        return cells[0]
    both = Cell(cell_id or stem_of(source))
    electrodes = ", ".join(repr(cell.electrode) for cell in cells)
    both.verdict.add("several_electrodes", f"found {len(cells)} electrodes ({electrodes}), expected one, for each is "
                     "a cell of its own; name one with --electrode")
    return both.without_features()


def extract_all(source, *, electrode: str | None = None, cell_id: str | None = None, **settings) -> list[Cell]:
    """Check and measure every cell of a file, one for each electrode; parameters as those of `extract`.

    >>> [cell.cell_id for cell in extract_all("nowhere.nwb")]
    ['nowhere']
    """
    try:
        with recordings(source, electrode=electrode, cell_id=cell_id) as found:
            return [extract(each, **settings) for each in found]
    except Exception as error:  # noqa: BLE001 - nothing may stop a batch
        cell = Cell(cell_id or stem_of(source), **getattr(error, "about", {}))
        cell.verdict.add_error(error)
        return [cell.without_features()]


def _measured(recording: Recording, protocol, drop_failed: bool, allow: Collection[str]) -> Cell:
    """The cell of a recording."""
    cell = Cell(recording.cell_id, electrode=recording.electrode, **recording.about)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ipfx and numpy warn of what the rules say in full
        try:
            _examine(cell, recording, protocol, drop_failed, allow)
        except Exception as error:  # noqa: BLE001 - nothing may stop a batch
            cell.verdict.add_error(error, allow)
    return cell if cell.verdict.passed else cell.without_features()


def _examine(cell: Cell, recording: Recording, protocol, drop_failed: bool, allow: Collection[str]) -> None:
    """Fill in ``cell`` stage by stage; stop after the stage that costs it."""
    every = len(recording.sweeps) + len(recording.set_aside)
    if not recording.sweeps:
        cell.verdict.add("no_sweeps", "; ".join(["found no current-clamp sweep that can be read, expected some",
                                                 *recording.left_out()]))
        return
    recording = divided(read_needed(recording, protocol))
    every = max(every, len(recording.sweeps))
    for code, texts in (("reader", recording.notes), ("set_aside", recording.left_out())):
        for text in texts:
            cell.verdict.add(code, text)
    cell.prepared = Prepared(recording, protocol)
    cell.protocol = cell.prepared.protocol
    long = len(cell.prepared.of("long_square"))
    cell.sweeps = every, long, 0
    for note in cell.protocol.notes:
        cell.verdict.add("protocol", note)
    quality.apply("recording", cell, allow)
    if not cell.verdict.passed:
        return
    for prepared, verdict in ((cell.prepared, cell.verdict), (cell.prepared.other, quality.Verdict())):
        if prepared:  # what the second family loses is not told: most cells do not need it
            _leave_out_lost(prepared, verdict)
            _leave_out_incomplete(prepared, verdict)
    cell.sweeps = every, long, len(cell.prepared.of("long_square"))
    quality.apply("samples", cell, allow)
    quality.apply("families", cell, allow)
    if not cell.verdict.passed:
        return

    needed = cell.prepared
    if not cell.verdict.families:
        cell.checked = check_sweeps(cell.prepared)
        if drop_failed:
            failed = cell.checked.loc[cell.checked["fails"].map(len) > 0, "position"]
            needed = cell.prepared.only(set(range(len(recording.sweeps))) - cell.prepared.left_out - set(failed))
    found = scalar_features(needed, as_published=not cell.verdict.families)
    cell.features, cell.missing, cell.behind, cell.scalars = found.features, found.missing, found.sweeps, found.scalars
    for code, text in found.notes:
        cell.verdict.add(code, text)
    if not cell.verdict.families:
        _families(cell, drop_failed)
    quality.apply("result", cell, allow)
    if cell.verdict.families:
        cell.paper, cell.official = {}, {}


def read_needed(recording: Recording, protocol) -> Recording:
    """All sweeps read but those whose Allen code says that no analysis needs them."""
    asked = set(protocol or ())
    idle = [s for s in recording.sweeps
            if named_kind(s.stimulus_name) in ("other", "chirp") and not asked & {s.stimulus_name, EVERY}]
    if len(idle) < len(recording.sweeps):
        recording.sweeps = [s for s in recording.sweeps if s not in idle]
    return recording.read()


def _leave_out_incomplete(prepared: Prepared, verdict: quality.Verdict) -> None:
    """Leave out sweeps that lack samples which the analysis uses, with a note."""
    holes, short = [], []
    for kind in KINDS:
        for k in prepared.of(kind):
            raw, used = prepared.recording.sweeps[k], prepared.used(k)
            v = raw.v_mv[used]
            missing = ~np.isfinite(v)
            if kind == "ramp":  # may break off at any time after the first action potential
                missing = missing[:len(v) // 10]
            # A sweep that was stopped is filled up with zeros; a voltage passes zero in less than a millisecond.
            padded = len(v) - np.flatnonzero(v)[-1] - 1 if v.any() else len(v)
            if not missing.any() and padded <= 0.001 * raw.rate:
                continue
            finite = np.flatnonzero(~missing)
            hole = finite.size and missing[finite[0]:finite[-1]].any()
            (holes if hole else short).append(prepared.number(k))
            prepared.left_out.add(k)
    if holes:
        verdict.add("nan_hole", f"left out {quality.some(holes)}: samples are missing inside the response")
    if short:
        verdict.add("sweep_incomplete", f"left out {quality.some(short)}: the data end before the stimulus does")


def _leave_out_lost(prepared: Prepared, verdict: quality.Verdict) -> None:
    """Leave out long squares before which the cell was not where it is in most of them, with a note."""
    before = {}
    for k in prepared.of("long_square"):
        raw, used = prepared.recording.sweeps[k], prepared.used(k)
        v = raw.v_mv[used.start:round(prepared.protocol.steps[k].onset_s * raw.rate)]
        before[k] = float(np.mean(v)) if len(v) else np.nan
    rest = float(np.nanmedian(list(before.values()))) if before else np.nan
    lost = [k for k, level in before.items() if abs(level - rest) > LOST_MV]
    if lost:
        prepared.left_out.update(lost)
        verdict.add("cell_lost", f"left out {quality.some(map(prepared.number, lost))}: before the step the potential "
                    f"is more than {LOST_MV:g} mV away from the {rest:.0f} mV of the others")


def _families(cell: Cell, drop_failed: bool) -> None:
    official = extraction.official_families(cell.prepared)
    keep = cell.checked["passed"] if drop_failed else cell.checked["tags"].map(len) == 0
    usable = cell.prepared.only(cell.checked.loc[keep.astype(bool), "position"])
    cell.long_squares = extraction.analyze_long_squares(usable)
    paper = extraction.paper_families(cell.long_squares)
    cell.paper, cell.official = paper.values, official.values
    cell.lost = {"paper": paper.missing, "official": official.missing}
    cell.sweeps = *cell.sweeps[:2], len(usable.of("long_square"))
