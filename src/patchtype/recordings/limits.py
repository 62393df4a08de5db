"""What a file may cost before it is read, and a cell while it is worked on. Real recordings stay far below."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
import time
from collections.abc import Iterator

import psutil

from patchtype.recordings.recording import RecordingError

SWEEPS = 20_000  # series in one file; the largest real ones have about a thousand
SAMPLES = 30_000_000  # of one sweep, ten minutes at 50 kHz
SAMPLES_OF_CELL = 100_000_000  # of all sweeps of a cell, half an hour at 50 kHz
CHUNK_BYTES = 256 << 20  # one stored block, expanded
ROWS = 200_000  # of a table inside a file
TEXT = 300  # characters of a text that is kept
TEXT_BYTES = 1 << 16  # of a text that is read
HOPS = 16  # links that lead to links
CELL_SECONDS = 600.0
STEP_SECONDS = 120.0  # without coming back from HDF5, which some damaged files keep busy for ever
GRACE_SECONDS = 5.0  # for the watch on time to end a cell before the system does
CELL_BYTES = 2 << 30
LEAST_BYTES = 256 << 20  # that the system has to grant in any case: below it the interpreter itself cannot go on

_endable = threading.Event()


def endable() -> None:
    """Let the system end this process where a step within a library takes for ever: for workers, which are replaced.

    Nothing else can: such a step hears no signal, and no other thread of the interpreter goes on.
    """
    _endable.set()


class _Exceeded(BaseException):
    """Raised into the thread that works on a cell; no ``except Exception`` on its way may stop it."""


@contextlib.contextmanager
def limited(seconds: float = CELL_SECONDS, size: int = CELL_BYTES) -> Iterator[None]:
    """Work on one cell: ends with `RecordingError` when it takes longer or when memory grows by more than that.

    A thread watches the clock and the memory. What it raises arrives between two steps of the interpreter; one
    request for too much memory within a step is refused by the system where the system can be told to, and an
    `endable` process is ended in a step that is a little longer than ``seconds``, or than `STEP_SECONDS`.

    >>> with limited(60):
    ...     sum(range(10))
    45
    """
    process, done, why = psutil.Process(), threading.Event(), []
    worker, begun, before = threading.get_ident(), time.monotonic(), process.memory_info().rss
    most = min(seconds + GRACE_SECONDS, STEP_SECONDS)

    def alarm(after: float) -> None:
        if _endable.is_set() and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, after)

    interrupt = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def watch() -> None:
        while not done.wait(0.05):
            alarm(most)  # anew, as long as the interpreter goes on
            if time.monotonic() - begun > seconds:
                why.append(RecordingError("too_slow", f"found a cell that takes more than {seconds:g} s, expected a "
                                          "few; run again when the machine is less busy, or look into the file"))
            elif process.memory_info().rss - before > size:
                why.append(_too_large(size))
            if why:  # each time, for Python ignores an exception that arrives in a callback or a destructor
                interrupt(ctypes.c_ulong(worker), ctypes.py_object(_Exceeded))

    watcher = threading.Thread(target=watch, daemon=True)
    with _no_more_than(max(size, LEAST_BYTES) * 3 // 2):
        alarm(most)
        watcher.start()
        try:
            try:
                yield
            finally:
                while watcher.is_alive():  # what it raises may arrive here, too
                    with contextlib.suppress(_Exceeded):
                        done.set()
                        watcher.join()
                        interrupt(ctypes.c_ulong(worker), None)
                alarm(0)
        except _Exceeded:
            raise why[0] from None
        except MemoryError as error:
            raise _too_large(size) from error
        if why:
            raise why[0]


def _too_large(size: int) -> RecordingError:
    return RecordingError("too_large", f"found a cell that takes more than {size >> 20} MB of memory, expected less; "
                          "split the file")


@contextlib.contextmanager
def _no_more_than(size: int) -> Iterator[None]:
    """Let the system refuse more memory than what is in use now and ``size`` bytes; on Linux alone."""
    try:
        import resource

        status = dict(line.split(":", 1) for line in open("/proc/self/status"))  # noqa: SIM115
        used = int(status["VmData"].split()[0]) << 10
        kept = resource.getrlimit(resource.RLIMIT_DATA)
        ceiling = used + size if kept[1] == resource.RLIM_INFINITY else min(used + size, kept[1])
        if kept[0] != resource.RLIM_INFINITY:
            ceiling = min(ceiling, kept[0])
        resource.setrlimit(resource.RLIMIT_DATA, (ceiling, kept[1]))
    except (ImportError, OSError, KeyError, ValueError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, kept)
