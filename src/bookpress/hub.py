"""What a teacher needs to know to put the course on a hub: the link, and memory and time from the last run."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from bookpress.template import fill

#: Students for whom the memory of a hub is worked out.
CLASS_SIZE = 30


def nbgitpuller_link(hub: str, repository: str, branch: str, notebook: str) -> str:
    """A link that copies the repository into a student's home on a JupyterHub and opens a notebook.

    >>> nbgitpuller_link("https://hub.example", "https://github.com/o/n", "main", "notebooks/01_data.ipynb")
    'https://hub.example/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fo%2Fn&branch=main&urlpath=lab%2Ftree%2Fn%2Fnotebooks%2F01_data.ipynb'
    """
    name = urlsplit(repository).path.rstrip("/").rpartition("/")[2]
    asked = urlencode({"repo": repository, "branch": branch, "urlpath": f"lab/tree/{name}/{notebook}"})
    return f"{hub}/hub/user-redirect/git-pull?{asked}"


def teaching_markdown(runs: list[dict[str, Any]], repository: dict[str, str]) -> str:
    """The generated part of the instructor guide: memory per student as measured, and the hub's link.

    ``runs``: run records of the chapters; ``repository``: that of _config.yml.
    """
    notebook = "notebooks/01_data.ipynb"
    link = nbgitpuller_link("https://YOUR-HUB", repository["url"], repository.get("branch", "main"), notebook)
    most = max(runs, key=lambda run: run["peak_mb"], default=None)
    return fill("hub.md", runs=runs, most=most, students=CLASS_SIZE, link=link) + "\n"
