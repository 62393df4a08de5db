"""Extract many recordings: resumable, in parallel, and nothing that one file does stops the others."""

from __future__ import annotations

import contextlib
import errno
import json
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path

import pandas as pd

from patchtype.files import file_name, write_bytes
from patchtype.recordings import limits, quality, results, sources
from patchtype.recordings.cell import Cell, extract
from patchtype.recordings.reading import recordings
from patchtype.recordings.recording import TRANSIENT, RecordingError

FULL = (errno.ENOSPC, errno.EDQUOT)
ENDED = ("the process that worked on it ended: the file is damaged so that it keeps HDF5 busy for ever, or the machine "
         "lacks memory; repair the file, or run again with more memory")


@dataclass(frozen=True)
class Options:
    """What decides the result (the first four), how remote files are reached, and what a file may cost.

    ``protocol``: stimulus name of the file → what it is, for names that no one else knows.
    """

    drop_failed: bool = False
    allow: tuple[str, ...] = ()
    electrode: str | None = None
    protocol: tuple[tuple[str, str], ...] = ()
    stream: bool = False
    cache: str | None = None
    timeout: float = 60.0
    attempts: int = 3
    seconds: float = limits.CELL_SECONDS
    memory: int = limits.CELL_BYTES

    def __post_init__(self):
        if unknown := sorted(set(self.allow) - set(quality.waivable())):
            raise ValueError(f"found {unknown[0]!r} among the allowed reasons, expected codes that leave something to "
                             f"compute: {', '.join(quality.waivable())}")

    def identity(self) -> dict:
        """The part that two runs into one folder must share."""
        return {"drop_failed": self.drop_failed, "allow": sorted(self.allow), "electrode": self.electrode,
                "protocol": dict(self.protocol)}


def work(asset: sources.Asset, options: Options) -> bytes:
    """The content of the result file of one asset. Runs in a worker."""
    return results.packed(cells_of(asset, options), asset.size)


def cells_of(asset: sources.Asset, options: Options = Options()) -> list[Cell]:  # noqa: B008
    """The cells of one asset wherever it is, within the limits of time and memory.

    Never raises for a bad recording: the verdict says why. Raises OSError when the disk is full, for that would cost
    every other file as well.

    >>> [cell.verdict.reasons[0].code for cell in cells_of(sources.Asset("a", "nowhere.nwb"))]
    ['file_missing']
    """
    try:
        if not asset.remote:
            return _cells(asset.location, asset, options)
        if options.stream and not asset.location.lower().endswith(".abf"):
            return _streamed(asset, options)
        from patchtype.recordings import downloads

        notes: list[str] = []
        with downloads.fetched(asset, options.cache, options.attempts, options.timeout, notes=notes) as path:
            return _cells(path, asset, options, notes)
    except OSError as error:
        if error.errno in FULL:
            raise
        return [lost(asset, "file_unreadable", f"{type(error).__name__}: {error}")]
    except Exception as error:  # noqa: BLE001 - nothing may stop a batch
        return [lost(asset, *quality.meaning(error), **getattr(error, "about", {}))]


def _cells(source, asset: sources.Asset, options: Options, notes: list[str] = ()) -> list[Cell]:
    """The cells of one file, within the limits of time and memory."""
    about = {}
    try:
        with limits.limited(options.seconds, options.memory), \
                recordings(source, options.electrode, asset.cell_id) as found:
            cells, about = [], found[0].about
            while found:
                recording = found.pop(0)  # and with it go its samples
                recording.notes += notes
                cells.append(extract(recording, protocol=dict(options.protocol), drop_failed=options.drop_failed,
                                     allow=options.allow))
            return cells
    except RecordingError as error:
        error.about = error.about or about
        raise


def _streamed(asset: sources.Asset, options: Options) -> list[Cell]:
    from patchtype.recordings import downloads

    with downloads.streamed(asset, options.timeout, options.attempts) as stream:
        found, why = [], None
        try:
            found = _cells(stream, asset, options)
            checked = stream.verified()
        except RecordingError as error:
            why = error
        if isinstance(stream.error, RecordingError):
            raise stream.error
        if stream.error is not None:
            raise RecordingError("download_failed", f"found {type(stream.error).__name__} while streaming "
                                 f"{asset.location}, expected the rest of the file") from stream.error
        if why is not None:
            raise why
        if not checked:
            for cell in found:
                cell.verdict.add("reader", "the file was streamed in part, so it could not be compared with a "
                                 "checksum")
        return found


def lost(asset: sources.Asset, code: str, text: str, **about) -> Cell:
    """A cell of which nothing is known but why, and what the file says of it all the same."""
    cell = Cell(asset.cell_id, **about)
    cell.verdict.add(code, text)
    return cell.without_features()


def is_done(asset: sources.Asset, path: Path) -> bool:
    """Whether a whole result of the same file is there, other than one worth another try."""
    record = results.record_of(path) if path.exists() else None
    return record is not None and record["bytes"] == asset.size and not TRANSIENT.intersection(
        code for cell in record["cells"] for code, _ in cell["reasons"])


def run(assets: list[sources.Asset], out: str | Path, options: Options = Options(), *, workers: int = 0,  # noqa: B008
        scheduler: str | None = None, progress: bool = True) -> pd.DataFrame:
    """Extract all assets into a folder and return the table of cells.

    Parameters
    ----------
    out : holds ``cells/<cell_id>.npz`` of each file as they are finished, and in the end the merged tables of
        `results.merge`. A run that was stopped goes on from there; a finished file is never done again.
    workers : processes on this machine; 0 works in this process
    scheduler : address of a Dask scheduler to use instead

    Raises ValueError when ``out`` holds results of other options.
    """
    out = Path(out)
    places = {asset.cell_id: place(out, asset) for asset in assets}
    (out / "cells").mkdir(parents=True, exist_ok=True)
    _same_options(out / "options.json", options)
    todo = [asset for asset in assets if not is_done(asset, places[asset.cell_id])]
    with _bar(len(assets), len(assets) - len(todo), progress) as advance:
        for asset, data in _results(todo, options, workers, scheduler):
            write_bytes(places[asset.cell_id], data)
            advance()
    return results.merge(places.values(), out)


@contextlib.contextmanager
def _bar(total: int, done: int, shown: bool) -> Iterator[Callable[[], object]]:
    """What to call after each file: it moves a progress bar, where there is more than one file to wait for."""
    if not shown or total < 2:
        yield lambda: None
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=done, unit="cell") as bar:
        yield bar.update


def place(out: Path, asset: sources.Asset) -> Path:
    """Where the result of a file lies."""
    return out / "cells" / file_name(asset.cell_id, ".npz")


def _same_options(path: Path, options: Options) -> None:
    if not path.exists():
        write_bytes(path, json.dumps(options.identity()).encode())
    elif (found := json.loads(path.read_text())) != options.identity():
        raise ValueError(
            f"found results made with {found} in {path.parent}, expected {options.identity()}; use another folder"
        )


def _results(todo: list[sources.Asset], options: Options, workers: int, scheduler: str | None
             ) -> Iterator[tuple[sources.Asset, bytes]]:
    """Each asset with its result, as they are finished."""
    if scheduler and todo:
        found = _on_cluster(todo, options, scheduler)
    elif workers:
        found = in_processes(partial(work, options=options), todo, min(workers, len(todo)))
    else:
        found = ((asset, work(asset, options)) for asset in todo)
    for asset, data in found:
        if data is None:
            data = results.packed([lost(asset, "worker_lost", ENDED)], asset.size)
        yield asset, data


def in_processes(work: Callable, todo: Iterable[sources.Asset], jobs: int) -> Iterator[tuple[sources.Asset, object]]:
    """Each asset with ``work(asset)``, done in so many processes, as they are finished; None where its process ended.

    A process that ends takes the others with it: what they were at is tried again alone, so that one asset is lost.
    """
    waiting = deque(todo)
    while waiting:
        flying: dict = {}
        with contextlib.suppress(BrokenProcessPool), _pool(jobs) as pool:
            while waiting or flying:
                while waiting and len(flying) < jobs:
                    asset = waiting.popleft()
                    flying[pool.submit(work, asset)] = asset
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    found = future.result()
                    yield flying.pop(future), found
        for asset in flying.values():
            found = None
            with contextlib.suppress(BrokenProcessPool), _pool(1) as pool:
                found = pool.submit(work, asset).result()
            yield asset, found


def can_be_copied() -> bool:
    """Whether a copy of this process can work: on Linux, where no other thread may hold a lock."""
    return sys.platform == "linux" and threading.active_count() == 1


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    limits.endable()


def _on_worker(asset: sources.Asset, options: Options) -> bytes:
    """`work` on a cluster, where a worker with a nanny is started anew when it ends."""
    from distributed import get_worker

    if get_worker().nanny:
        limits.endable()
    return work(asset, options)


@contextlib.contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes which do not hear Ctrl-C and end when the block is left by an error.

    A single one is a copy of this process where that is safe, for to import everything anew takes longer than a file.
    """
    before = set(active_children())
    context = get_context("fork" if jobs == 1 and can_be_copied() else "spawn")
    with ProcessPoolExecutor(jobs, context, _begin) as pool:
        try:
            yield pool
        except BaseException:
            for process in set(active_children()) - before:
                process.terminate()
            raise


def _on_cluster(todo: list[sources.Asset], options: Options, scheduler: str
                ) -> Iterator[tuple[sources.Asset, bytes | None]]:
    import dask
    from distributed import Client, as_completed

    # A file that brings its worker down does so again: one more try, then it is the file's fault.
    settings = {"distributed.scheduler.allowed-failures": 1, "distributed.logging.distributed": "error"}
    with dask.config.set(settings), Client(scheduler) as client:
        futures = {client.submit(_on_worker, asset, options, pure=False): asset for asset in todo}
        for future in as_completed(futures):
            error = future.exception()
            if isinstance(error, OSError) and error.errno in FULL:
                raise error
            yield futures.pop(future), future.result() if error is None else None
            future.release()


def plan(assets: list[sources.Asset], out: str | Path) -> str:
    """What a run would do, in one sentence."""
    todo = [a for a in assets if not is_done(a, place(Path(out), a))]
    known = sum(a.size or 0 for a in todo)
    unknown = sum(a.size is None for a in todo)
    return (f"{len(assets)} recordings, {len(assets) - len(todo)} done; {len(todo)} to do, {known / 1e9:.2f} GB"
            + (f" and {unknown} of unknown size" if unknown else ""))

