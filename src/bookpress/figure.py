"""Figures on rendered pages: made slim, given their size, and made to open larger.

A vector figure (SVG, as matplotlib writes it) loses its white ground, so that the style sheet can show it on a dark
page with light and dark exchanged; a bitmap keeps its paper.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from bs4 import BeautifulSoup
from PIL import Image

from bookpress.files import write_bytes, write_text

# How far (of 255) the one channel in a thousand that changes most may move when an image gets a palette.
PALETTE_ERROR = 24
#: Pixels of a style sheet in each unit that the size of an SVG may have.
PX = {"": 1.0, "px": 1.0, "pt": 96 / 72, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4}
METADATA = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
GROUND = re.compile(
    r'(<g id="(?:figure|axes)_\d+">\s*<g id="patch_\d+">\s*<path d="[^"]*"[^>]*?fill: )#ffffff', re.DOTALL
)
DRAWN = re.compile(r'(\s(?:d|x|y|points)=")([^"]*)(")')
DIGITS = re.compile(r"-?\d+\.\d{3,}")
# Text as outlines of letters, scaled from 100 units to its size in points, or as letters.
OUTLINES = re.compile(r'<g id="text_\d+">.*?scale\((\d*\.?\d+)', re.DOTALL)
LETTERS = re.compile(r"<text [^>]*?font(?:-size)?: (?:[a-z]+ |\d+ )*(\d*\.?\d+)px")


def slim(path: Path) -> bool:
    """A smaller figure in the same place where that shows no difference; whether it is smaller now."""
    return _slim_vector(path) if path.suffix == ".svg" else _slim_bitmap(path)


def _slim_vector(path: Path) -> bool:
    """Without metadata and white ground, places to a hundredth of a point."""
    text = path.read_text(encoding="utf-8")
    short = GROUND.sub(r"\1none", METADATA.sub("", text))
    short = DRAWN.sub(lambda found: found[1] + DIGITS.sub(_rounded, " ".join(found[2].split())) + found[3], short)
    if len(short) < len(text):
        write_text(path, short)
    return len(short) < len(text)


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _slim_bitmap(path: Path) -> bool:
    """With a palette of 256 colours."""
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


def size(path: Path) -> tuple[float, float] | None:
    """Width and height in px; None where the file does not say."""
    if path.suffix != ".svg":
        with Image.open(path) as opened:
            return tuple(map(float, opened.size))
    head = re.search(r"<svg\b[^>]*>", path.read_text(encoding="utf-8"))
    told = [re.search(rf'\s{side}="([\d.]+)([a-z]*)"', head[0]) if head else None for side in ("width", "height")]
    return tuple(float(one[1]) * PX[one[2]] for one in told) if all(told) else None


def least_text_px(path: Path) -> float | None:
    """Size of the smallest text of a vector figure in px, at its own width; None where it has none."""
    if path.suffix != ".svg":
        return None
    text = path.read_text(encoding="utf-8")
    points = [100 * float(scale) for scale in OUTLINES.findall(text)] + [float(told) for told in LETTERS.findall(text)]
    return min(points) * PX["pt"] if points else None


def place(page: BeautifulSoup, path: Path) -> None:
    """Tell each figure's size, so that the text does not jump when it arrives, and let it open larger.

    The link holds the figure's own width: on a phone the style sheet keeps a wide figure at a size at which its
    labels can be read, and its box scrolls sideways; the link gives that box to the keyboard.
    """
    for image in page.select("article img[src]:not([style])"):
        file = path.parent / unquote(image["src"])
        if file.suffix not in (".png", ".svg") or not file.is_file() or not (known := size(file)):
            continue
        if not image.has_attr("width"):
            image["width"], image["height"] = (f"{side:.0f}" for side in known)
        if least := least_text_px(file):
            image["data-text"] = f"{least:.2f}"
        if image.parent.name == "figure":
            image.wrap(page.new_tag("a", attrs={
                "class": "figure-open", "href": image["src"], "title": "Open this figure at full size",
                "style": f"--natural: {image['width']}px",
            }))  # fmt: skip
