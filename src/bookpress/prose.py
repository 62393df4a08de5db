"""Find result numbers typed into the prose. A result comes through glue, from the cell that made it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bookpress.finding import Finding
from bookpress.project import Project

# Directives whose body is prose; of every other fence the whole body is skipped.
PROSE_DIRECTIVE = re.compile(
    "admonition|attention|caution|danger|dropdown|epigraph|error|exercise|exercise-start|figure|glossary|"
    "grid|grid-item|grid-item-card|card|hint|important|list-table|margin|note|seealso|sidebar|solution|"
    "solution-start|tab-item|tab-set|table|tip|topic|warning"
)
FENCE = re.compile(r"^(\s*(?:[-*+]\s+)?)(`{3,}|~{3,}|:{3,})\s*(\{([\w-]+)\})?(.*)$")
OPTION = re.compile(r"^\s*:[\w-]+:(?:\s.*)?$")

NUMBER = r"[-+−±~≈<>≤≥]?\s?(?:\d{1,3}(?:[,\u202f\u00a0]\d{3})+|\d+)(?:\.\d+)?"
UNIT = (
    "(?:[pn]A|mV|[munµμ]?s|[kM]?Hz|[kMG]Ω|°C|[muµμn]m|[pn]F|[kMGT]B|bits?|"
    "seconds?|min(?:utes?)?|h(?:ours?)?|days?|weeks?)(?![A-Za-z])"
)
RANGE = rf"{NUMBER}(?:\s*(?:–|—|-|/|×|,|to|and|or)\s*{NUMBER})*"

# What may stand in prose, cut out before the search; each with what it is.
ALLOWED = [
    re.compile(r"<!--.*?-->", re.DOTALL),  # comment
    re.compile(r"\$\$.*?\$\$", re.DOTALL),  # display maths
    re.compile(r"(?<![\\$])\$(?!\s)[^$\n]+?(?<!\s)\$"),  # inline maths
    re.compile(r"\{[\w:+.-]+\}(`+).+?\1", re.DOTALL),  # role: glue, citation, reference
    re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL),  # inline code
    re.compile(r"(?<=\])\([^()\s]*(?:\([^()]*\)[^()\s]*)*(?:\s+\"[^\"]*\")?\)"),  # target of a link
    re.compile(r"<?\bhttps?://[^\s>)]+>?|\bdoi:\S+|\b10\.\d{4,}/\S+", re.IGNORECASE),  # address
    re.compile(r"^\([\w:.-]+\)=\s*$", re.MULTILINE),  # label
    re.compile(r"\[[^\]\s]*@[^\]]+\]|\[\^[^\]]+\]"),  # citation key, footnote mark
    re.compile(r"</?[A-Za-z][^>\n]*>"),  # HTML tag
    re.compile(r"^\s*\d+[.)]\s", re.MULTILINE),  # number of a list item
    re.compile(r"\barXiv:\s?\d{4}\.\d{4,5}(?:v\d+)?", re.IGNORECASE),
    re.compile(r"\b(?:version|Python|NWB|v)\s?\d+(?:\.\d+)*\b"),
    re.compile(r"\b\d{4}-\d{2}-\d{2}\b|\b(?:1[89]|20)\d{2}\b(?![.,]?\d|\s?%)"),  # date, year
    re.compile(r"\b0\d{5}\b"),  # archive number, such as DANDI's
    re.compile(rf"{RANGE}[\s\u00a0\u202f-]?{UNIT}"),  # quantity of the protocol
]
RESULT = re.compile(
    r"(?<![\w.,])(?:\d+(?:[.,]\d+)*\s?%|\d+(?:[.,]\d+)*\spercent\b"  # percentage
    r"|\d{1,3}(?:[,\u202f\u00a0]\d{3})+(?:\.\d+)?"  # with separators of thousands
    r"|\d*\.\d+|\d{3,})(?![\w])"  # decimal; hundred or more
)


def default_pages(project: Project) -> list[Path]:
    """The pages that are written by hand: ``book/*.md`` and the notebooks' sources."""
    return [*sorted((project.root / "book").glob("*.md")),
        *sorted((project.root / "book" / "teaching").glob("*.md")),
        *sorted(project.notebooks.glob("[0-9]*.md"))]


def check_pages(pages: Iterable[Path]) -> list[Finding]:
    """Numbers typed into the prose of each page, in order."""
    return [
        Finding(f"{page}:{line}", f"{number!r} is typed; glue it from the cell that computes it.", "prose")
        for page in pages
        for line, number in typed_numbers(page.read_text(encoding="utf-8"))
    ]


def typed_numbers(text: str) -> list[tuple[int, str]]:
    """Line (from 1) and text of every result number typed into the Markdown ``text``.

    A result number is a decimal, a percentage, a whole number of 100 or more, or one with separators of
    thousands. Code, maths, roles, options, addresses, years and quantities with a unit are let pass.

    >>> typed_numbers("Mean accuracy was 0.83 for steps of 0.5 s.")
    [(1, '0.83')]
    """
    prose = _prose(text)
    for pattern in ALLOWED:
        prose = pattern.sub(_blank, prose)
    return [(prose.count("\n", 0, match.start()) + 1, match.group()) for match in RESULT.finditer(prose)]


def _blank(match: re.Match[str]) -> str:
    """Something of the same number of lines that joins nothing."""
    return " " + "\n" * match.group().count("\n") + " "


def _prose(text: str) -> str:
    """``text`` with its head, code and options emptied, line by line."""
    lines = text.split("\n")
    kept: list[str] = []
    fences: list[tuple[str, bool]] = []  # open fences, innermost last, and whether their body is prose
    head = lines[0] == "---"
    options = False  # the lines just below a directive's opening
    for number, line in enumerate(lines):
        match = FENCE.match(line)
        if head:
            head = number == 0 or line != "---"
            kept.append("")
        elif (
            fences and match and not match[3] and not match[5].strip() and match[2].startswith(fences[-1][0])
        ):
            fences.pop()
            kept.append("")
        elif match and all(prose for _, prose in fences):
            name = match[4]
            prose = bool(PROSE_DIRECTIVE.fullmatch(name or "")) if match[3] else match[2].startswith(":")
            fences.append((match[2], prose))
            # A figure's argument is a file; a note's is its title.
            kept.append(match[5] if prose and name != "figure" else "")
            options = True
            continue
        elif not all(prose for _, prose in fences) or (options and OPTION.match(line)):
            kept.append("")
            continue
        else:
            kept.append(line)
        options = False
    return "\n".join(kept)
