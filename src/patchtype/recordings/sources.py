"""Where recordings come from: files, folders, the DANDI archive; and how a remote one is fetched or streamed."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import requests

from patchtype.recordings.nwb import RecordingError

DANDISET = re.compile(r"(?:DANDI:)?(?P<id>\d{6})(?:[/@](?P<version>[\w.]+))?")
#: 64 to 256 kB fetch two fifths of a file for the sweeps needed; fsspec's default fetches it many times over.
STREAM_BLOCK = 256 * 1024
CHUNK = 1 << 20


class SourceError(ValueError):
    """A source that cannot be listed; the sentence says what to do."""


@dataclass(frozen=True)
class Asset:
    """One recording to extract. ``location`` is a path or a URL; size (bytes) and checksums where known.

    ``metadata_url`` is where the archive states checksums and the address of the content.
    """

    cell_id: str
    location: str
    size: int | None = None
    sha256: str | None = None
    metadata_url: str | None = None

    @property
    def remote(self) -> bool:
        """Whether it has to come over the network."""
        return self.location.startswith(("http://", "https://"))


def find(source: str | Path | Iterable[str | Path], api_url: str | None = None) -> list[Asset]:
    """The recordings of a source, sorted by cell, each with an identifier of its own.

    Parameters
    ----------
    source : a file, a folder (searched for ``*.nwb`` at any depth), an ``http(s)`` address, a dandiset such as
        ``000020/0.210913.1639`` (without a version: the newest published one), or several of these
    api_url : another address of the DANDI API

    A file that does not exist is listed as well, so that the batch can say so. Raises `SourceError` for an
    empty folder, an unknown dandiset, or an archive that does not answer.

    >>> find("a/cell.nwb")
    [Asset(cell_id='cell', location='a/cell.nwb', size=None, sha256=None, metadata_url=None)]
    """
    sources = [source] if isinstance(source, str | Path) else list(source)
    assets = [asset for each in sources for asset in _find_one(str(each), api_url)]
    if not assets:
        where = ", ".join(map(str, sources)) or "an empty list"
        raise SourceError(f"found no recording in {where}, expected .nwb files")
    return sorted(_distinct(assets), key=lambda asset: asset.cell_id)


def files_of(folder: Path) -> list[Path]:
    """The files ``*.nwb`` of a folder at any depth, in order; a folder of such a name is none.

    Names that begin with a dot are passed over: a running ``simulate`` writes there what is not whole yet.

    >>> files_of(Path("/nowhere"))
    []
    """
    return sorted(path for path in folder.rglob("[!.]*.nwb") if path.is_file())


def _find_one(source: str, api_url: str | None) -> list[Asset]:
    path = Path(source)
    if source.startswith(("http://", "https://")):
        return [Asset(_stem(source.split("?")[0]), source)]
    if path.is_dir():
        return [Asset(_stem(p), str(p), p.stat().st_size) for p in files_of(path)]
    dandiset = DANDISET.fullmatch(source)
    if dandiset and not path.exists():
        return _dandi(dandiset["id"], dandiset["version"], api_url)
    return [Asset(_stem(path), source, path.stat().st_size if path.is_file() else None)]


def _stem(name: str | Path) -> str:
    return Path(name).name.removesuffix(".nwb")


def _distinct(assets: list[Asset]) -> list[Asset]:
    """Give files of one name in several folders the folder's name as well; list a file given twice once."""
    assets = list({asset.location: asset for asset in assets}.values())
    names = Counter(asset.cell_id for asset in assets)
    named = [
        asset if names[asset.cell_id] == 1
        else replace(asset, cell_id="__".join(Path(asset.location).with_suffix("").parts[-3:]).strip("/"))
        for asset in assets
    ]
    if repeated := [name for name, count in Counter(a.cell_id for a in named).items() if count > 1]:
        raise SourceError(f"found several recordings that would be called {repeated[0]!r}, expected distinct names")
    return named


def _dandi(identifier: str, version: str | None, api_url: str | None) -> list[Asset]:
    # The client takes a second to import and files need none of it. Its telemetry would only wait here.
    os.environ.setdefault("DANDI_NO_ET", "1")
    from dandi.consts import known_instances
    from dandi.dandiapi import DandiAPIClient
    from dandi.exceptions import NotFoundError

    address = api_url or known_instances["dandi"].api
    try:  # the client itself tries for minutes before it gives up
        requests.head(address, timeout=20)
    except requests.RequestException as error:
        raise SourceError(
            f"the DANDI archive does not answer at {address} ({type(error).__name__}); try again or use "
            "downloaded files"
        ) from error
    try:
        with DandiAPIClient(api_url) as client:
            dandiset = client.get_dandiset(identifier, version, lazy=False)
            return [
                Asset(_stem(asset.path), asset.base_download_url, asset.size, metadata_url=asset.api_url)
                for asset in dandiset.get_assets(order="path") if asset.path.endswith(".nwb")
            ]
    except NotFoundError as error:
        raise SourceError(f"found no dandiset {identifier} in version {version or 'newest'}: {error}") from error
    except (requests.RequestException, RuntimeError) as error:
        raise SourceError(f"the DANDI archive does not answer ({error}); try again or use downloaded files") from error


def resolved(asset: Asset, timeout: float) -> Asset:
    """The asset with checksum and direct address, as the archive's metadata states them."""
    if asset.metadata_url is None:
        return asset
    answer = requests.get(asset.metadata_url, timeout=timeout)
    answer.raise_for_status()
    metadata = answer.json()
    direct = [url for url in metadata.get("contentUrl", []) if "/download" not in url]
    return replace(asset, sha256=metadata.get("digest", {}).get("dandi:sha2-256"), size=metadata.get("contentSize"),
                   location=direct[0] if direct else asset.location)


@contextlib.contextmanager
def fetched(asset: Asset, folder: str | Path | None = None, attempts: int = 3, timeout: float = 60.0,
            pause: float = 1.0) -> Iterator[Path]:
    """Download an asset, verify it, lend it, delete it: one file at a time on disk for each worker.

    Parameters: ``folder`` for the temporary file; ``timeout`` (s) without a byte after which an attempt ends;
    ``pause`` (s) before the second attempt, doubled for each further one.
    Raises `RecordingError` with code ``download_failed`` or ``download_damaged`` after the last attempt.
    """
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="recording-", dir=folder) as place:
        path = Path(place) / "recording.nwb"
        for attempt in range(1, attempts + 1):
            try:
                _download(resolved(asset, timeout), path, timeout)
                break
            except requests.RequestException as error:
                status = getattr(error.response, "status_code", None)
                gone = status is not None and 400 <= status < 500 and status not in (408, 429)
                if attempt == attempts or gone:
                    what = f"status {status}" if status else type(error).__name__
                    tries = f"after {attempt} attempt{'s' * (attempt > 1)}"
                    raise RecordingError(
                        "download_failed", f"found {what} at {asset.location} {tries}, expected the file"
                    ) from error
            except RecordingError:
                if attempt == attempts:
                    raise
            time.sleep(pause * 2 ** (attempt - 1))
        yield path


def _download(asset: Asset, path: Path, timeout: float) -> None:
    # pooch's hash knows every algorithm; its downloader neither retries nor tells damage from absence.
    from pooch import file_hash

    with requests.get(asset.location, stream=True, timeout=timeout) as answer:
        answer.raise_for_status()
        with path.open("wb") as file:
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
    size = path.stat().st_size
    if asset.size is not None and size != asset.size:
        raise RecordingError("download_damaged", f"found {size} bytes, expected {asset.size}; run again")
    if asset.sha256 is not None and (found := file_hash(str(path))) != asset.sha256:
        raise RecordingError(
            "download_damaged", f"found sha256 {found[:12]}..., expected {asset.sha256[:12]}...; run again"
        )


class Stream:
    """A binary file read over HTTP in blocks; ``error`` keeps what went wrong below HDF5, which hides it."""

    def __init__(self, url: str, block: int = STREAM_BLOCK, timeout: float = 60.0):
        import aiohttp
        import fsspec

        options = {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)}
        filesystem = fsspec.filesystem("http", client_kwargs=options, skip_instance_cache=True)
        self.error: Exception | None = None
        self._file = filesystem.open(
            url, block_size=block, cache_type="blockcache", cache_options={"maxblocks": (64 << 20) // block}
        )

    def _kept(self, call, *args):
        try:
            return call(*args)
        except Exception as error:
            self.error = error
            raise

    def read(self, n: int = -1) -> bytes:
        return self._kept(self._file.read, n)

    def readinto(self, buffer) -> int:
        data = self._kept(self._file.read, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        # The error's traceback leads to h5py's access list, which holds this stream in C where no garbage collector
        # looks. Such a circle would outlive Python, and end the process in a segmentation fault.
        self.error = None
        self._file.close()


@contextlib.contextmanager
def streamed(asset: Asset, timeout: float = 60.0) -> Iterator[Stream]:
    """An asset as a file-like object that fetches the blocks that are read.

    Raises `RecordingError` with code ``download_failed`` when it cannot be opened.
    """
    try:
        stream = Stream(resolved(asset, timeout).location, timeout=timeout)
    except Exception as error:  # aiohttp, fsspec and requests share no ancestor
        raise RecordingError(
            "download_failed", f"found {type(error).__name__} at {asset.location}, expected the file: {error}"
        ) from error
    try:
        yield stream
    finally:
        stream.close()
