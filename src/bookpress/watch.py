"""Time, place and memory of a running notebook, told line by line."""

from __future__ import annotations

import contextlib
import sys
import threading
import time

import psutil

HEARTBEAT_S = 15.0
SAMPLE_S = 0.2


class Watch:
    """Samples the memory of the kernel that is started under it and tells now and then where the notebook is.

    Memory is what the kernel and all it started hold, in MB (2**20 bytes), a page that they share counted
    once. A tree that grows over ``limit_mb`` is killed at once, before it takes the machine with it.
    """

    def __init__(self, name: str, cells: int, limit_mb: float):
        self.name, self.cells, self.limit_mb = name, cells, limit_mb
        self.cell, self.peak_mb = 0, 0.0
        self.started = time.monotonic()
        self._strangers = set(psutil.Process().children())  # what ran before the kernel
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    @property
    def wall_s(self) -> float:
        return time.monotonic() - self.started

    @property
    def over(self) -> bool:
        return self.peak_mb > self.limit_mb

    def say(self, what: str) -> None:
        # In one write: notebooks run beside each other, and print() alone gives an unbuffered
        # stream the line and its end apart, so that another's line could come between.
        sys.stdout.write(f"{self.name}: {what}\n")
        sys.stdout.flush()

    def where(self) -> str:
        return f"cell {self.cell} of {self.cells}"

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _tree(self) -> list[psutil.Process]:
        roots = [child for child in psutil.Process().children() if child not in self._strangers]
        below = []
        for root in roots:
            with contextlib.suppress(psutil.Error):  # ended in the meantime
                below += root.children(recursive=True)
        return roots + below

    def _sample(self) -> None:
        told, highest_mb = self.started, 0.0
        while not self._done.wait(SAMPLE_S):
            tree = self._tree()
            due = time.monotonic() - told >= HEARTBEAT_S
            # Resident sets are cheap to read, and what is shared is not: look there only at a new height.
            resident_mb = sum(_megabytes(process, whole=True) for process in tree)
            if not due and resident_mb <= 1.02 * highest_mb:
                continue
            highest_mb = max(highest_mb, resident_mb)
            now_mb = sum(_megabytes(process, whole=False) for process in tree)
            self.peak_mb = max(self.peak_mb, now_mb)
            if self.over:
                for process in tree:
                    _kill(process)
                return
            if due:
                told = time.monotonic()
                self.say(f"{self.where()}, {self.wall_s:.0f} s, {now_mb:.0f} MB")


def _megabytes(process: psutil.Process, whole: bool) -> float:
    """The resident set if ``whole``, else the proportional set, in which a shared page counts once (Linux)."""
    try:
        if whole:
            return process.memory_info().rss / 2**20
        memory = process.memory_full_info()
        return getattr(memory, "pss", memory.rss) / 2**20
    except psutil.Error:  # ended between the listing and the look
        return 0.0


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.kill()
