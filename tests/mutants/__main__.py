"""``python -m tests.mutants``: small errors put into the code one by one; a test of the same room must notice each.

The list is ``mutants.toml``: a file of ``src``, a piece of its text that occurs once, what stands there instead,
and the test that must fail. A mutant that changes nothing a test could see has ``equivalent``, the reason, instead of
a test. Every test runs alone in a process forked from this one, which has the heavy libraries already; the changed
text is given to that process's import and never written to the file, so a process that the test starts does not see
it. First each test runs on the code as it is, for a test that fails there notices nothing.

What was found is kept in ``_build/mutants.txt``: a run that was stopped goes on there, and a mutant is run again when
its file or its test's file has changed. Words choose a part of the list: a mutant is run when one of them occurs in
its file, in its text or in its test. Exit status 1 when a mutant survives without an explanation, cannot be put in, or
has a test that does not pass by itself.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import gc
import hashlib
import importlib
import importlib.machinery
import io
import json
import os
import signal
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("mutants.toml")
KEPT = ROOT / "_build" / "mutants.txt"
SECONDS = 120  # of processor time, after which an endless loop ends, and counts as noticed
HEAVY = ("numpy", "pandas", "pandera.pandas", "scipy.stats", "scipy.optimize", "scipy.signal", "sklearn.ensemble",
         "sklearn.svm", "sklearn.linear_model", "sklearn.model_selection", "imblearn.over_sampling", "joblib", "pooch",
         "tqdm.auto", "torch", "pytest", "_pytest.assertion.rewrite", "playwright.sync_api", "hypothesis", "bs4",
         "nbformat", "jupytext", "yaml", "distributed", "dask", "matplotlib.pyplot", "seaborn", "pynwb", "pyabf",
         "psutil", "safetensors.numpy", "ipfx.feature_vectors", "ipfx.data_set_features", "ipfx.dataset.create",
         "ipfx.bin.run_feature_vector_extraction", "ipfx.stimulus_protocol_analysis", "ipfx.qc_feature_evaluator")


def mutated(entry: dict) -> tuple[Path, str]:
    """The file of a mutant and its changed text; ValueError when the piece of text is not there just once."""
    path = ROOT / "src" / entry["file"]
    text = path.read_text("utf-8") if path.is_file() else ""
    if (found := text.count(entry["old"])) != 1:
        raise ValueError(f"found {found} places in {entry['file']}, expected one; renew the mutant")
    return path, text.replace(entry["old"], entry["new"])


def put_in(path: Path, text: str) -> None:
    """Have this process import ``text`` for a module, or read it where the file holds data."""
    if path.suffix == ".py":
        plain = importlib.machinery.SourceFileLoader.get_code

        def get_code(self, name):
            if Path(self.get_filename(name)) == path:
                return compile(text, str(path), "exec")
            return plain(self, name)

        importlib.machinery.SourceFileLoader.get_code = get_code
    else:
        opened = builtins.open

        def open_(file, mode="r", *args, **kwargs):
            if not isinstance(file, int) and Path(os.fsdecode(file)) == path:
                return io.BytesIO(text.encode()) if "b" in mode else io.StringIO(text)
            return opened(file, mode, *args, **kwargs)

        builtins.open = io.open = open_


def child(tests: list[str], change: tuple[Path, str] | None) -> int:
    """Start a process that runs some tests and stops at the first that fails; its identifier."""
    if pid := os.fork():
        return pid
    status = 70
    try:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        signal.setitimer(signal.ITIMER_PROF, SECONDS * len(tests))
        import pytest

        if change:
            put_in(*change)
        places = [str(ROOT / "tests" / test) for test in tests]
        status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *places]))
    finally:
        os._exit(status)


def run(work: list[tuple[object, list[str], tuple | None]], jobs: int):
    """Yield the key of each piece of work with how its test ended: an exit status, negative for a signal."""
    waiting, running = list(work), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            key, tests, change = waiting.pop(0)
            running[child(tests, change)] = key
        pid, status = os.wait()
        yield running.pop(pid), os.waitstatus_to_exitcode(status)


def chosen(words: list[str]) -> list[dict]:
    """The mutants that one of the words occurs in; all without a word."""
    entries = tomllib.loads(LIST.read_text("utf-8"))["mutant"]
    return [e for e in entries if not words or any(w in text for w in words for text in e.values())]


def identity(entry: dict) -> str:
    """The same as long as neither the mutant, nor its file, nor its test's file has changed."""
    texts = [(ROOT / "src" / entry["file"]), (ROOT / "tests" / entry["test"].split("::")[0])]
    held = [json.dumps(entry, sort_keys=True).encode(), *(path.read_bytes() for path in texts)]
    return hashlib.sha256(b"\0".join(held)).hexdigest()


def room(entry: dict) -> str:
    """Where a mutant belongs, for the figures.

    >>> room({"file": "patchtype/models/tokens.py"}), room({"file": "bookpress/gate.py"})
    ('models', 'bookpress')
    """
    parts = Path(entry["file"]).parts
    return parts[-2]


def failing_alone(tests: list[str], jobs: int) -> set[str]:
    """The tests that do not pass on the code as it is."""
    parts = [tests[k::jobs] for k in range(min(jobs, len(tests)))]
    doubtful = [test for part, status in run([(part, part, None) for part in parts], jobs) if status for test in part]
    return {test for test, status in run([(test, [test], None) for test in doubtful], jobs) if status != 0}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="run the mutants that one of these occurs in (default: all)")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--again", action="store_true", help="run what an earlier run has found, too")
    args = parser.parse_args(argv)
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # plugins of installed packages take longer than most tests
    entries, start = chosen(args.words), time.monotonic()
    kept = set(KEPT.read_text().split()) if KEPT.exists() and not args.again else set()
    counts: dict[str, Counter] = {}
    work, wrong = [], []

    def count(entry: dict, how: str, text: str = "") -> None:
        counts.setdefault(room(entry), Counter())[how] += 1
        if text:
            wrong.append(entry)
            print(f"{text}: {entry['file']}: {entry['old']!r} -> {entry['new']!r}, in spite of {entry.get('test')}",
                  flush=True)

    for n, entry in enumerate(entries):
        try:
            change = mutated(entry)
        except ValueError as error:
            count(entry, "out of date", f"cannot be put in ({error})")
            continue
        if "equivalent" in entry:
            count(entry, "explained")
        elif identity(entry) in kept:
            count(entry, "killed")
        else:
            work.append((n, [entry["test"]], change))
    if work:
        for name in HEAVY:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        gc.freeze()  # what is here now is never looked through again
        known = len(entries) - len(work)
        print(f"{len(work)} mutants to run, {known} known or explained; some {len(work) * 4 // args.jobs // 60 + 1} "
              "min on an idle machine", flush=True)
    failing = failing_alone(sorted({tests[0] for _, tests, _ in work}), args.jobs)
    for test in sorted(failing):
        print(f"does not pass on the code as it is: {test}", flush=True)
    for n, [test], _ in work:
        if test in failing:
            count(entries[n], "untested", "its test fails by itself")
    for n, status in run([each for each in work if each[1][0] not in failing], args.jobs):
        if status in (1, -signal.SIGPROF):
            count(entries[n], "killed")
            KEPT.parent.mkdir(exist_ok=True)
            with KEPT.open("a") as file:
                file.write(f"{identity(entries[n])}\n")
        else:
            count(entries[n], "survived", "survived" if status == 0 else f"ended with {status}, so nothing is known")
    total = sum(counts.values(), Counter())
    for name, found in [*sorted(counts.items()), ("all", total)]:
        print(f"{name}: {', '.join(f'{n} {how}' for how, n in found.most_common())}")
    print(f"{time.monotonic() - start:.0f} s")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
