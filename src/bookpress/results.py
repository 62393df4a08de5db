"""Merge what each notebook recorded into the one list of results that the pages read."""

from __future__ import annotations

from typing import Any

from bookpress.project import BookError, Project, read_json, write_json

Rows = dict[str, dict[str, Any]]


def merge(project: Project, names: list[str]) -> Rows:
    """Results of the named notebooks by key, each row with its ``notebook``; also in ``_build/results.json``.

    Raises BookError, and leaves the old file alone, when a file is not of the agreed shape or when two
    notebooks record the same key.
    """
    merged: Rows = {}
    for name in names:
        path = project.results / f"{name}.json"
        if not path.is_file():
            continue
        content = read_json(path)
        rows = content.get("results") if isinstance(content, dict) else None
        if not isinstance(rows, dict) or content.get("notebook") != name:
            raise BookError(f"{path} must hold the notebook {name!r} and its results; run `make book` again.")
        for key, row in rows.items():
            if not isinstance(row, dict) or "value" not in row or "cohort" not in row:
                raise BookError(
                    f"{path}: result {key!r} has no value or cohort; record both."
                )
            if key in merged:
                raise BookError(
                    f"Result {key!r} is in both {merged[key]['notebook']} and {name}; rename one."
                )
            merged[key] = {**row, "notebook": name}
    write_json(project.build / "results.json", merged)
    return merged


def ledger(project: Project, results: Rows) -> str:
    """The ledger as Markdown, by the function that the book's settings name; one sentence where they name none."""
    write = project.settings.call("ledger")
    return write(results) if write else "No result has been recorded yet.\n"
