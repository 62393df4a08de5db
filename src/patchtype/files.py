"""Atomic file writes: a file is there whole or not at all, whatever stops the program in between. Parquet tables."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

#: Bytes of a file name that every file system takes, with room for what is added while it is written.
LONGEST = 200


def file_name(name: str, ending: str = "") -> str:
    """A file name for any text: no separators or control characters, short enough for every file system.

    A name that had to be changed ends in a few characters of its checksum, so that two names stay two.

    >>> file_name("sub-1_ses-2", ".npz"), file_name("a/b", ".npz")
    ('sub-1_ses-2.npz', 'a_b-c14cddc0.npz')
    """
    raw = name.encode("utf-8", "surrogatepass")
    kept = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]|^\.|[ .]$', "_", name)
    kept = kept.encode("utf-8", "replace")
    if kept == raw and len(kept) + len(ending) <= LONGEST:
        return name + ending
    short = kept[: LONGEST - 9 - len(ending)].decode("utf-8", "ignore")
    return f"{short}-{hashlib.sha256(raw).hexdigest()[:8]}{ending}"


@contextmanager
def whole(path: Path, ending: str = "") -> Iterator[Path]:
    """A path to write to, in the folder of ``path``; what was written takes its place when the block is through.

    When the block raises, or writes nothing and so raises FileNotFoundError, ``path`` is as it was before and
    nothing lies beside it. Until then the name begins with a dot and does not end like that of ``path``, so that
    a look for such files passes it over; ``ending`` is for a library that insists on one.

    >>> with whole(Path("/tmp/example.csv")) as part:
    ...     part.write_text("a,b")
    3
    """
    part = path.with_name(f".{path.name}.{os.getpid()}{ending}")
    if len(os.fsencode(part.name)) > 255:
        part = path.with_name(f".{file_name(path.name)}.{os.getpid()}{ending}")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        if error.filename is None:  # a full disk, met while writing, does not say where
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file or nothing; its folder must be there."""
    with whole(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a whole file of text in UTF-8 or nothing, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        part.write_text(text, "utf-8")


def write_parquet(path: Path, table: pd.DataFrame, compression: str = "snappy") -> None:
    """Write a whole table, without its index, or nothing; its folder must be there. Needs the extra ``train``."""
    import pyarrow  # noqa: F401 - where it is absent, its name is in the error

    with whole(path) as part:
        table.to_parquet(part, index=False, compression=compression)


def read_parquet(path: Path) -> pd.DataFrame:
    """A table as `write_parquet` wrote it.

    `pandas.read_parquet` hands Arrow a file that Python opened. Arrow's reading threads give its bytes back to
    Python when they come to it, and when Python is ending just then, the process is aborted. Here Arrow opens the
    file, and this thread alone reads it.

    >>> import pandas as pd
    >>> write_parquet(Path("/tmp/example.parquet"), pd.DataFrame({"p": [0.25, 0.75]}))
    >>> read_parquet(Path("/tmp/example.parquet"))["p"].tolist()
    [0.25, 0.75]
    """
    from pyarrow.parquet import ParquetFile

    with ParquetFile(str(path), pre_buffer=False) as file:
        return file.read(use_threads=False).to_pandas(use_threads=False)
