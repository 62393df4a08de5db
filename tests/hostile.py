"""``python -m tests.hostile``: twelve good cells, and among them every kind of file that is damaged or made to harm.

``extract`` and ``classify`` are run on the good cells alone and on all together, in two processes; the good cells
must get the same tables to the last bit, every hostile file its verdict, and a second run must change nothing. Then
each file is read alone, for its time and memory. Exit status 1 when one of this fails, when a file takes longer than
30 s, or when good files cost a worker 700 MB or more.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import shutil
import sys
import tempfile
import time
import warnings
import zlib
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from patchtype.recordings import batch, nwb, sources
from patchtype.recordings.extraction import WIDTHS

WORKER_MB, FILE_S = 700, 30
SECRET = "the secret of another file"

# --- kinds of files ---------------------------------------------------------------------------------------


def series(file):
    """Every series of a recording."""
    return [each for where in ("acquisition", "stimulus/presentation") for each in file[where].values()]


def samples(where, **options):
    """Other samples for a series, its attributes kept."""
    kept = dict(where["data"].attrs)
    del where["data"]
    data = where.create_dataset("data", **options)
    data.attrs.update(kept)
    return data


def secret(path):
    place = Path(os.fsdecode(path)).parent.parent / "secret.txt"
    place.write_text(SECRET)
    return place


def changed(change):
    """A kind of file: a good recording in which ``change(file, path)`` changes something."""
    def make(path):
        with h5py.File(path, "a") as file:
            change(file, path)
    return make


def texts(value):
    """A good recording with another value for each of its texts."""
    def change(file, path):
        for name in ("general/institution", "general/subject/subject_id", "general/session_id"):
            del file[name]
            if callable(value):
                value(file, name)
            elif isinstance(value, bytes):
                file.create_dataset(name, data=value, dtype=h5py.string_dtype())
            else:
                file[name] = value
    return changed(change)


def external_storage(file, path):
    del file["general/subject/subject_id"]
    elsewhere = [(str(secret(path)), 0, len(SECRET))]
    file.create_dataset("general/subject/subject_id", (1,), f"S{len(SECRET)}", external=elsewhere)
    for each in series(file):
        samples(each, shape=(4000,), dtype="f4", external=[(str(secret(path)), 0, 16_000)])


def external_link(file, path):
    del file["general/subject/subject_id"], file["acquisition"]
    file["general/subject/subject_id"] = h5py.ExternalLink("/etc/passwd", "/")
    file["acquisition"] = h5py.ExternalLink("../other.nwb", "/acquisition")


def link_to_a_pipe(file, path):
    pipe = Path(os.fsdecode(path)).with_name("pipe")
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    del file["acquisition"]
    file["acquisition"] = h5py.ExternalLink("pipe", "/acquisition")


def circle(file, path):
    del file["acquisition"]
    file["acquisition"] = h5py.SoftLink("/acquisition")


def virtual(file, path):
    for each in series(file):
        layout = h5py.VirtualLayout((4000,), "f4")
        layout[:] = h5py.VirtualSource(str(secret(path)), "x", (4000,))
        kept = dict(each["data"].attrs)
        del each["data"]
        each.create_virtual_dataset("data", layout).attrs.update(kept)


def declared(file, path):
    for each in series(file):
        samples(each, shape=(2_000_000_000,), dtype="f4", chunks=(1000,), compression="gzip")


def bomb(file, path):
    """Some 1.4 MB of gzip that are all zeros, over ten gigabytes of them once read."""
    n = 1 << 20
    packed = zlib.compress(bytes(4 * n), 9)
    for each in series(file):
        data = samples(each, shape=(25 * n,), dtype="f4", chunks=(n,), compression="gzip", shuffle=False)
        for k in range(25):
            data.id.write_direct_chunk((k * n,), packed)


def block(file, path):
    """Blocks that expand to more than they declare."""
    packed = zlib.compress(bytes(400 << 20), 1)
    for each in series(file):
        data = samples(each, shape=(4000,), dtype="f4", chunks=(4000,), compression="gzip", shuffle=False)
        data.id.write_direct_chunk((0,), packed)


def blocks(file, path):
    for each in series(file):
        samples(each, shape=(4000,), maxshape=(None,), dtype="f4", chunks=(1 << 29,), compression="gzip")


def many_sweeps(file, path):
    first = next(iter(file["acquisition"].values()))
    for k in range(20_001):
        file["acquisition"][f"again_{k}"] = first


def many_rows(file, path):
    """A table of recordings with more rows than any experiment."""
    reference = np.dtype([("idx_start", "i4"), ("count", "i4"), ("timeseries", h5py.ref_dtype)])
    for name in ("responses/response", "stimuli/stimulus"):
        file.create_dataset(f"general/intracellular_ephys/intracellular_recordings/{name}", (10 ** 9,), reference,
                            chunks=(1000,))


def deep(file, path):
    group = file["general"]
    for _ in range(500):
        group = group.create_group("x")


def voltage_clamp(file, path):
    for each in file["acquisition"].values():
        each.attrs["neurodata_type"] = "VoltageClampSeries"


def no_number(file, path):
    for each in file["acquisition"].values():
        each["data"][...] = np.nan


def no_rate(file, path):
    for each in series(file):
        each["starting_time"].attrs["rate"] = 0.0


def empty_samples(file, path):
    for each in series(file):
        samples(each, data=np.zeros(0, "f4"))


def long_names(file, path):
    for each in series(file):
        each.attrs["stimulus_description"] = np.bytes_(b"\xff" * 60_000)


def as_it_is(path):
    pass


def pipe(path):
    os.unlink(path)
    os.mkfifo(path)


def linked(target):
    def make(path):
        os.unlink(path)
        os.symlink(target, path)
    return make


def overwritten(content):
    """A file of other bytes; ``content`` may be made from what was there."""
    def make(path):
        place = Path(os.fsdecode(path))
        place.write_bytes(content(place.read_bytes()) if callable(content) else content)
    return make


def axon_sizes(path):
    """An Axon header that tells of more than any disk holds."""
    head = bytearray(8192)
    head[:8], head[12:16] = b"ABF2\0\0\6\2", (2 ** 31 - 1).to_bytes(4, "little")
    for k in range(18):
        head[76 + 16 * k:92 + 16 * k] = b"\1\0\0\0\xff\xff\xff\x7f" + (2 ** 62).to_bytes(8, "little")
    Path(os.fsdecode(path)).write_bytes(head)


#: Name of the file → what makes it of a good recording, and the reason that it is refused for; "" where it is as good.
KINDS = {
    b"external storage.nwb": (changed(external_storage), "outside_file"),
    b"external link.nwb": (changed(external_link), "outside_file"),
    b"link to a pipe.nwb": (changed(link_to_a_pipe), "outside_file"),
    b"circle.nwb": (changed(circle), "data_corrupt"),
    b"virtual.nwb": (changed(virtual), "outside_file"),
    b"declared.nwb": (changed(declared), "too_large"),
    b"bomb.nwb": (changed(bomb), "nothing_to_measure"),
    b"block.nwb": (changed(block), "too_large"),
    b"blocks.nwb": (changed(blocks), "too_large"),
    b"many sweeps.nwb": (changed(many_sweeps), "too_large"),
    b"many rows.nwb": (changed(many_rows), ""),
    b"deep.nwb": (changed(deep), ""),
    b"undecodable.nwb": (texts(b"\xff\xfe"), ""),
    b"group.nwb": (texts(lambda file, name: file.create_group(name)), ""),
    b"empty text.nwb": (texts(np.zeros(0, "S3")), ""),
    b"null.nwb": (texts(h5py.Empty("f4")), ""),
    b"long text.nwb": (texts(b"x" * (50 << 20)), ""),
    b"formula.nwb": (texts(b"=cmd|' /C calc'!A0\x1b[2J<script>alert(1)</script>"), ""),
    b"long names.nwb": (changed(long_names), ""),
    b"voltage clamp.nwb": (changed(voltage_clamp), "voltage_clamp_only"),
    b"no number.nwb": (changed(no_number), "nothing_left"),
    b"no rate.nwb": (changed(no_rate), "rate_missing"),
    b"empty samples.nwb": (changed(empty_samples), "samples_unexpected"),
    b"caf\xe9\xff.nwb": (as_it_is, ""),
    b"l" * 251 + b".nwb": (as_it_is, ""),
    b"line\nbreak.nwb": (as_it_is, ""),
    b"pipe.nwb": (pipe, "file_unreadable"),
    b"zero.nwb": (linked("/dev/zero"), "file_unreadable"),
    b"nowhere.nwb": (linked("nowhere"), "file_missing"),
    b"itself.nwb": (linked("itself.nwb"), "data_corrupt"),
    b"nothing.nwb": (overwritten(b""), "not_hdf5"),
    b"text.nwb": (overwritten(b"text"), "not_hdf5"),
    b"half.nwb": (overwritten(lambda data: data[:len(data) // 2]), "file_truncated"),
    b"page.abf": (overwritten(b"ABF2 nothing"), "file_truncated"),
    b"sizes.abf": (axon_sizes, "data_corrupt"),
}


def put(good: Path, folder: Path, names=tuple(KINDS)) -> list[str]:
    """Make the files of these names in a folder, each of the good recording; their paths."""
    paths = []
    for name in names:
        path = os.path.join(os.fsencode(folder), name)
        shutil.copy(good, path)
        KINDS[name][0](path)
        paths.append(os.fsdecode(path))
    return paths


# --- the command ------------------------------------------------------------------------------------------

def good_cells(folder: Path) -> None:
    """Ten analytic cells, one simulated of 29 sweeps, and one of 143 as MIES writes it."""
    from patchtype.simulation import cell as simulation
    from tests.recordings import analytic

    for k in range(10):
        sweeps = analytic.cell(seed=k, amplitudes=(-90, -50, -30, 110, 150 + 2 * k, 190), ramps=bool(k % 2))
        nwb.write(folder / f"cell-{k:02d}.nwb", sweeps, compression=1)
    made = simulation.cell("mouse", "Sst", seed=7)
    nwb.write(folder / "cell-10.nwb", (made * 29)[:29])
    nwb.write(folder / "cell-11.nwb", (made * 143)[:143], mies=True)


def peak_mb() -> float:
    """The most memory that this process has had."""
    if sys.platform == "linux":  # getrusage counts what the parent had before it started this one
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(status["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 20


def measured(asset: sources.Asset, more: bool) -> tuple[float, float, list[str]]:
    """Processor seconds, peak memory (MB; ``more``: beyond what was held before) and reasons of one file.

    Runs in a worker.
    """
    if more and sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is held
    begun, before = time.process_time(), peak_mb() if more else 0
    reasons = [found.code for cell in batch.cells_of(asset) for found in cell.verdict.reasons]
    return time.process_time() - begun, peak_mb() - before, reasons


def tables(out: Path, cells: set[str]) -> dict[str, bytes]:
    """What a folder of results holds of some cells, to the last bit."""
    found = {}
    for name in ("cells.csv", "features.csv"):
        table = pd.read_csv(out / name, dtype=str)
        found[name] = table[table["cell_id"].isin(cells)].sort_values("cell_id").to_csv(index=False).encode()
    for mode, widths in WIDTHS.items():
        with np.load(out / f"families_{mode}.npz") as data:
            names, order = data["cell_id"], np.argsort(data["cell_id"])
            rows = order[np.isin(names[order], list(cells))]
            found |= {f"{mode} {family}": data[family][rows].tobytes() for family in widths}
    return found


def main(argv: list[str] | None = None) -> int:
    from patchtype.classify import many

    argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__.splitlines()[0]).parse_args(argv)
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")
    wrong = []

    def check(holds: bool, what: str) -> None:
        print(f"{what}: {'yes' if holds else 'NO'}", flush=True)
        if not holds:
            wrong.append(what)

    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        good, every = root / "good", root / "every"
        good.mkdir(), every.mkdir()
        good_cells(good)
        for path in good.iterdir():
            shutil.copy(path, every)
        hostile = put(good / "cell-00.nwb", every)
        cells = {path.stem for path in good.iterdir()}
        found, together = sources.find(str(good)), sources.find([str(every), *hostile])
        print(f"{len(cells)} good cells, {len(KINDS)} hostile files", flush=True)

        begun = time.monotonic()
        alone = batch.run(found, root / "alone", workers=2, progress=False)
        middle = time.monotonic()
        table = batch.run(together, root / "together", workers=2, progress=False)
        print(f"extract: {middle - begun:.0f} s alone, {time.monotonic() - middle:.0f} s together", flush=True)
        check(bool(alone["passed"].all()) and len(alone) == 12, "every good cell passes")
        check(tables(root / "alone", cells) == tables(root / "together", cells), "extract: same tables for good cells")
        check(batch.run(together, root / "together", progress=False).equals(table), "extract: a second run is the same")
        check(SECRET not in table.to_csv() and "root:" not in table.to_csv(), "no other file is in the tables")

        question = many.Question(compare=False)
        few = [asset for asset in found if asset.cell_id < "cell-06"]
        answers = [many.run(each, root / f"classified-{k}", question, 2, progress=False)
                   for k, each in enumerate((few, [a for a in together if a.cell_id not in cells] + few))]
        same = [{row["cell_id"]: {k: str(v) for k, v in row.items() if k != "file"} for row in rows
                 if row["cell_id"] in {asset.cell_id for asset in few}} for rows in answers]
        check(same[0] == same[1], "classify: same answers for good cells")
        pages = "".join(p.read_text("utf-8") for p in (root / "classified-1").glob("*.html"))
        check(SECRET not in pages and "root:" not in pages and "<script>alert" not in pages,
              "no other file and no script is in the pages")

        peak = max(used for _, (_, used, _) in batch.in_processes(partial(measured, more=False), found, 1))
        print(f"a worker on the good files: at most {peak:.0f} MB")
        check(peak < WORKER_MB, f"below {WORKER_MB} MB")
        for asset, told in batch.in_processes(partial(measured, more=True), together, 1):
            if asset.cell_id in cells:
                continue
            name = os.fsencode(asset.location).rpartition(b"/")[2]
            seconds, used, reasons = told or (np.nan, np.nan, ["worker_lost"])
            said = ", ".join(reasons) or "passes"
            print(f"  {sources.clean(name)[:40]:<40} {seconds:6.1f} s {used:+6.0f} MB  {said}", flush=True)
            if not seconds < FILE_S or (reasons or [""])[0] != KINDS[name][1]:
                wrong.append(f"{name!r}: {reasons}, expected {KINDS[name][1]!r} in {FILE_S} s")
        rows = table[~table["cell_id"].isin(cells)]
        check(len(rows) == len(KINDS), "every hostile file has its row")
    print("; ".join(wrong) or "nothing was lost, read or told wrongly")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
