"""The book's subcommands of ``python -m bookpress``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bookpress.binder import Line

from bookpress.finding import Finding, ordered, rows, wrong
from bookpress.project import BookError, Project, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    command = parser.prog.split()[-1]
    if command == "run":
        parser.add_argument("source", type=Path, help="notebooks/NN_name.md")
        parser.add_argument("--python", type=Path, help="run it with another interpreter's packages")
    elif command == "check-html":
        parser.add_argument("folder", type=Path, help="folder with the rendered book")
    elif command == "check-prose":
        parser.add_argument("pages", type=Path, nargs="*", help="pages; all of the book's when left out")
    elif command == "notebooks":
        parser.add_argument("--check", action="store_true", help="write nothing; fail when a pair differs")
        parser.add_argument("--quick", action="store_true", help="open with quick = True, as on Binder")
    elif command == "check-alone":
        parser.add_argument("python", type=Path, help="the interpreter whose packages the chapters find")
        parser.add_argument("chapters", nargs="*", help="chapters such as 01_data; all when left out")
    if command in ("summary", "check-html", "check-prose", "check-book"):
        parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--root", type=Path, default=Path("."), help="folder that holds _toc.yml")
    parser.set_defaults(command=command)


def main(args: argparse.Namespace) -> int:
    try:
        return COMMANDS[args.command](Project(args.root), args)
    except BookError as error:
        print(error, file=sys.stderr)
        return 1


# Each command imports what it needs when it is called: `needs` and `summary` run on every `make book`.
def _run(project: Project, args: argparse.Namespace) -> int:
    from bookpress.run import execute

    execute(project, args.source, args.python)
    return 0


def _render(project: Project, args: argparse.Namespace) -> int:
    from bookpress.render import render

    render(project)
    return 0


def _summary(project: Project, args: argparse.Namespace) -> int:
    from bookpress.provenance import run_records, run_table

    runs, first = run_records(project, project.chapters()), (project.html / "index.html").resolve()
    print(json.dumps({"runs": runs, "book": str(first)}) if args.json else f"{run_table(runs)}\nRead the book: {first}")
    return 0


def _report(found: Sequence[Finding], args: argparse.Namespace, after: str = "", **more: Any) -> int:
    """Print findings, or with ``--json`` them and what else was measured; 1 if any of them must be put right."""
    found = ordered(found)
    if args.json:
        print(json.dumps({"findings": rows(found), **more}))
    else:
        for finding in found:
            print(finding)
        print(f"{wrong(found)} findings{after}")
    return int(wrong(found) > 0)


def _needs(project: Project, args: argparse.Namespace) -> int:
    from bookpress.notebook import make_rules

    write_text(project.build / "needs.mk", make_rules(project.check()))
    return 0


def _notebooks(project: Project, args: argparse.Namespace) -> int:
    from bookpress.notebook import quicken, stale_pairs, write_pairs

    project.check()
    if args.quick:
        print(f"{len(quicken(project))} notebooks open with quick = True")
        return 0
    stale = stale_pairs(project) if args.check else write_pairs(project)
    for source in stale:
        pair = source.with_suffix(".ipynb")
        print(f"{pair} differs from {source.name}; run `make notebooks`." if args.check else f"wrote {pair}")
    return int(bool(stale) and args.check)


def _plain(read: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {page: asdict(shape) for page, shape in read.items()}


def _check_html(project: Project, args: argparse.Namespace) -> int:
    from bookpress.gate import check, weights
    from bookpress.reading import against, of_book

    toc = project.root / "_toc.yml"
    found, heavy, read = check(args.folder, toc), weights(args.folder, toc), of_book(args.folder, toc)
    if not args.json:
        for page, kilobytes in heavy.items():
            print(f"{page}: {kilobytes:,.0f} kB with what it loads, {read[page]}")
    return _report([*found, *against(project.settings, read)], args, kilobytes=heavy, reading=_plain(read))


def _check_book(project: Project, args: argparse.Namespace) -> int:
    from bookpress.browser import served, started
    from bookpress.inspection import inspect
    from bookpress.reading import against

    if not (project.html / "index.html").is_file():
        raise BookError(f"There is no book in {project.html}; `make book` builds it.")
    shots = project.build / "screenshots"
    verdicts = []
    with started() as browser, served(project.html) as site:
        for verdict in inspect(browser, site, project, shots):
            verdicts.append(verdict)
            if not args.json:
                print(verdict, flush=True)
    read = {verdict.page: verdict.reading for verdict in verdicts if verdict.reading}
    found = [*(finding for verdict in verdicts for finding in verdict.findings), *against(project.settings, read)]
    return _report(found, args, f"; pictures of every page are in {shots}", reading=_plain(read))


def _check_binder(project: Project, args: argparse.Namespace) -> int:
    from bookpress.binder import check_binder

    return _told(check_binder(project.check().root))


def _check_alone(project: Project, args: argparse.Namespace) -> int:
    from bookpress.alone import alone

    return _told(alone(project.check(), args.python, args.chapters))


def _told(lines: Iterable[Line]) -> int:
    """Print each line when it comes; 1 if any of them is wrong."""
    found = 0
    for line in lines:
        print(line, flush=True)
        found += line.wrong
    print(f"{found} findings")
    return int(found > 0)


def _offline(project: Project, args: argparse.Namespace) -> int:
    from bookpress.offline import offline

    for path in offline(project):
        print(f"{path}: {path.stat().st_size / 1e6:,.2f} MB")
    return 0


def _check_prose(project: Project, args: argparse.Namespace) -> int:
    from bookpress.prose import check_pages, default_pages

    for page in args.pages:
        if not page.is_file():
            raise BookError(f"found no file at {page}, expected a page in Markdown; check the path.")
    return _report(check_pages(args.pages or default_pages(project.check())), args)


COMMANDS = {
    "run": _run,
    "render": _render,
    "summary": _summary,
    "needs": _needs,
    "notebooks": _notebooks,
    "check-html": _check_html,
    "check-prose": _check_prose,
    "check-book": _check_book,
    "check-binder": _check_binder,
    "check-alone": _check_alone,
    "offline": _offline,
}
