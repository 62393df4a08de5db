"""``python -m tests.fuzz``: harmed inputs without end, for a while: no crash, no hang, no pass with changed features.

Hypothesis draws how a good input is harmed: bytes of a recording, a public table or a student's notebook changed, cut
out or repeated; parts of them removed, retyped or filled anew, where the right answer is known. What it finds it
shrinks, prints and keeps in ``_build/fuzz``, and the next run begins with it. How far a seed has come is kept there,
too: the next run draws other inputs. Exit status 1 when something was found.
"""

from __future__ import annotations

import argparse
import functools
import io
import itertools
import json
import logging
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from functools import cache
from multiprocessing import get_context
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
    b'axc'
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

#: Steps of the good cell: few, for each is measured thousands of times.
AMPLITUDES = (-90, -50, -30, 110, 150, 190)


@cache
def sweeps() -> tuple:
    from tests.recordings import analytic

    return tuple(analytic.cell(amplitudes=AMPLITUDES))


@cache
def good() -> bytes:
    """A good recording, with the analytic cell of the tests."""
    return written(frozenset())


def written(left_out: frozenset[int]) -> bytes:
    """The recording without some of its sweeps."""
    from patchtype.recordings import nwb

    kept = [sweep for k, sweep in enumerate(sweeps()) if k not in left_out]
    with tempfile.TemporaryDirectory() as place:
        path = nwb.write(Path(place) / "cell.nwb", kept, session_id="2", subject_id="1")
        return path.read_bytes()


@cache
def wanted(left_out: frozenset[int] = frozenset()) -> tuple | None:
    """What the recording gives without some of its sweeps."""
    return features(written(left_out))


def features(data: bytes, ending: str = ".nwb") -> tuple | None:
    """What a recording gives, as one value that can be compared; None where the checks refuse it."""
    from patchtype.recordings.cell import extract

    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"input-{os.getpid()}{ending}"
    path.write_bytes(data)
    try:
        cell = extract(path, cell_id="cell")
    finally:
        path.unlink(missing_ok=True)
    if not cell.verdict.passed:
        assert cell.verdict.reasons and all(found.text for found in cell.verdict.reasons)
        return None
    families = tuple((name, values.tobytes()) for name, values in sorted(cell.official.items()))
    numbers = {k: v for k, v in cell.scalars.items() if not k.endswith("_sweep_num")}  # counted in what is left
    return families, tuple(sorted((k, np.float64(v).tobytes()) for k, v in numbers.items()))


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


def comes_back(data: bytes) -> bool:
    """Whether HDF5 reads a file to its end: some damage keeps it busy for ever, and the batch ends such a worker."""
    if pid := os.fork():
        status = os.waitpid(pid, 0)[1]
        return not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM)
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(HANG_S)
        held(data)
    finally:
        os._exit(0)


def judged(data: bytes, may_change: bool = False, touched: frozenset[int] = frozenset()) -> None:
    """Read a harmed recording: it is refused, or gives what the good one gives without some of the touched sweeps."""
    found = features(data)
    COUNTS["refused" if found is None else "passed"] += 1
    if found is None or may_change or found == wanted():
        return
    parts = (frozenset(p) for n in range(len(touched), 0, -1) for p in itertools.combinations(sorted(touched), n))
    assert any(found == wanted(part) for part in parts), "a harmed recording passed with other features"
    COUNTS["without the harmed sweeps"] += 1


def sweeps_of(name: str) -> frozenset[int]:
    """The sweeps that a part of the file belongs to."""
    met = re.search(r"data_(\d+)_", name)
    return frozenset([int(met[1])] if met else [])


@target(HARM)
def recording_bytes(harm):
    """Bytes that HDF5 reads as other values make another recording, which none can tell; all others change nothing."""
    data = harmed(good(), harm)
    if not comes_back(data):
        COUNTS["that HDF5 never ends to read"] += 1
        return
    other = held(data) != held(good())
    COUNTS["of other content"] += other
    judged(data, may_change=other)


#: Attributes whose number scales a recording, and those that say what a sweep is.
NUMBERS, KINDS = ("conversion", "offset", "rate", "starting_time", "resolution"), ("stimulus_description", "unit")


@target(st.lists(st.tuples(st.sampled_from(["delete", "text", "number", "empty", "reference", "many"]),
                          st.integers(0, 10_000), st.text(max_size=20), st.floats(allow_nan=True)),
                min_size=1, max_size=4))
def recording_attributes(changes):
    """Any attribute removed or of another type: the features stay, or the sweep is left out, or the cell refused."""
    data, other, touched = io.BytesIO(good()), False, frozenset()
    with h5py.File(data, "r+") as file:
        places = []
        file.visititems(lambda name, found: places.extend((name, key) for key in found.attrs))
        for how, which, text, number in changes:
            name, key = places[which % len(places)]
            # A number that is another one, one that NWB has a default for, and a stimulus of another name are as good.
            other |= key in NUMBERS and how in ("number", "delete") or key in KINDS
            touched |= sweeps_of(name)
            if how == "delete":
                file[name].attrs.pop(key, None)
            else:
                file[name].attrs[key] = {
                    "text": text.replace("\0", ""), "number": number, "empty": h5py.Empty("f"),
                    "reference": file[name].ref, "many": np.full(3, number)}[how]
    judged(data.getvalue(), other, touched)


@target(st.lists(st.tuples(st.sampled_from(["delete", "group", "text", "empty", "link", "outside", "virtual", "bytes",
                                            "longer"]), st.integers(0, 10_000)), min_size=1, max_size=3))
def recording_structure(changes):
    """Groups and data sets removed or replaced: what is left of the cell is measured as if it were all, or refused."""
    data, other, touched = io.BytesIO(good()), False, frozenset()
    with h5py.File(data, "r+") as file:
        for how, which in changes:
            places = []
            file.visit(places.append)
            if not places:
                break
            name = places[which % len(places)]
            other |= how == "longer" and name.endswith("/data")  # another recording
            touched |= sweeps_of(name)
            del file[name]
            if how == "group":
                file.create_group(name)
            elif how == "text":
                file[name] = "text"
            elif how == "empty":
                file[name] = h5py.Empty("f")
            elif how == "link":
                file[name] = h5py.SoftLink("/" + name)
            elif how == "outside":
                file[name] = h5py.ExternalLink("/etc/passwd", "/")
            elif how == "virtual":
                layout = h5py.VirtualLayout((100,), "f4")
                layout[:] = h5py.VirtualSource("/dev/zero", "x", (100,))
                file.create_virtual_dataset(name, layout)
            elif how == "bytes":
                file.create_dataset(name, data=b"\xff\xfe", dtype=h5py.string_dtype())
            elif how == "longer":
                file[name] = np.arange(10_000.0)
    judged(data.getvalue(), other, touched)


# --- Axon files ------------------------------------------------------------------------------------------

#: Samples before and in the step; pyABF begins an epoch table after a 64th of the sweep.
BEFORE, STEP_LENGTH, LENGTH = 4000, 20_000, 28_800


@cache
def axon_cell(old: bool = False) -> bytes:
    """A cell of six steps, as Clampex writes it."""
    from tests.recordings import axon

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "cell.abf"
        epochs = ((0, axon.STEP, 0.0, 0.0, BEFORE, 0), (0, axon.STEP, -90.0, 50.0, STEP_LENGTH, 0))
        if old:
            axon.abf1(path, axon_samples()[:, :, 0], epochs=epochs)
        else:
            axon.abf2(path, axon_samples(), epochs=epochs)
        return path.read_bytes()


@cache
def axon_samples() -> np.ndarray:
    """(6, samples, 1) integers: the analytic membrane, with spikes at 60 pA and above."""
    from tests.recordings import analytic, axon

    raw = analytic.steps([-90 + 50 * k for k in range(6)], onset=(LENGTH // 64 + BEFORE) / 20_000, length=1.0,
                         end=LENGTH / 20_000, counts={60: 3, 110: 8, 160: 14})
    return axon.counts(np.stack([sweep.v_mv for sweep in raw])[:, :, None])


@target(HARM, st.booleans())
def axon_bytes(harm, old):
    """Bytes of an Axon file changed: a sentence or a cell; what lies in the padding changes nothing."""
    data, whole = harmed(axon_cell(old), harm), axon_cell(old)
    found = features(data, ".abf")
    COUNTS["refused" if found is None else "passed"] += 1
    if found is not None and len(data) == len(whole):
        places = np.flatnonzero(np.frombuffer(data, np.uint8) != np.frombuffer(whole, np.uint8))
        if set(places) <= axon_padding(old):
            COUNTS["in the padding"] += 1
            assert found == features(whole, ".abf"), "a byte that means nothing changed the features"


@cache
def axon_padding(old: bool) -> frozenset[int]:
    """Places that belong to no section of the file."""
    import struct

    from tests.recordings.axon import BLOCK

    whole = axon_cell(old)
    if old:
        return frozenset()
    used = set(range(BLOCK))
    for k in range(18):
        block, size, count = struct.unpack_from("<IIq", whole, 76 + 16 * k)
        used |= set(range(block * BLOCK, block * BLOCK + size * count))
    return frozenset(range(len(whole))) - used


@target(st.fixed_dictionaries({}, optional={
    "adc": st.sampled_from(["mV", "V", "uV", "pA", "A", "", "µV", "\xff"]),
    "dac": st.sampled_from(["pA", "nA", "uA", "mV", "", "volts"]),
    "holding": st.sampled_from([0.0, -40.0, 25.5, 1e30, float("nan"), float("inf")]),
    "enabled": st.sampled_from([0, 1]), "source": st.sampled_from([0, 1, 2, 7]), "mode": st.integers(0, 6),
    "telegraph": st.sampled_from([None, 0, 1, 2, 3]), "user_list": st.booleans(), "alternate": st.booleans()}),
    st.lists(st.tuples(st.sampled_from([0, 1, 1, 1, 2, 3, 4, 9]),
                       st.sampled_from([0.0, -90.0, 110.0, 1e30, float("nan")]),
                       st.sampled_from([0.0, 50.0, -10.0]), st.integers(-10, LENGTH),
                       st.sampled_from([0, 0, 0, 7, -7])), max_size=3))
def axon_fields(fields, epochs):
    """Fields of the header and epochs of any kind: the sweeps are what was written, by a plain count, or refused."""
    from patchtype.recordings.reading import recordings
    from patchtype.recordings.recording import RecordingError
    from tests.recordings import axon

    options = dict(fields)
    adc, dac, holding = options.pop("adc", "mV"), options.pop("dac", "pA"), options.pop("holding", 0.0)
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"input-{os.getpid()}.abf"
    try:
        axon.abf2(path, axon_samples(), adc=(("IN 0", adc),), dac=(("Cmd 0", dac),), holding=(holding,),
                  epochs=[(0, *epoch) for epoch in epochs], **{k: (v,) if k in ("enabled", "source") else v
                                                                for k, v in options.items()})
        with recordings(path) as found:
            [cell] = [each.read() for each in found]
    except RecordingError as error:
        COUNTS["refused"] += 1
        assert str(error) and "\n" not in str(error)
        return
    finally:
        path.unlink(missing_ok=True)
    COUNTS["read"] += 1
    assert adc in ("mV", "V", "uV", "µV") and dac in ("pA", "nA", "uA")
    assert options.get("enabled", 1) and options.get("source", 1) == 1 and options.get("mode", 5) == 5
    assert not options.get("user_list") and not options.get("alternate") and options.get("telegraph") != 2
    volts = axon_samples()[:, :, 0] * axon.GAIN * {"V": 1e3, "mV": 1.0}.get(adc, 1e-3)
    if {epoch[0] for epoch in epochs} - {0, axon.STEP, axon.RAMP}:
        return  # trains of pulses and waves are not counted here
    for sweep in cell.sweeps:
        k = sweep.number
        i, at = np.full(LENGTH, np.float64(np.float32(holding))), LENGTH // 64
        level = i[0]
        for kind, first, more, length, longer in epochs:
            if kind == 0:
                continue
            n, end = length + k * longer, np.float64(np.float32(first)) + k * more
            i[at:at + n] = end if kind == axon.STEP else np.linspace(level, end, n)
            at, level = at + n, end
        np.testing.assert_allclose(sweep.i_pa, i * {"pA": 1.0, "nA": 1e3}.get(dac, 1e6), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(sweep.v_mv, volts[k], rtol=1e-6)


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


@target(st.integers(0, 2 ** 32), st.integers(0, 7), st.integers(0, 7))
def table_values(where, how, which):
    """A table of which a row, a column, a cell, a name or a unit is wrong is refused, without a checksum."""
    from patchtype.cohorts.tables import SCHEMAS, TableError, validate
    from tests.cohorts import test_tables as tables

    name, harm = sorted(SCHEMAS)[which], tables.HARMS[how]
    if harm in (tables.worded, tables.scaled) and name in tables.UNMEASURED:
        return
    try:
        validate(harm(table(name)[1], where, name), name)
    except TableError as error:
        COUNTS["refused"] += 1
        assert str(error).startswith(name) and "\n" not in str(error)
    else:
        raise AssertionError(f"{name} was accepted, harmed by {harm.__name__}")


# --- notebooks -------------------------------------------------------------------------------------------

@cache
def chapter() -> tuple:
    """A chapter with answers and checks, its exercises, and what students get of it."""
    from bookpress.course.exercises import exercises
    from tests.course.test_grade import chapter as made

    notebook = made()
    return notebook, exercises(notebook, "01_data")


def answers(data: bytes) -> list[str | None] | None:
    """What grading takes from a submission: an answer an exercise; None where it is refused, with a reason."""
    from bookpress.course.collect import read
    from bookpress.course.grade import answer

    notebook, why = read(data)
    COUNTS["refused" if notebook is None else "passed"] += 1
    assert (notebook is None) == bool(why) and "\n" not in why
    return None if notebook is None else [answer(notebook, chapter()[0], each) for each in chapter()[1]]


@target(HARM)
def notebook_bytes(harm):
    """A submission that is no notebook gets its reason, and never a traceback."""
    answers(harmed(sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))[0].read_bytes(), harm))


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
                    max_leaves=4)


@target(st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(["put", "delete", "deep"]), JSON), min_size=1,
                 max_size=4))
def notebook_structure(changes):
    """Any part of a submission removed or of another type: a reason, or answers that are text."""
    import nbformat

    notebook = json.loads(nbformat.writes(chapter()[0]))
    for which, how, value in changes:
        places = []

        def visit(held, places=places):
            for key in (held if isinstance(held, dict) else range(len(held)) if isinstance(held, list) else ()):
                places.append((held, key))
                visit(held[key])

        visit(notebook)
        if not places:
            break
        place, key = places[which % len(places)]
        if how == "delete":
            del place[key]
        else:
            place[key] = value if how == "put" else functools.reduce(lambda inner, _: [inner], range(500), value)
    found = answers(json.dumps(notebook).encode())
    assert found is None or all(each is None or isinstance(each, str) for each in found)


def fuzz(name: str, until: float, start: int) -> int:
    """Run one target in rounds until a time; how many inputs it found that break something."""
    used = 0.0

    def too_long(*_):
        raise Hang(f"longer than {HANG_S} s")

    def asleep(*_):
        nonlocal used
        used, before = time.process_time(), used
        if used - before < 0.1:  # a busy machine gives little, a read that waits takes nothing
            raise Hang(f"waited for {4 * HANG_S} s")

    function, drawn = TARGETS[name]

    @functools.wraps(function)
    def timed(**given):
        nonlocal used
        used = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, HANG_S)
        signal.setitimer(signal.ITIMER_REAL, 4 * HANG_S, 4 * HANG_S)
        try:
            function(**given)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
        COUNTS["inputs"] += 1

    signal.signal(signal.SIGALRM, asleep)
    signal.signal(signal.SIGPROF, too_long)
    rounds, place = 0, KEPT / "rounds.json"
    while time.monotonic() < until or not rounds:
        done = json.loads(place.read_text()) if place.exists() else {}
        number = done.get(f"{name} {start}", 0)
        run = settings(max_examples=ROUND, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True,
                       phases=[Phase.generate, Phase.shrink] + [Phase.reuse] * (not rounds),
                       database=DirectoryBasedExampleDatabase(KEPT))(given(*drawn)(timed))
        try:
            seed(1_000_000 * start + number)(run)()
        except (Exception, Hang):  # noqa: BLE001 - whatever it is, it is what was looked for
            traceback.print_exc()
            return 1
        rounds += 1
        KEPT.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(done | {f"{name} {start}": number + 1}))
    return 0


def alone(name: str, minutes: float, start: int) -> int:
    """Run one target in this process and print its figures; 1 when something was found."""
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")
    begun = time.monotonic()
    found = fuzz(name, begun + 60 * minutes, start)
    counts = ", ".join(f"{n:,} {what}" for what, n in COUNTS.items())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 10 if sys.platform == "linux" else 1 << 20)
    print(f"{name}: {counts}; {time.monotonic() - begun:.0f} s, at most {peak:,.0f} MB; "
          f"{'SOMETHING FOUND' if found else 'nothing found'}", flush=True)
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=list(TARGETS), help=f"default all: {', '.join(TARGETS)}")
    parser.add_argument("--minutes", type=float, default=2.0, help="time for all targets together (default 2)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other inputs (default 0)")
    args = parser.parse_args(argv)
    if unknown := [name for name in args.targets if name not in TARGETS]:
        parser.error(f"found the target {unknown[0]!r}, expected one of {', '.join(TARGETS)}")
    found, minutes = 0, args.minutes / len(args.targets)
    for name in args.targets:  # each in a process of its own, whose crash is seen from here
        process = get_context("spawn").Process(target=_exits, args=(name, minutes, args.seed))
        process.start()
        process.join()
        if process.exitcode not in (0, 1):
            print(f"{name}: CRASHED with status {process.exitcode}; what it read is in {KEPT}", flush=True)
        found += process.exitcode != 0
    return int(found > 0)


def _exits(*words) -> None:
    sys.exit(alone(*words))


if __name__ == "__main__":
    sys.exit(main())
