"""Atomic file writes, and the check sums of what is handed out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


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
    try:
        yield part
        part.replace(path)
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


def sum_line(name: str, content: bytes) -> str:
    """One line of a ``SHA256SUMS``, as ``sha256sum --check`` reads it.

    >>> sum_line("empty", b"")[-10:]
    '55  empty\\n'
    """
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n"


def write_sums(paths: Sequence[Path]) -> Path:
    """``SHA256SUMS`` of files of one folder, in that folder; returns it."""
    sums = paths[0].with_name("SHA256SUMS")
    write_text(sums, "".join(sum_line(path.name, path.read_bytes()) for path in paths))
    return sums
