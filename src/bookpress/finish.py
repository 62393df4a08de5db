"""The last touches to rendered pages: what the theme leaves heavy, unnamed or unsaid is put right here."""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from bs4 import BeautifulSoup, Tag
from PIL import Image

from bookpress.files import write_bytes
from bookpress.project import BookError, Project, write_text
from bookpress.provenance import commit_words, data_fingerprint, revision, run_records, versions
from bookpress.template import fill

ICONS = "_static/scripts/fontawesome.js"
# How far (of 255) the one channel in a thousand that changes most may move when an image gets a palette.
PALETTE_ERROR = 24
STYLES = {"fa-solid": "fa-solid", "fas": "fa-solid", "fa-brands": "fa-brands", "fab": "fa-brands"}


def finish(project: Project, folder: Path) -> None:
    """Change the rendered book at ``folder`` in place.

    Icons become part of the page, so that no script of 1.5 MB has to bring them; buttons, tables and landmarks
    get what a screen reader needs; each page says how it was made; images get a palette, and figures a link to
    their full size; moved pages a pointer.
    """
    for path in (folder / "_images").glob("*.png"):
        shrink(path)
    icons = Icons(folder / ICONS)
    blocks = provenance_blocks(project)
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name.startswith("_static/"):
            continue
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "lxml")
        icons.draw(page)
        mend(page)
        _reserve_room(page, path)
        open_figures(page)
        if name in blocks and (article := page.select_one("article.bd-article")):
            article.append(BeautifulSoup(blocks[name], "html.parser"))
        write_text(path, str(page))
    for path in [*(folder / "_static").rglob("*.map"), folder / ICONS]:
        path.unlink(missing_ok=True)
    redirect(project, folder)


class Icons:
    """The theme's icon library, from which each page takes the few outlines that it shows."""

    def __init__(self, script: Path):
        text = script.read_text(encoding="utf-8") if script.is_file() else ""
        # Three runs of outlines, each closed by the name of its style.
        ends = [(name, text.find(f'"{name}",p)')) for name in ("fa-brands", "fa-regular", "fa-solid")]
        starts = [0, *(end for _, end in ends[:-1])]
        self._runs = {name: text[start:end] for (name, end), start in zip(ends, starts, strict=True) if end > 0}

    def outline(self, style: str, name: str) -> tuple[str, str, str] | None:
        """Width, height and path of an icon; None where the library has no such icon."""
        pattern = rf'[{{,]"?{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]'
        found = re.search(pattern, self._runs.get(style, ""))
        return found.groups() if found else None

    def draw(self, page: BeautifulSoup) -> None:
        """Put the outline in the place of each ``<i class="fa-solid fa-x">`` and drop the library's script.

        BookError names an icon that the library does not have.
        """
        scripts = [tag for tag in page.find_all("script", src=True) if "fontawesome" in tag["src"]]
        if not scripts:
            return
        for tag in page.find_all(["i", "span"], class_=list(STYLES)):
            classes = tag["class"]
            style = next(STYLES[name] for name in classes if name in STYLES)
            names = [name[3:] for name in classes if name.startswith("fa-") and name not in STYLES]
            drawn = next(filter(None, (self.outline(style, name) for name in names)), None)
            if drawn is None:
                raise BookError(f"The theme's library has no icon {' '.join(classes)!r}; correct its name.")
            width, height, path = drawn
            svg = page.new_tag("svg", attrs={
                "class": ["book-icon", *classes], "viewBox": f"0 0 {width} {height}",
                "aria-hidden": "true", "focusable": "false",
                **{key: value for key, value in tag.attrs.items() if key.startswith("data-")},
            })  # fmt: skip
            svg.append(page.new_tag("path", attrs={"fill": "currentColor", "d": path}))
            tag.replace_with(svg)
        for tag in scripts:
            tag.decompose()


def mend(page: BeautifulSoup) -> None:
    """Names, roles and headers that assistive technology needs and the theme or pandas does not give."""
    for extra in page.select("meta[name=viewport]")[1:]:
        extra.decompose()
    for button in page.select("button[aria-label], summary[aria-label]"):  # what is read aloud must hold what is seen
        if button.get_text(strip=True):
            del button["aria-label"]
    for button in page.select("button[title]:not([aria-label])"):
        if not button.get_text(strip=True):
            button["aria-label"] = button["title"]
    for part in page.select(".sidebar-primary-items__start"):
        part["role"], part["aria-label"] = "navigation", "Book"
    for table in page.select("article table"):
        _mend_table(table)
    for listing in page.select("[role=doc-biblioentry], [role=list].citation-list, [role=doc-bibliography]"):
        del listing["role"]  # docutils gives roles that do not fit their children


def _mend_table(table: Tag) -> None:
    for cell in table.select("thead th"):
        if cell.get_text(strip=True):
            cell["scope"] = cell.get("scope", "colgroup" if int(cell.get("colspan", 1)) > 1 else "col")
        else:
            cell.name = "td"  # the corner above an index without a name is no header
    for cell in table.select("tbody th"):
        cell["scope"] = cell.get("scope", "row")


def _reserve_room(page: BeautifulSoup, path: Path) -> None:
    """Say each figure's size, so that the text does not jump when it arrives."""
    for image in page.select("article img[src$='.png']:not([width]):not([style])"):
        file = path.parent / unquote(image["src"])
        if file.is_file():
            with Image.open(file) as opened:
                image["width"], image["height"] = map(str, opened.size)


def open_figures(page: BeautifulSoup) -> None:
    """Make each figure of known size a link to its own file, which the style sheet lets scroll on a phone.

    There a wide figure keeps a size at which its labels can be read, and its box scrolls sideways; the link gives
    that box to the keyboard, and opens the figure at full size.
    """
    for image in page.select("article figure > img[width][src$='.png']"):
        link = page.new_tag("a", attrs={
            "class": "figure-open", "href": image["src"], "title": "Open this figure at full size",
            "style": f"--natural: {image['width']}px",
        })  # fmt: skip
        image.wrap(link)


def shrink(path: Path) -> bool:
    """Give a PNG a palette of 256 colours where that shows no difference and saves room; whether it did."""
    with Image.open(path) as image:
        full = image.convert("RGBA")
    if full.getchannel("A").getextrema()[0] == 255:
        full = full.convert("RGB")
    small = full.quantize(256, method=Image.Quantize.MEDIANCUT if full.mode == "RGB" else Image.Quantize.FASTOCTREE,
                          kmeans=1 if full.mode == "RGB" else 0, dither=Image.Dither.NONE)  # fmt: skip
    moved = np.abs(np.asarray(small.convert(full.mode), dtype=int) - np.asarray(full, dtype=int))
    if np.quantile(moved, 0.999) > PALETTE_ERROR:
        return False
    packed = io.BytesIO()
    small.save(packed, "PNG", optimize=True)
    if packed.tell() >= path.stat().st_size:
        return False
    write_bytes(path, packed.getvalue())
    return True


def provenance_blocks(project: Project) -> dict[str, str]:
    """For each page of the table of contents the folded block that says how it was made, as HTML."""
    runs = {f"notebooks/{run['notebook']}": run for run in run_records(project, project.chapters())}
    here = revision(project.root)
    common = [
        ("Rendered from commit", commit_words(**here).replace("`", "")),
        ("Data registry", data_fingerprint(project)),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions(project).items())),
    ]
    rows = {page: [*_run_rows(runs.get(page)), *common] for page in project.pages()}
    return {page: fill("provenance.html", rows=told) for page, told in rows.items()}


def _run_rows(run: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if run is None:
        return
    yield "Run from commit", commit_words(run["commit"], run["dirty"]).replace("`", "")
    yield "Run finished", run["finished"]
    yield "Run took", f"{run['wall_s']:.0f} s, at most {run['peak_mb']:,} MB"
    yield "Parameters", f"cohort {run['cohort']}, {'quick, ' * run['quick']}seed {run['seed']}"


def redirects(project: Project) -> dict[str, str]:
    """Old page to new page, from ``assets/redirects.toml``; empty where there is no such file.

    BookError when an entry is not two paths of pages, or points from a page that exists.
    """
    path = project.root / "assets" / "redirects.toml"
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("moved", {})
    except tomllib.TOMLDecodeError as error:
        raise BookError(f"{path} is not TOML: {error}") from error
    pages = {f"{page}.html" for page in project.pages()}
    for old, new in table.items():
        if not old.endswith(".html") or old.startswith(("/", "..")) or "//" in old:
            raise BookError(f"{path}: {old!r} is not a page; write it like \"notebooks/01_old.html\".")
        if old in pages:
            raise BookError(f"{path}: {old!r} is a page of _toc.yml and cannot have moved; remove the entry.")
        if new not in pages:
            raise BookError(f"{path}: {old!r} moves to {new!r}, which is not a page of _toc.yml.")
    return table


def redirect(project: Project, folder: Path) -> None:
    """Leave a page that points on at each address that has moved."""
    for old, new in redirects(project).items():
        path = "../" * old.count("/") + new
        write_text(folder / old, fill("moved.html", path=path, canonical=project.home + new))
