"""The simulated cohort that comes with the package: ``patchtype embed`` makes it anew.

Each cell is simulated, written, extracted and its recording deleted, so that little disk is needed. What stays
is the form that `patchtype.cohorts.extracted` reads, with the paper's vector families only, rounded to be small.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from patchtype.arguments import count, jobs
from patchtype.files import write_bytes
from patchtype.recordings import results
from patchtype.recordings.cell import extract
from patchtype.simulation import cell as simulation

#: Where the package keeps it.
FOLDER = Path(__file__).parents[1] / "cohorts" / "simulated"
#: Cells of each species that are planned, and made by default; a smaller cohort is the beginning of this one.
PLANNED = {"mouse": 1000, "human": 300}
CELLS = dict(PLANNED)
SEED = 2026
BAD_SHARE = 0.08
#: Binary digits that are kept of each vector value: one part in 8,192, less than a step of the amplifier.
BITS = 13


def rows(cells: dict[str, int], seed: int = SEED) -> list[dict]:
    """What each cell of the cohort is, as `simulation.label` writes it, one species after the other.

    A smaller cohort is the beginning of a larger one, for the plan is that of `PLANNED` cells.
    Raises ValueError when more are asked for.

    >>> [row["species"] for row in rows({"mouse": 1, "human": 1})]
    ['mouse', 'human']
    """
    for species, n in cells.items():
        if not 1 <= n <= PLANNED[species]:
            raise ValueError(f"found {n} {species} cells, expected 1 to {PLANNED[species]}")
    return [row for species, n in cells.items()
            for row in simulation.labels(PLANNED[species], seed, species, BAD_SHARE)[:n]]


def made(row: dict) -> bytes:
    """Simulate, write, extract and forget one cell; the content of its result file."""
    with tempfile.TemporaryDirectory() as folder:
        path = simulation.make_file(row, Path(folder), compression=0)
        return results.packed([extract(path, cell_id=row["cell_id"])])


def rounded(values: np.ndarray, bits: int = BITS) -> np.ndarray:
    """Floats with so many binary digits kept, which compress to half the size.

    >>> rounded(np.array([1.0, np.pi, np.nan])).tolist()[:2]
    [1.0, 3.1416015625]
    """
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 2.0 ** bits) / 2.0 ** bits, exponent).astype(np.float32)


def embed(out: Path = FOLDER, work: Path = Path("_build/embedded"), cells: dict[str, int] | None = None,
          seed: int = SEED, workers: int = 0) -> pd.DataFrame:
    """Make the cohort and write it to ``out``; returns its table of cells.

    ``work`` keeps one small file a cell, so that a stopped or a larger run goes on there; ``workers``:
    processes, 0 works in this one. Raises ValueError when ``work`` holds cells of another seed or simulator.
    """
    cells = cells or CELLS
    planned, origin = rows(cells, seed), origin_of(seed)
    (work / "cells").mkdir(parents=True, exist_ok=True)
    known = work / "origin.json"
    if known.exists() and json.loads(known.read_text()) != origin:
        raise ValueError(f"found cells of another seed or simulator in {work}, expected {origin}; use another folder")
    write_bytes(known, _json(origin))
    places = {row["cell_id"]: work / "cells" / f"{row['cell_id']}.npz" for row in planned}
    # Species take turns, so that a run that is stopped early can be cut to a smaller cohort of both.
    todo = sorted((row for row in planned if not _is_whole(places[row["cell_id"]])),
                  key=lambda row: row["number"] / PLANNED[row["species"]])
    with tqdm(total=len(planned), initial=len(planned) - len(todo), unit="cell") as bar:
        for row, data in zip(todo, _all_made(todo, workers), strict=True):
            write_bytes(places[row["cell_id"]], data)
            bar.update()
    table = results.merge(places.values(), work)
    command = " ".join(["patchtype embed", *(f"--{k} {n}" for k, n in cells.items()), f"--seed {seed}"])
    _publish(work, out, pd.DataFrame(planned), {"command": command, "cells": cells, **origin})
    return table


def origin_of(seed: int) -> dict:
    """What decides the values of a cell: seed, plan, the simulator's version, and the libraries that compute."""
    libraries = {name: version(name) for name in ("arbor", "ipfx", "numpy", "scipy")}
    return {"seed": seed, "planned": PLANNED, "bad_share": BAD_SHARE, "simulator": simulation.VERSION,
            "libraries": libraries}


def _is_whole(path: Path) -> bool:
    return path.exists() and results.record_of(path) is not None


def _json(value: dict) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _all_made(todo: list[dict], workers: int) -> Iterator[bytes]:
    if not workers:
        yield from map(made, todo)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(made, todo)


def _publish(work: Path, out: Path, planned: pd.DataFrame, origin: dict) -> None:
    """The merged tables of ``work`` in their compact form; what says how they were made is written last."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("cells.csv", "funnel.csv"):
        write_bytes(out / name, (work / name).read_bytes())
    write_bytes(out / "labels.csv", planned.to_csv(index=False, lineterminator="\n").encode())
    with np.load(work / "families_paper.npz", allow_pickle=False) as arrays:
        compact = {name: a if name == "cell_id" else rounded(a) for name, a in arrays.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **compact)
    write_bytes(out / "families_paper.npz", buffer.getvalue())
    write_bytes(out / "made.json", _json(origin))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the cohort (default: the package's own)")
    parser.add_argument("--work", type=Path, default=Path("_build/embedded"), help="a stopped run goes on there")
    parser.add_argument("--mouse", type=count, default=CELLS["mouse"], metavar="N", help="mouse cells")
    parser.add_argument("--human", type=count, default=CELLS["human"], metavar="N", help="human cells")
    parser.add_argument("--seed", type=int, default=SEED)
    jobs(parser, default=0, least=0, help="processes (default 0: this one)")


def main(args: argparse.Namespace) -> int:
    """Make the cohort; 2 and a sentence when the call was wrong."""
    try:
        table = embed(args.out, args.work, {"mouse": args.mouse, "human": args.human}, args.seed, args.jobs)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(table)} simulated cells in {args.out}, {table['passed'].sum()} passed quality control")
    return 0
