"""The public files: where they come from, how they are fetched, and how we know that they are whole.

A file is looked for in three places: the folder named by the environment variable ``HELPERS_DATA``, the
cache of earlier downloads, the public addresses, one after the other. Whatever the place, it is used only if its
sha256 is the one written in ``registry.toml``. Downloads go to a temporary file that is renamed when it is whole.
"""

from __future__ import annotations

import contextlib
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
    """One row of the registry; ``urls`` are tried in turn, ``copies`` says who may pass the file on."""

    name: str
    urls: tuple[str, ...]
    sha256: str
    bytes: int
    holds: str
    licence: str
    copies: str


@cache
def public_files() -> dict[str, PublicFile]:
    """Name → `PublicFile`, in the order of ``registry.toml``.

    >>> public_files()["LeeDalley_ephys_fx.csv"].bytes
    651645
    """
    rows = tomllib.loads(files("patchtype.cohorts").joinpath("registry.toml").read_text("utf-8"))
    return {name: PublicFile(name, **row | {"urls": tuple(row["urls"])}) for name, row in rows.items()}


def fingerprint() -> str:
    """Twelve hex digits that change when any registered file changes: the data's version.

    >>> len(fingerprint())
    12
    """
    lines = "".join(f"{row.name} {row.sha256}\n" for row in public_files().values())
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def fetch(name: str, known: dict[str, PublicFile] | None = None) -> Path:
    """Path of a registered file, from the data folder, the cache, or the first of its addresses that has it.

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
        what = _altered(path.read_bytes(), row.sha256) or (
            f"has {path.stat().st_size:,} bytes and sha256 {found[:12]}…, expected {row.bytes:,} bytes and "
            f"{row.sha256[:12]}…: it is damaged or another version")
        raise DataUnavailable(f"{path} {what}; put the original there, or unset {DATA} to download it")
    return path


def _altered(data: bytes, sha256: str) -> str:
    """What a program that saved the registered file anew has done to it; empty when that cannot be said."""
    for encoding in ("utf-8-sig", "utf-16", "latin-1", "cp1252"):
        with contextlib.suppress(UnicodeError):
            text = data.decode(encoding)
            lf = text.replace("\r\n", "\n")
            crlf = lf.replace("\n", "\r\n")
            for ends, same in {"": text, "with line ends CRLF": lf, "with line ends LF": crlf}.items():
                if sha256 in (hashlib.sha256(same.encode(coding)).hexdigest() for coding in ("utf-8", "utf-8-sig")):
                    coded = "" if encoding == "utf-8-sig" and ends else f"in {encoding.removesuffix('-sig')}"
                    return f"holds the registered table saved anew {' and '.join(filter(None, (coded, ends)))}"
    return ""


def _download(row: PublicFile) -> Path:
    target = named(CACHE) or pooch.os_cache("interneuron-book")
    tried = []
    for url in row.urls:
        try:
            return Path(pooch.retrieve(
                url, known_hash=f"sha256:{row.sha256}", fname=row.name, path=target,
                downloader=pooch.HTTPDownloader(timeout=TIMEOUT_S, progressbar=row.bytes > 2e6),
            ))
        except requests.RequestException as error:
            tried.append(f"{url}: {_reason(error)}")
        except OSError as error:
            raise DataAbsent(
                f"{row.name} is not in a data folder, and the folder for downloads, {target}, cannot be written "
                f"({error.strerror or error}); set {CACHE} to a folder that can, or {DATA} to one that holds the file"
            ) from None
        except ValueError:  # pooch's word for a wrong hash; it has deleted the temporary file
            tried.append(f"{url}: what arrived is not the registered file (expected sha256 {row.sha256[:12]}…)")
    raise DataAbsent(
        f"{row.name} is not in a data folder and could not be downloaded from {', nor from '.join(tried)}; "
        f"connect to the network and run again, or set {DATA} to a folder that holds the file"
    )


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
