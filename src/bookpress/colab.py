"""The first cell of every notebook: it makes the notebook work on Google Colab and does nothing elsewhere."""

from __future__ import annotations

from pathlib import Path

import nbformat

from bookpress.project import Project

SETUP = """\
# On Google Colab this installs the book's package and what it needs. Anywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    import subprocess

    package = "{package} @ git+{repository}@{branch}"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package], check=True)
"""


def setup_cell(root: Path) -> nbformat.NotebookNode | None:
    """The cell for the repository that ``root/_config.yml`` names and the package that the book's settings name.

    None where there is no such file or package.
    """
    project = Project(root)
    package = project.settings.package
    if not package or not (root / "_config.yml").is_file():
        return None
    repository = project.config["repository"]
    source = SETUP.format(package=package, repository=repository["url"], branch=repository["branch"]).rstrip("\n")
    return nbformat.v4.new_code_cell(source, id="setup", metadata={"tags": ["remove-cell"]})
