"""Where recordings come from: files, folders, addresses, the DANDI archive. `downloads` fetches the remote ones."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from patchtype.recordings.reading import ENDINGS, is_zarr, stem_of
from patchtype.recordings.text import clean

DANDISET = re.compile(r"(?:DANDI:)?(?P<id>\d{6})(?:[/@](?P<version>[\w.]+))?")


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
    import requests
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
