"""HDF5 files of strangers: no other file is read unseen, and nothing is read before its size is known.

The library itself follows links, external storage and virtual data sets wherever they lead, and reads whatever size
is declared. `Tree` follows links by its own rules and refuses the rest.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from patchtype.recordings import limits
from patchtype.recordings.recording import RecordingError
from patchtype.recordings.text import clean

FILTERS = {
    32000: "LZF", 32001: "Blosc", 32004: "LZ4", 32008: "bitshuffle", 32013: "ZFP", 32015: "Zstandard",
    32017: "SZ", 32022: "Granular BitRound", 32023: "SZ3", 32024: "Delta-RLE", 32026: "Blosc2", 307: "bzip2",
}
OWN_FILTERS = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF,
               h5py.h5z.FILTER_SZIP, h5py.h5z.FILTER_NBIT, h5py.h5z.FILTER_SCALEOFFSET)
#: Bytes of a stored block from which gzip, at its best, expands to 264 MB.
SUSPICIOUS = 1 << 18
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def unreadable(error: BaseException) -> tuple[str, str]:
    """Code and sentence for an error of the HDF5 library or of the system below it.

    >>> unreadable(OSError("file read failed: errno = 5, error message = 'Input/output error'"))[0]
    'medium_failed'
    """
    said = clean(str(error).strip("'\""))
    number = getattr(error, "errno", None) or next(map(int, re.findall(r"errno = (\d+)", said)), 0)
    if sizes := re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", said):
        return "file_truncated", f"found {sizes[1]} bytes of {sizes[2]}, the file is cut off; fetch it again"
    if number in (errno.EAGAIN, errno.EWOULDBLOCK) or "already open for" in said:
        return "file_locked", ("found the file open in another program that writes to it, expected a finished file; "
                               "close it there and run again")
    if number in (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENXIO, errno.ENODEV):
        return "medium_failed", (f"found that the disk or network share fails ({os.strerror(number)}), the file may "
                                 "be whole; copy it to another disk and run again")
    if number in (errno.EACCES, errno.EPERM):
        return "file_unreadable", "found a file that may not be read, expected your right to do so; ask its owner"
    if number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return "file_unreadable", f"found {os.strerror(number).lower()} on this machine; run again with less beside it"
    if "required filter" in said or "not registered" in said:
        return "filter_missing", (f"found samples behind a filter that is not installed ({said}); "
                                  "install the package hdf5plugin and run again")
    return "data_corrupt", f"found data that HDF5 cannot read ({said}); the file is damaged, take another copy of it"


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Errors of the HDF5 library become `RecordingError`."""
    try:
        yield
    except RecordingError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise RecordingError(*unreadable(error)) from error


def opened(path: Path) -> h5py.File:
    """A file on disk, open for reading."""
    with translated():
        try:
            return h5py.File(os.fsencode(path), "r")
        except OSError as error:
            found = getattr(error, "errno", None) or next(map(int, re.findall(r"errno = (\d+)", str(error))), 0)
            if found in _NO_LOCKS:  # a network share without locks; only reading, none is needed
                return h5py.File(os.fsencode(path), "r", locking=False)
            raise


class Tree:
    """An HDF5 file and the files beside it that its links lead to.

    Parameters: ``source``, a path, an open `h5py.File`, or a binary file-like object. ``notes`` holds a sentence for
    each other file that was read.
    """

    def __init__(self, source):
        self.notes: list[str] = []
        self._others: dict[Path, h5py.File] = {}
        self._checked: set = set()
        self.own = not isinstance(source, h5py.File)
        self.folder: Path | None = None
        if isinstance(source, h5py.File):
            self.file = source
        elif isinstance(source, str | os.PathLike):
            self.folder = Path(source).resolve().parent
            self.file = opened(Path(source))
        else:
            with translated():
                self.file = h5py.File(source, "r")

    def close(self) -> None:
        """Close what was opened here."""
        for file in (*self._others.values(), *([self.file] if self.own else [])):
            file.close()

    def names(self, group: h5py.Group | None) -> list[str]:
        """Names in a group, in its order; none where there is no group."""
        if not isinstance(group, h5py.Group):
            return []
        with translated():
            if len(group) > limits.SWEEPS:
                raise RecordingError("too_large", f"found {len(group):,} entries in {clean(group.name)}, expected at "
                                     f"most {limits.SWEEPS:,}; split the file")
            return list(group)

    def get(self, path: str, start=None, hops: int = 0):
        """The group or data set of a path, None where there is none.

        Raises `RecordingError` for a link that leads nowhere or outside, and for a damaged entry.
        """
        found = self.file if start is None else start
        for name in path.split("/"):
            if not name or name == ".":
                continue
            if not isinstance(found, h5py.Group):
                return None
            found = self._entry(found, name, hops)
            if found is None:
                return None
        return found

    def _entry(self, group: h5py.Group, name: str, hops: int):
        with translated():
            link = group.get(name, getlink=True)
            if link is None:
                return None
            if isinstance(link, h5py.HardLink):
                return group[name]
        if hops >= limits.HOPS:
            raise RecordingError("data_corrupt", f"found links that lead in a circle at {clean(group.name)}, "
                                 "expected data; the file is damaged")
        said = clean(f"{group.name}/{name}".replace("//", "/"))
        if isinstance(link, h5py.SoftLink):
            start = group.file if link.path.startswith("/") else group
            found = self.get(link.path, start, hops + 1)
            target = clean(link.path)
        elif isinstance(link, h5py.ExternalLink):
            found = self.get(link.path, self._other(link.filename, said), hops + 1)
            target = clean(f"{link.filename}:{link.path}")
        else:
            raise RecordingError("outside_file", f"found a link of an unknown kind at {said}, expected data")
        if found is None:
            raise RecordingError("data_corrupt", f"found a link at {said} to {target}, which is not there; "
                                 "put the linked file beside this one, or leave the sweep out")
        return found

    def _other(self, name: str, said: str) -> h5py.File:
        """A file that a link names: an HDF5 file in the folder of this one or below."""
        def refused(what: str) -> RecordingError:
            return RecordingError("outside_file", f"found a link at {said} to {clean(name)}, {what}; expected an HDF5 "
                                  "file in the folder of the recording; put it there")
        if self.folder is None:
            raise refused("which cannot be followed from here")
        if os.path.isabs(name) or re.match(r"[A-Za-z]:|\\\\", name) or "\0" in name:
            raise refused("an absolute path")
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder):
            raise refused("which lies outside its folder")
        if path not in self._others:
            try:
                regular = stat.S_ISREG(path.stat().st_mode)
            except (OSError, ValueError):
                raise RecordingError("data_corrupt", f"found a link at {said} to {clean(name)}, which is not there; "
                                     "put the linked file beside this one, or leave the sweep out") from None
            if not regular or not h5py.is_hdf5(os.fsencode(path)):
                raise refused("which is no HDF5 file")
            if len(self._others) >= limits.HOPS:
                raise refused(f"after {limits.HOPS} other files")
            self._others[path] = opened(path)
            self.notes.append(f"read from the linked file {clean(name)}, too")
        return self._others[path]

    def dataset(self, path: str, start=None) -> h5py.Dataset:
        """A data set that may be read: its samples lie in the file itself, and their filters are there."""
        found = self.get(path, start)
        with translated():
            kind = isinstance(found, h5py.Dataset) and found.dtype
        if not isinstance(kind, np.dtype):
            where = clean(f"{'' if start is None else start.name}/{path}".replace("//", "/"))
            what = "nothing" if found is None else "a group"
            raise RecordingError("samples_unexpected", f"found {what} at {where}, expected data")
        self.check(found)
        return found

    def check(self, data: h5py.Dataset) -> None:
        """Refuse samples in other files, behind missing filters, or in blocks that do not fit into memory."""
        with translated():
            key = data.id
            if key in self._checked:
                return
            plan, where = data.id.get_create_plist(), clean(data.name)
            if plan.get_external_count() or data.is_virtual:
                raise RecordingError("outside_file", f"found that the samples of {where} lie in other files (external "
                                     "storage or a virtual data set), expected them in the file; copy them into it")
            for k in range(plan.get_nfilters()):
                _has_filter(plan.get_filter(k)[0], plan.get_filter(k)[3])
            if data.chunks:
                block = int(np.prod(data.chunks, dtype=object)) * data.dtype.itemsize
                if block > limits.CHUNK_BYTES:
                    raise RecordingError("too_large", f"found blocks of {block >> 20} MB in {where}, expected at most "
                                         f"{limits.CHUNK_BYTES >> 20} MB; write the file anew with smaller chunks")
            self._checked.add(key)

    def column(self, path: str, start=None) -> np.ndarray | None:
        """A column of a table inside the file, or None where there is none."""
        found = self.get(path, start)
        if not isinstance(found, h5py.Dataset):
            return None
        self.check(found)
        with translated():
            if found.size is None or found.size > limits.ROWS or found.size * found.dtype.itemsize > limits.CHUNK_BYTES:
                raise RecordingError("too_large", f"found {found.size} entries in {clean(found.name)}, expected at "
                                     f"most {limits.ROWS:,}")
            return np.atleast_1d(found[()])

    def text(self, path: str, start=None) -> str:
        """A text of the file, cleaned; empty where there is none or what is there is no text."""
        try:
            found = self.get(path, start)
            with translated():
                if not isinstance(found, h5py.Dataset) or not found.size or found.size > limits.TEXT \
                        or h5py.check_string_dtype(found.dtype) is None \
                        or found.dtype.itemsize * found.size > limits.TEXT_BYTES:
                    return ""
                self.check(found)
                return clean(found[()])
        except RecordingError:
            return ""

    def attribute(self, found, name: str, default=None):
        """An attribute as it is, ``default`` where there is none or it is of no use."""
        try:
            with translated():
                if name not in found.attrs:
                    return default
                if found.attrs.get_id(name).get_storage_size() > limits.TEXT_BYTES:
                    return default
                return found.attrs[name]
        except RecordingError:
            return default

    def label(self, found, name: str) -> str:
        """A text of a series, which may be an attribute or a data set."""
        value = self.attribute(found, name)
        if value is None or isinstance(value, h5py.Empty):
            return self.text(name, found) if isinstance(found, h5py.Group) else ""
        return clean(value)

    def number(self, found, name: str, default: float = np.nan) -> float:
        """A number that is an attribute or a scalar data set; ``default`` where there is none."""
        value = self.attribute(found, name)
        if value is None and isinstance(found, h5py.Group):
            try:
                held = self.get(name, found)
                with translated():
                    if isinstance(held, h5py.Dataset) and held.size == 1 and held.dtype.kind in "iuf":
                        self.check(held)
                        value = held[()]
            except RecordingError:
                return default
        if value is None or isinstance(value, h5py.Empty | h5py.Reference):
            return default
        value = np.asarray(value)
        if value.size != 1 or value.dtype.kind not in "iuf":
            return default
        return float(value.reshape(-1)[0])


def _has_filter(code: int, name: bytes) -> None:
    if h5py.h5z.filter_avail(code):
        return
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401 - importing it brings the filters
    if not h5py.h5z.filter_avail(code):
        called = FILTERS.get(code) or clean(name) or "unknown"
        raise RecordingError("filter_missing", f"found samples behind the HDF5 filter {called} ({code}), which is not "
                             "installed; install the package hdf5plugin and run again")


def read(data: h5py.Dataset, start: int, count: int) -> np.ndarray:
    """Samples ``start`` to ``start + count`` of a data set that is one row, or one column, or one line."""
    with translated():
        no_bomb(data)
        try:
            found = data[0, start:start + count] if data.ndim > 1 and data.shape[0] == 1 else data[start:start + count]
        except OSError as error:
            if "filter returned failure" in str(error) and (foreign := _foreign_filter(data)):
                raise RecordingError("filter_missing", f"found samples that the HDF5 filter {foreign} of this machine "
                                     "cannot unpack; install the newest package hdf5plugin and run again, else write "
                                     "the file anew with gzip") from error
            raise
    return found.reshape(-1)


def _foreign_filter(data: h5py.Dataset) -> str:
    """Name and number of a filter that HDF5 itself does not have, empty without one."""
    plan = data.id.get_create_plist()
    codes = [plan.get_filter(k)[0] for k in range(plan.get_nfilters())]
    return next((f"{FILTERS.get(code, 'unknown')} ({code})" for code in codes if code not in OWN_FILTERS), "")


def no_bomb(data: h5py.Dataset) -> None:
    """Refuse blocks that gzip expands to more than they declare; the library would expand all of it."""
    plan = data.id.get_create_plist()
    codes = [plan.get_filter(k)[0] for k in range(plan.get_nfilters())]
    if codes[-1:] == [h5py.h5z.FILTER_FLETCHER32]:  # a checksum behind the block
        codes.pop()
    if codes[-1:] != [h5py.h5z.FILTER_DEFLATE] or data.id.get_storage_size() < SUSPICIOUS:
        return
    block, large = int(np.prod(data.chunks)) * data.dtype.itemsize, []
    data.id.chunk_iter(lambda info: large.append(info.chunk_offset) if info.size >= SUSPICIOUS else None)
    for offset in large:
        mask, packed = data.id.read_direct_chunk(offset)
        unpacking = zlib.decompressobj()
        if not mask and len(unpacking.decompress(packed, block + 1)) > block:
            raise RecordingError("too_large", f"found a block in {clean(data.name)} that expands to more than the "
                                 f"{block} bytes it declares, expected as many; the file is damaged or made to harm")
