"""Where recordings come from: files, folders, the DANDI archive; and how a remote one is fetched or streamed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import tempfile
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from patchtype.recordings.reading import ENDINGS, is_zarr, stem_of
from patchtype.recordings.recording import RecordingError
from patchtype.recordings.text import clean

DANDISET = re.compile(r"(?:DANDI:)?(?P<id>\d{6})(?:[/@](?P<version>[\w.]+))?")
STREAM_BLOCK = 256 * 1024  # bytes; 64 to 256 kB fetch two fifths of a file for the sweeps needed
STREAM_BLOCKS = 256  # blocks that are kept, 64 MB
CHUNK = 1 << 20
TOTAL_SECONDS = 3600.0  # after which a download ends, however steadily it trickles
LARGEST = 50 << 30  # bytes of a file whose size nobody states
LARGEST_METADATA = 4 << 20
#: Ask for the bytes as they lie there: a compressed answer could expand to any size.
PLAIN = {"Accept-Encoding": "identity"}


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
    source : a file, a folder (searched for ``*.nwb`` and ``*.abf`` at any depth), an ``http(s)`` address,
        a dandiset such as ``000020/0.210913.1639`` (without a version: the newest published one), or several of these
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
        raise SourceError(f"found no recording in {clean(where)}, expected {' or '.join(ENDINGS)} files")
    return sorted(_distinct(assets), key=lambda asset: asset.cell_id)


def files_of(folder: Path) -> list[Path]:
    """The recordings of a folder at any depth, in order, by their endings; a folder of such a name is none.

    Names that begin with a dot are passed over: a running ``simulate`` writes there what is not whole yet.

    >>> files_of(Path("/nowhere"))
    []
    """
    return sorted(p for p in folder.rglob("[!.]*") if p.name.lower().endswith(ENDINGS) and p.is_file())


def _find_one(source: str, api_url: str | None) -> list[Asset]:
    if source.startswith(("http://", "https://")):
        return [Asset(stem_of(unquote(urlsplit(source).path).rstrip("/")) or "recording", source)]
    path = Path(source)
    if path.is_dir() and not is_zarr(path):
        return [Asset(stem_of(p), str(p), p.stat().st_size) for p in files_of(path)]
    dandiset = DANDISET.fullmatch(source)
    if dandiset and not path.exists():
        return _dandi(dandiset["id"], dandiset["version"], api_url)
    return [Asset(stem_of(path), source, path.stat().st_size if path.is_file() else None)]


def _distinct(assets: list[Asset]) -> list[Asset]:
    """Give files of one name an identifier each; list a file given twice once.

    Files of one name in several folders get the folders' names, files that differ in their ending get the ending, and
    names of which nothing is left but the characters of other alphabets that were cleaned away get a number.
    """
    assets = list({asset.location: asset for asset in assets}.values())
    named = [_renamed(assets, asset) for asset in assets]
    names = Counter(asset.cell_id.casefold() for asset in named)
    return [
        asset if names[asset.cell_id.casefold()] == 1
        else replace(asset, cell_id=f"{asset.cell_id}_{hashlib.sha256(os.fsencode(asset.location)).hexdigest()[:8]}")
        for asset in named
    ]


def _renamed(assets: list[Asset], asset: Asset) -> Asset:
    same = [other for other in assets if other.cell_id.casefold() == asset.cell_id.casefold()]
    if len(same) == 1:
        return asset
    folder, name = os.path.split(asset.location)
    if sum(os.path.split(other.location)[0] == folder for other in same) == len(same):
        return replace(asset, cell_id=clean(name))
    return replace(asset, cell_id=clean("__".join([*Path(folder).parts[-2:], asset.cell_id]).strip("/")))


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
                Asset(stem_of(asset.path), asset.base_download_url, asset.size, metadata_url=asset.api_url)
                for asset in dandiset.get_assets(order="path") if asset.path.endswith(".nwb")
            ]
    except NotFoundError as error:
        raise SourceError(f"found no dandiset {identifier} in version {version or 'newest'}: {error}") from error
    except (requests.RequestException, RuntimeError) as error:
        raise SourceError(f"the DANDI archive does not answer ({error}); try again or use downloaded files") from error


def resolved(asset: Asset, timeout: float) -> Asset:
    """The asset with checksum, size and direct address, as the archive's metadata state them."""
    if asset.metadata_url is None:
        return asset
    held = io.BytesIO()
    _copy(Asset(asset.cell_id, asset.metadata_url), held, timeout, timeout, LARGEST_METADATA)
    try:
        metadata = json.loads(held.getvalue())
        direct = [url for url in metadata.get("contentUrl", []) if "/download" not in url]
        size, digest = metadata.get("contentSize"), metadata.get("digest", {}).get("dandi:sha2-256")
    except (ValueError, AttributeError, TypeError) as error:
        raise RecordingError("download_damaged", f"found metadata that cannot be read at {clean(asset.metadata_url)}, "
                             "expected those of the archive; run again") from error
    return replace(asset, sha256=digest if isinstance(digest, str) else None,
                   size=size if isinstance(size, int) else asset.size, location=direct[0] if direct else asset.location)


@contextlib.contextmanager
def fetched(asset: Asset, folder: str | Path | None = None, attempts: int = 3, timeout: float = 60.0,
            pause: float = 1.0, total: float = TOTAL_SECONDS, notes: list[str] | None = None) -> Iterator[Path]:
    """Download an asset, verify it, lend it, delete it: one file at a time on disk for each worker.

    Parameters: ``folder`` for the temporary file; ``timeout`` (s) without a byte after which an attempt ends;
    ``total`` (s) after which it ends in any case; ``pause`` (s) before the second attempt, doubled for each further
    one; ``notes`` gets a sentence where there was no checksum to compare with.
    Raises `RecordingError` with code ``download_failed`` or ``download_damaged`` after the last attempt.
    """
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="recording-", dir=folder) as place:
        path = Path(place) / "recording"
        for attempt in range(1, attempts + 1):
            try:
                found = resolved(asset, timeout)
                _download(found, path, timeout, total)
                break
            except requests.RequestException as error:
                status = getattr(error.response, "status_code", None)
                gone = status is not None and 400 <= status < 500 and status not in (408, 429)
                if attempt == attempts or gone:
                    what = f"status {status}" if status else type(error).__name__
                    tries = f"after {attempt} attempt{'s' * (attempt > 1)}"
                    raise RecordingError(
                        "download_failed", f"found {what} at {clean(asset.location)} {tries}, expected the file"
                    ) from error
            except RecordingError:
                if attempt == attempts:
                    raise
            time.sleep(pause * 2 ** (attempt - 1))
        if found.sha256 is None and notes is not None:
            notes.append("no checksum was stated for the file, so the download could not be compared with one")
        yield path


def _download(asset: Asset, path: Path, timeout: float, total: float) -> None:
    with path.open("wb") as file:
        size, digest = _copy(asset, file, timeout, total, LARGEST if asset.size is None else asset.size)
    if asset.size is not None and size != asset.size:
        raise RecordingError("download_damaged", f"found {size} bytes, expected {asset.size}; run again")
    if asset.sha256 is not None and digest != asset.sha256:
        raise RecordingError(
            "download_damaged", f"found sha256 {digest[:12]}..., expected {asset.sha256[:12]}...; run again"
        )


def _copy(asset: Asset, file, timeout: float, total: float, most: int) -> tuple[int, str]:
    """Write what an address gives; size and sha256 of it. Ends at ``most`` bytes and after ``total`` seconds."""
    begun, size, digest = time.monotonic(), 0, hashlib.sha256()
    with requests.get(asset.location, stream=True, timeout=timeout, headers=PLAIN) as answer:
        answer.raise_for_status()
        _plain(answer)
        for chunk in _chunks(answer):
            size += len(chunk)
            digest.update(chunk)
            if size > most:
                raise RecordingError("download_damaged", f"found more than {most} bytes at {clean(asset.location)}, "
                                     f"expected {'at most ' * (asset.size is None)}{most}; run again")
            if time.monotonic() - begun > total:
                raise RecordingError("download_failed", f"found {size} bytes of {clean(asset.location)} after "
                                     f"{total:g} s, expected the whole file; run again, or download it by other means")
            file.write(chunk)
    return size, digest.hexdigest()


def _plain(answer: requests.Response) -> None:
    if (how := answer.headers.get("Content-Encoding", "identity").lower()) not in ("", "identity"):
        raise RecordingError("download_failed", f"found an answer compressed by {clean(how)} at {clean(answer.url)}, "
                             "expected the file as it is; download it by other means")


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    """The body as it comes: a server that trickles is heard byte by byte, so that clocks can stop it."""
    try:
        while chunk := answer.raw.read1(CHUNK, decode_content=False):
            yield chunk
        if answer.raw.length_remaining:
            raise requests.exceptions.ChunkedEncodingError(f"{answer.raw.length_remaining} bytes are missing")
    except urllib3.exceptions.TimeoutError as error:
        raise requests.exceptions.ReadTimeout(error) from error
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error


class Stream(io.RawIOBase):
    """A binary file read over HTTP in blocks, all of one version of it.

    The first answer's size and entity tag (or date) hold for all others; a file that changes meanwhile is refused.
    ``error`` keeps what went wrong below HDF5, which hides it.
    """

    def __init__(self, asset: Asset, block: int = STREAM_BLOCK, timeout: float = 60.0, attempts: int = 3,
                 pause: float = 1.0):
        super().__init__()
        self.asset, self.block, self.timeout, self.attempts, self.pause = asset, block, timeout, attempts, pause
        self.error: Exception | None = None
        self._session, self._blocks, self._at = requests.Session(), OrderedDict(), 0
        self._version: tuple[str, int] | None = None
        self._get(0)

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self._version[1]

    def verified(self) -> bool:
        """Compare with the checksum where one is known and every block is still there; whether that was so.

        Raises `RecordingError` where they differ.
        """
        if self.asset.sha256 is None or len(self._blocks) * self.block < self.size:
            return False
        digest = hashlib.sha256()
        for number in sorted(self._blocks):
            digest.update(self._blocks[number])
        if digest.hexdigest() != self.asset.sha256:
            raise RecordingError("download_damaged", f"found sha256 {digest.hexdigest()[:12]}..., expected "
                                 f"{self.asset.sha256[:12]}...; run again")
        return True

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer) -> int:
        n = max(0, min(len(buffer), self.size - self._at))
        done = 0
        while done < n:
            number, inside = divmod(self._at, self.block)
            part = self._get(number)[inside:inside + n - done]
            buffer[done:done + len(part)] = part
            done += len(part)
            self._at += len(part)
        return done

    def close(self) -> None:
        # The error's traceback leads to h5py's access list, which holds this stream in C where no garbage collector
        # looks. Such a circle would outlive Python, and end the process in a segmentation fault.
        self.error = None
        self._session.close()
        super().close()

    def _get(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        try:
            self._blocks[number] = self._fetch(number)
        except Exception as error:
            self.error = error
            raise
        if len(self._blocks) > STREAM_BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[number]

    def _fetch(self, number: int) -> bytes:
        for attempt in range(1, self.attempts + 1):
            try:
                return self._asked(number)
            except requests.RequestException as error:
                status = getattr(error.response, "status_code", 503)
                if attempt == self.attempts or (400 <= status < 500 and status not in (408, 429)):
                    raise
            time.sleep(self.pause * 2 ** (attempt - 1))
        raise AssertionError("unreachable")

    def _asked(self, number: int) -> bytes:
        first = number * self.block
        most = self.block if self._version is None else min(self.block, self.size - first)
        asked = PLAIN | {"Range": f"bytes={first}-{first + most - 1}"}
        where = clean(self.asset.location)
        with self._session.get(self.asset.location, stream=True, timeout=self.timeout, headers=asked) as answer:
            answer.raise_for_status()
            _plain(answer)
            stated = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("Content-Range", ""))
            if answer.status_code != 206 or not stated or int(stated[1]) != first:
                raise RecordingError("download_failed", f"found that {where} does not come in parts, expected a server "
                                     "that sends ranges; leave out --stream")
            version = answer.headers.get("ETag") or answer.headers.get("Last-Modified", ""), int(stated[3])
            if self._version not in (None, version) or self.asset.size not in (None, version[1]):
                raise RecordingError("download_damaged", f"found that {where} changed while it was read, expected one "
                                     "version of it; run again")
            self._version = version
            due, body = int(stated[2]) + 1 - first, bytearray()
            for chunk in _chunks(answer):
                body += chunk
                if len(body) > due:
                    break
            if len(body) != due or due > most:
                raise requests.exceptions.ChunkedEncodingError(f"found {len(body)} bytes, expected {due}")
            return bytes(body)


@contextlib.contextmanager
def streamed(asset: Asset, timeout: float = 60.0, attempts: int = 3, pause: float = 1.0) -> Iterator[Stream]:
    """An asset as a file-like object that fetches the blocks that are read.

    Raises `RecordingError` with code ``download_failed`` when it cannot be opened.
    """
    try:
        stream = Stream(resolved(asset, timeout), timeout=timeout, attempts=attempts, pause=pause)
    except requests.RequestException as error:
        status = getattr(error.response, "status_code", None)
        what = f"status {status}" if status else type(error).__name__
        raise RecordingError("download_failed", f"found {what} at {clean(asset.location)}, expected the file"
                             ) from error
    with contextlib.closing(stream):
        yield stream
