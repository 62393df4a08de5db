"""Any laboratory's recording: what kind of file it is, and the cells in it.

>>> with recordings("cell.abf") as cells:                                           # doctest: +SKIP
...     [(cell.cell_id, len(cell.sweeps)) for cell in cells]
[('cell', 17)]
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import h5py

from patchtype.recordings import abf, nwb_reader
from patchtype.recordings.hdf5 import Tree, unreadable
from patchtype.recordings.recording import Recording, RecordingError
from patchtype.recordings.text import clean

#: Endings of files that are searched for in folders.
ENDINGS = (".nwb", ".abf")
#: What cannot be read, and what to do about it.
_CONVERT = {
    "HEKA Patchmaster": (".dat",), "WinWCP": (".wcp",), "Spike2": (".smr", ".smrx"), "AxoGraph": (".axgd", ".axgx"),
    "Igor Pro": (".ibw", ".pxp"), "WaveSurfer or other HDF5": (".h5", ".hdf5"), "MATLAB": (".mat",),
    "Axon text": (".atf",), "Clampfit or other text": (".txt", ".csv"),
}


class Cells(list[Recording]):
    """The recordings of one file. Close it, or use it in ``with``, when the sweeps have been read."""

    def __init__(self, found: list[Recording], close: Callable[[], None] = lambda: None):
        super().__init__(found)
        self.close = close

    def __enter__(self) -> Cells:
        return self

    def __exit__(self, *exc) -> None:
        self.close()


def stem_of(source) -> str:
    """Name of a file without its ending, cleaned.

    >>> stem_of("a/sub-1_ses-2_icephys.nwb"), stem_of("a/2019_07_24.ABF")
    ('sub-1_ses-2_icephys', '2019_07_24')
    """
    name = clean(os.path.basename(os.fspath(source)) if isinstance(source, str | os.PathLike) else "recording")
    return name[:-4] if name.lower().endswith(ENDINGS) else name


def recordings(source, electrode: str | None = None, cell_id: str | None = None) -> Cells:
    """The cells of a file, one for each electrode.

    Parameters
    ----------
    source : path of an NWB 2 or Axon file (ABF 1 or 2), or NWB as an open `h5py.File` or a binary file-like object
    electrode : name of the only electrode to read
    cell_id : what to call the cell; without it the name of the file without its ending. Where a file has several
        electrodes, ``_`` and the electrode follow.

    Raises `RecordingError` for a file that gives not one sweep, or has not the electrode. Samples are read when they
    are asked for: until then the file has to stay open.
    """
    stem = cell_id or stem_of(source)
    close = lambda: None  # noqa: E731
    with contextlib.ExitStack() as stack:
        kind = kind_of(Path(source)) if isinstance(source, str | os.PathLike) else "hdf5"
        if kind == "abf":
            found = abf.read(Path(source), stem)
        else:
            tree = Tree(source)
            stack.callback(tree.close)
            try:
                found, close = nwb_reader.read(tree, stem), tree.close
            except RecordingError as error:
                if error.code == "nwb_version_missing" and _program(source):
                    raise _foreign(Path(source), 0, b"") from error
                raise
        if electrode is not None:
            names = [each.electrode for each in found]
            found = [each for each in found if each.electrode == electrode]
            if not found:
                raise RecordingError("electrode_unknown", f"found the electrodes {', '.join(map(repr, names))}, "
                                     f"expected {clean(electrode)!r}; name one of those")
        stack.pop_all()
    return Cells(found, close)


def is_zarr(folder: Path) -> bool:
    """Whether a folder is an NWB file in the Zarr format."""
    return any((folder / name).exists() for name in (".zgroup", ".zmetadata", "zarr.json"))


def kind_of(path: Path) -> str:
    """``"hdf5"`` or ``"abf"``, by the first bytes of a file.

    Raises `RecordingError` for what is no regular file, and for other formats with a sentence how to convert them.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            if stat.S_ISDIR(found.st_mode) and is_zarr(path):
                raise RecordingError("format_unknown", "found an NWB file in Zarr, expected HDF5; "
                                     "convert it with hdmf-zarr")
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or device"
            raise RecordingError("file_unreadable", f"found {what} at {clean(path)}, expected a file")
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise RecordingError("file_missing", f"found no file at {clean(path)}, expected a recording; check the path"
                             ) from None
    except (OSError, ValueError) as error:
        raise RecordingError(*unreadable(error)) from error
    if head[:4] in (b"ABF ", b"ABF2"):
        return "abf"
    if h5py.is_hdf5(os.fsencode(path)):
        return "hdf5"
    raise _foreign(path, found.st_size, head)


def _program(source) -> str:
    """The program whose files have this ending, empty where that is not known."""
    ending = Path(source).suffix.lower() if isinstance(source, str | os.PathLike) else ""
    return next((name for name, endings in _CONVERT.items() if ending in endings), "")


def _foreign(path: Path, size: int, head: bytes) -> RecordingError:
    """What to do with a file of another kind."""
    ending = path.suffix.lower()
    program = _program(path)
    if head[:4] in (b"DATA", b"DAT1", b"DAT2") or ending == ".dat":
        program = "HEKA Patchmaster"
    if program:
        return RecordingError("format_unknown", f"found a file of {program} ({clean(ending)}), expected NWB 2 or ABF; "
                              "convert it to NWB with neuroconv or with the x-to-nwb converter of ipfx, or export it "
                              "from the program as ABF")
    expected = "expected NWB 2 or ABF"
    return RecordingError("not_hdf5", f"found {size} bytes that are no HDF5 file, {expected}; fetch the file again, "
                          "or convert it when it is of another format")
