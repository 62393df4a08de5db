"""Run one notebook with papermill in this environment's own kernel, watched for progress and memory."""

from __future__ import annotations

import datetime
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.manager import AsyncKernelManager
from papermill.engines import NBClientEngine, papermill_engines

from bookpress.notebook import parameters, read
from bookpress.project import BookError, Project, write_json, write_text
from bookpress.provenance import revision
from bookpress.watch import Watch

START_S = 180  # a cold disk and a busy machine
# What a free Binder session may use before its kernel is killed.
MEMORY_LIMIT_MB = 2048
KERNEL = "helpers-book"
#: What would let another Python find our packages.
OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


class PrivateKernelManager(AsyncKernelManager):
    """Talks to its kernel over sockets in a folder of its own.

    Ports are picked before the kernel binds them, so that two notebooks started at once could get the same.
    """

    def __init__(self, **kwargs: Any):
        # Short, for the path of a socket is limited in length; removed with the manager.
        self._folder = tempfile.TemporaryDirectory(prefix="kernel-")
        super().__init__(transport="ipc", connection_file=f"{self._folder.name}/k.json", **kwargs)


class WatchedEngine(NBClientEngine):
    """papermill's own engine, telling a Watch which code cell is running."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, watch: Watch, **kwargs):
        start = nb_man.cell_start

        def cell_start(cell, cell_index=None, **more):
            watch.cell += cell.cell_type == "code"
            return start(cell, cell_index, **more)

        nb_man.cell_start = cell_start
        kwargs |= {"kernel_manager_class": PrivateKernelManager, "start_timeout": START_S}
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


papermill_engines.register("watched", WatchedEngine)


def asked_for(cohorts: Sequence[str], environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Parameters that the environment asks for: HELPERS_COHORT sets ``cohort``, HELPERS_QUICK=1 ``quick``.

    >>> asked_for(["published"], {"HELPERS_QUICK": "1"})
    {'quick': True}
    """
    asked: dict[str, Any] = {}
    if cohort := environ.get("HELPERS_COHORT"):
        if cohort not in cohorts:
            raise BookError(f"HELPERS_COHORT is {cohort!r}; it must be one of {', '.join(cohorts)}.")
        asked["cohort"] = cohort
    quick = environ.get("HELPERS_QUICK") or "0"
    if quick not in ("0", "1"):
        raise BookError(f"HELPERS_QUICK is {quick!r}; it must be 1 or 0.")
    if quick == "1":
        asked["quick"] = True
    return asked


def memory_limit_mb(environ: Mapping[str, str] = os.environ) -> float:
    """What one notebook may use, in MB: HELPERS_MEMORY_MB, or what a free Binder session has.

    >>> memory_limit_mb({})
    2048.0
    """
    asked = environ.get("HELPERS_MEMORY_MB") or str(MEMORY_LIMIT_MB)
    if not asked.isdecimal():
        raise BookError(f"HELPERS_MEMORY_MB is {asked!r}; it must be a whole number of MB, such as 2048.")
    return float(asked)


def execute(project: Project, source: Path, python: Path | None = None) -> dict[str, Any]:
    """Run ``source`` into ``_build/executed/notebooks/`` and write its run record; returns the record.

    ``python``: another interpreter, whose kernel runs it with its own packages alone; by default this one.
    The executed copy appears only when every cell has run. A notebook that fails is kept in
    ``_build/failed/`` as far as it came, and BookError tells the cell and the traceback.
    """
    name = source.stem
    target, partial = project.executed / f"{name}.ipynb", project.failed / f"{name}.ipynb"
    record, result = project.runs / f"{name}.json", project.results / f"{name}.json"
    limit_mb = memory_limit_mb()
    notebook = read(source)
    metadata = dict(notebook.metadata)
    defaults = parameters(notebook, source)
    asked = asked_for(project.settings.cohorts)
    asked = {name: value for name, value in asked.items() if defaults.get(name) != value}
    used = defaults | asked
    for old in (target, partial, record, result):
        old.unlink(missing_ok=True)
    for folder in (project.executed, project.failed):
        folder.mkdir(parents=True, exist_ok=True)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells) + bool(asked)
    _own_kernel(project, python or Path(sys.executable))
    if python:
        for variable in OURS:
            os.environ.pop(variable, None)
    os.environ |= {"HELPERS_NOTEBOOK": name, "HELPERS_BUILD": str(project.build.resolve())}
    # tqdm says at every import that it finds no widgets; pages show none.
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"
    commit = revision(project.root)
    kept = f"The notebook as far as it ran is kept in {partial}."
    with Watch(name, cells, limit_mb) as watch:
        watch.say(f"started, {cells} cells")
        try:
            papermill.execute_notebook(
                notebook, str(partial), parameters=asked, engine_name="watched", kernel_name=KERNEL,
                cwd=str(source.parent), progress_bar=False, watch=watch,
            )  # fmt: skip
        except papermill.PapermillExecutionError as error:
            trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
            raise BookError(f"{name}: {watch.where()} failed.\n{trace}\n{kept}") from None
        except RuntimeError as error:  # nbclient's, when the kernel is gone
            if not watch.over:
                raise BookError(f"{name}: the kernel died in {watch.where()} ({error}). {kept}") from error
    wall_s = watch.wall_s
    if watch.over:
        raise BookError(
            f"{name}: {watch.peak_mb:,.0f} MB in {watch.where()}, over the limit of {limit_mb:,.0f} MB that "
            f"a reader's Binder session has; work in smaller pieces there. {kept}"
        )
    row = {
        "notebook": name,
        "cohort": used["cohort"],
        "quick": bool(used["quick"]),
        "seed": used["seed"],
        "finished": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "wall_s": round(wall_s, 1),
        "peak_mb": round(watch.peak_mb),
        **commit,
    }
    write_json(record, row)
    write_text(target, _published(partial, metadata))  # last: it tells make that the run is complete
    partial.unlink()
    watch.say(f"done, {wall_s:.0f} s, at most {watch.peak_mb:.0f} MB")
    return row


def _own_kernel(project: Project, python: Path) -> None:
    """A kernel spec that starts this very interpreter, whatever other kernels the machine knows."""
    home = project.build / "jupyter"
    launch = [str(python.absolute()), "-m", "ipykernel_launcher"]  # the kernel begins in another folder
    write_json(
        home / "kernels" / KERNEL / "kernel.json",
        {
            "argv": [*launch, "-f", "{connection_file}", "--log-level=CRITICAL"],
            "display_name": "Python 3",
            "language": "python",
        },
    )
    os.environ["JUPYTER_PATH"] = str(home.resolve())


def _published(executed: Path, metadata: dict[str, Any]) -> str:
    """The executed notebook without papermill's clock times and paths, under its source's metadata."""
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata = nbformat.from_dict(metadata | {"language_info": notebook.metadata["language_info"]})
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            tags.append("remove-cell")  # a page tells its parameters at its end
    return nbformat.writes(notebook)
