"""A remote recording on this machine: downloaded whole and verified, or read over HTTP in blocks."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import requests
import urllib3

from patchtype.recordings.recording import RecordingError
from patchtype.recordings.sources import Asset
from patchtype.recordings.text import clean

STREAM_BLOCK = 256 * 1024  # bytes; 64 to 256 kB fetch two fifths of a file for the sweeps needed
STREAM_BLOCKS = 256  # blocks that are kept, 64 MB
CHUNK = 1 << 20
TOTAL_SECONDS = 3600.0  # after which a download ends, however steadily it trickles
LARGEST = 50 << 30  # bytes of a file whose size nobody states
LARGEST_METADATA = 4 << 20
#: Ask for the bytes as they lie there: a compressed answer could expand to any size.
PLAIN = {"Accept-Encoding": "identity"}


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
