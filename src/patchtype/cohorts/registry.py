"""The public files: where they come from, how they are fetched, and how we know that they are whole.

A file is looked for in three places: the folder named by the environment variable ``HELPERS_DATA``, the
cache of earlier downloads, the public address. Whatever the place, it is used only if its sha256 is the
one written in ``registry.toml``. Downloads go to a temporary file that is renamed when it is whole.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import pooch
import requests

from patchtype.settings import CACHE, DATA, named

#: Seconds without a byte after which a download is given up.
TIMEOUT_S = 30


class DataUnavailable(RuntimeError):
    """A public file could not be had, or is not the file that the registry describes."""


class DataAbsent(DataUnavailable):
    """A public file is in no folder and could not be downloaded: nothing is wrong, there is just no data here."""


@dataclass(frozen=True)
class PublicFile:
    """One row of the registry."""

    name: str
    url: str
    sha256: str
    bytes: int
    holds: str
    licence: str


@cache
def public_files() -> dict[str, PublicFile]:
    """Name → `PublicFile`, in the order of ``registry.toml``.

    >>> public_files()["LeeDalley_ephys_fx.csv"].bytes
    651645
    """
    rows = tomllib.loads(files("patchtype.cohorts").joinpath("registry.toml").read_text("utf-8"))
    return {name: PublicFile(name, **row) for name, row in rows.items()}


def fingerprint() -> str:
    """Twelve hex digits that change when any registered file changes: the data's version.

    >>> len(fingerprint())
    12
    """
    lines = "".join(f"{row.name} {row.sha256}\n" for row in public_files().values())
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def fetch(name: str, known: dict[str, PublicFile] | None = None) -> Path:
    """Path of a registered file, from the data folder, the cache, or its address.

    Raises `DataUnavailable`, in one sentence that says what was found and what to do, when the file is
    damaged where it was found, and `DataAbsent` when it is nowhere.

    >>> fetch("LeeDalley_ephys_fx.csv").name  # doctest: +SKIP
    'LeeDalley_ephys_fx.csv'
    """
    known = known or public_files()
    if name not in known:
        raise KeyError(f"found the file name {name!r}, expected one of {', '.join(known)}")
    row = known[name]
    folder = named(DATA)
    if folder:
        if not folder.is_dir():
            raise DataUnavailable(
                f"{DATA} names {folder}, which is not a folder; set it to the folder that holds "
                f"{name}, or unset it to download the file"
            )
        local = folder / name
        if local.exists():
            return _whole(local, row)
    return _download(row)


def _whole(path: Path, row: PublicFile) -> Path:
    """`path` itself if its content is the registered one, else DataUnavailable."""
    found = pooch.file_hash(str(path))
    if found != row.sha256:
        raise DataUnavailable(
            f"{path} has {path.stat().st_size:,} bytes and sha256 {found[:12]}…, expected {row.bytes:,} bytes "
            f"and {row.sha256[:12]}…; it is damaged or another version: delete it and run again"
        )
    return path


def _download(row: PublicFile) -> Path:
    target = named(CACHE) or pooch.os_cache("interneuron-book")
    try:
        return Path(pooch.retrieve(
            row.url, known_hash=f"sha256:{row.sha256}", fname=row.name, path=target,
            downloader=pooch.HTTPDownloader(timeout=TIMEOUT_S, progressbar=row.bytes > 2e6),
        ))
    except (requests.RequestException, OSError) as error:
        reason = _reason(error)
    except ValueError:  # pooch's word for a wrong hash; it has deleted the temporary file
        reason = f"what arrived is not the registered file (expected sha256 {row.sha256[:12]}…)"
    raise DataAbsent(
        f"{row.name} is not in a data folder and could not be downloaded from {row.url}: {reason}; "
        f"connect to the network and run again, or set {DATA} to a folder that holds the file"
    ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off before the file was whole"
    if isinstance(error, requests.Timeout):
        return f"the server sent nothing for {TIMEOUT_S} s"
    if isinstance(error, requests.ConnectionError):
        return "the server cannot be reached"
    return f"{type(error).__name__}: {error}"
