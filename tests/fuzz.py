"""``python -m tests.fuzz``: harmed inputs without end, for a while: no crash, no hang, no pass with changed features.

Hypothesis draws how a good input is harmed: bytes of a recording, a public table or a student's notebook changed, cut
out or repeated; attributes and data sets of an NWB file removed, retyped or filled anew. What it finds it shrinks,
prints and keeps in ``_build/fuzz``, and the next run begins with it. The seed decides the rest.
Exit status 1 when something was found.
"""

from __future__ import annotations

import argparse
import functools
import io
import logging
import os
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "_build" / "fuzz"
HANG_S = 30  # of processor time
ROUND = 20  # examples between two looks at the clock
COUNTS: Counter[str] = Counter()


TARGETS: dict[str, tuple] = {}


def target(*drawn):
    """Name a function that is given inputs drawn by these strategies, and raises where one breaks something."""
    def named(function):
        TARGETS[function.__name__] = function, drawn
        return function
    return named


class Hang(BaseException):
    """An input took longer than `HANG_S`; not an Exception, which a batch would catch and go on."""


#: How bytes are harmed: what is done, where (a share of the file), to how many, with what.
HARM = st.lists(st.tuples(st.sampled_from(["set", "cut", "repeat", "zero"]), st.floats(0, 1), st.integers(1, 4096),
                          st.binary(min_size=1, max_size=8)), min_size=1, max_size=6)


def harmed(data: bytes, harm) -> bytes:
    """The bytes after each harm.

    >>> harmed(b"abcd", [("set", 0.5, 1, b"x"), ("cut", 1.0, 1, b"x")])
    b'abx'
    """
    out = bytearray(data)
    for kind, share, n, new in harm:
        at = int(share * max(len(out) - 1, 0))
        if kind == "set":
            out[at:at + len(new)] = new
        elif kind == "cut":
            del out[at:at + n]
        elif kind == "repeat":
            out[at:at] = out[at:at + n]
        else:
            out[at:at + n] = bytes(len(out[at:at + n]))
    return bytes(out)


# --- recordings ------------------------------------------------------------------------------------------

@cache
def good() -> bytes:
    """A good recording, with the analytic cell of the tests."""
    import tempfile

    from patchtype.recordings import nwb
    from tests.recordings import analytic

    with tempfile.TemporaryDirectory() as place:
        return nwb.write(Path(place) / "cell.nwb", analytic.cell(), session_id="2", subject_id="1").read_bytes()


@cache
def wanted() -> tuple:
    return features(good())


def features(data: bytes) -> tuple | None:
    """What a recording gives, as one value that can be compared; None where the checks refuse it."""
    from patchtype.recordings.cell import extract

    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"input-{os.getpid()}.nwb"
    path.write_bytes(data)
    try:
        cell = extract(path, cell_id="cell")
    finally:
        path.unlink(missing_ok=True)
    if not cell.verdict.passed:
        assert cell.verdict.reasons and all(found.text for found in cell.verdict.reasons)
        return None
    families = tuple((name, values.tobytes()) for name, values in sorted(cell.official.items()))
    return families, tuple(sorted((k, np.float64(v).tobytes()) for k, v in cell.scalars.items()))


def held(data: bytes) -> dict | None:
    """Every value that h5py reads from a file; None where it cannot read one."""
    found = {}

    def visit(name, item):
        for key in item.attrs:
            found[name, key] = np.asarray(item.attrs[key]).tobytes()
        if isinstance(item, h5py.Dataset):
            found[name] = str(item.dtype), np.asarray(item[()]).tobytes()

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            visit("/", file)
            file.visititems(visit)
    except Exception:  # noqa: BLE001 - HDF5 has many ways to say that it cannot
        return None
    return found


def judged(data: bytes, may_change: bool = False) -> None:
    found = features(data)
    COUNTS["refused" if found is None else "passed"] += 1
    assert found is None or may_change or found == wanted(), "a harmed recording passed with other features"


@target(HARM)
def recording_bytes(harm):
    """Bytes that HDF5 reads as other values make another recording, which none can tell; all others change nothing."""
    data = harmed(good(), harm)
    other = held(data) != held(good())
    COUNTS["of other content"] += other
    judged(data, may_change=other)


@target(st.lists(st.tuples(st.sampled_from(["delete", "text", "number", "empty", "reference", "many"]),
                          st.integers(0, 10_000), st.text(max_size=20), st.floats(allow_nan=True)),
                min_size=1, max_size=4))
def recording_attributes(changes):
    """Any attribute removed or of another type: the features stay, or are refused; a unit may scale them, and does."""
    data, scaled = io.BytesIO(good()), False
    with h5py.File(data, "r+") as file:
        places = []
        file.visititems(lambda name, found: places.extend((name, key) for key in found.attrs))
        for how, which, text, number in changes:
            name, key = places[which % len(places)]
            scaled |= key in ("conversion", "offset", "rate", "unit", "starting_time", "resolution")
            scaled |= key in ("stimulus_description", "sweep_number", "neurodata_type")
            if how == "delete":
                file[name].attrs.pop(key, None)
            else:
                file[name].attrs[key] = {
                    "text": text.replace("\0", ""), "number": number, "empty": h5py.Empty("f"),
                    "reference": file[name].ref, "many": np.full(3, number)}[how]
    judged(data.getvalue(), may_change=scaled)


@target(st.lists(st.tuples(st.sampled_from(["delete", "group", "text", "empty", "link", "longer"]),
                           st.integers(0, 10_000)), min_size=1, max_size=3))
def recording_structure(changes):
    """Groups and data sets removed or replaced; without a sweep features may differ, so only crashes are looked for."""
    data = io.BytesIO(good())
    with h5py.File(data, "r+") as file:
        for how, which in changes:
            places = []
            file.visit(places.append)
            if not places:
                break
            name = places[which % len(places)]
            del file[name]
            if how == "group":
                file.create_group(name)
            elif how == "text":
                file[name] = "text"
            elif how == "empty":
                file[name] = h5py.Empty("f")
            elif how == "link":
                file[name] = h5py.SoftLink("/" + name)
            elif how == "longer":
                file[name] = np.arange(10_000.0)
    judged(data.getvalue(), may_change=True)


# --- tables ----------------------------------------------------------------------------------------------

@cache
def table(name: str) -> tuple[bytes, pd.DataFrame]:
    from patchtype.cohorts import tables
    from patchtype.cohorts.registry import fetch

    return fetch(name).read_bytes(), tables.read(name)


@target(HARM, st.sampled_from(["LeeDalley_ephys_fx.csv", "LeeDalley_manuscript_metadata.csv"]))
def table_bytes(harm, name):
    """A harmed table is refused in one sentence, or has the size of the good one."""
    from patchtype.cohorts.tables import TableError, validate

    data, whole = table(name)
    try:
        found = pd.read_csv(io.BytesIO(harmed(data, harm)), encoding="utf-8-sig", dtype={"Cortical_layer": object},
                            low_memory=False)
    except (ValueError, pd.errors.ParserError):  # not a table; `read` never sees it, for its checksum differs
        COUNTS["unreadable"] += 1
        return
    try:
        valid = validate(found, name)
        COUNTS["passed"] += 1
        assert valid.shape == whole.shape
    except TableError as error:
        COUNTS["refused"] += 1
        assert str(error).startswith(name) and "\n" not in str(error)


# --- notebooks -------------------------------------------------------------------------------------------

@target(HARM)
def notebook_bytes(harm):
    """A submission that is no notebook gets its reason, and never a traceback."""
    from bookpress.course.collect import read

    notebook, why = read(harmed(sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))[0].read_bytes(), harm))
    COUNTS["refused" if notebook is None else "passed"] += 1
    assert (notebook is None) == bool(why)


def fuzz(name: str, until: float, start: int) -> int:
    """Run one target in rounds until a time; how many inputs it found that break something."""
    def too_long(*_):
        raise Hang(f"longer than {HANG_S} s")

    function, drawn = TARGETS[name]

    @functools.wraps(function)
    def timed(**given):
        signal.setitimer(signal.ITIMER_PROF, HANG_S)
        signal.setitimer(signal.ITIMER_REAL, 10 * HANG_S)  # for one that waits; a busy machine may take its time
        try:
            function(**given)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
        COUNTS["inputs"] += 1

    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGPROF, too_long)
    rounds = 0
    while time.monotonic() < until or not rounds:
        run = settings(max_examples=ROUND, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True,
                       phases=[Phase.generate, Phase.shrink] + [Phase.reuse] * (not rounds),
                       database=DirectoryBasedExampleDatabase(KEPT))(given(*drawn)(timed))
        try:
            seed(start + rounds)(run)()
        except (Exception, Hang):  # noqa: BLE001 - whatever it is, it is what was looked for
            traceback.print_exc()
            return 1
        rounds += 1
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=list(TARGETS), help=f"default all: {', '.join(TARGETS)}")
    parser.add_argument("--minutes", type=float, default=2.0, help="time for all targets together (default 2)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other inputs (default 0)")
    args = parser.parse_args(argv)
    if unknown := [name for name in args.targets if name not in TARGETS]:
        parser.error(f"found the target {unknown[0]!r}, expected one of {', '.join(TARGETS)}")
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")
    found = 0
    for name in args.targets:
        COUNTS.clear()
        begun = time.monotonic()
        found += (now := fuzz(name, begun + 60 * args.minutes / len(args.targets), args.seed))
        counts = ", ".join(f"{n} {what}" for what, n in COUNTS.items())
        print(f"{name}: {counts}; {time.monotonic() - begun:.0f} s; {'something found' if now else 'nothing found'}",
              flush=True)
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
