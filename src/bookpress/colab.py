"""The first cell of every notebook: it makes the notebook work on Google Colab and does nothing elsewhere."""

from __future__ import annotations

from pathlib import Path

import nbformat
import yaml

SETUP = """\
# On Google Colab this installs the book's package and what it needs. Anywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    import subprocess

    package = "{package} @ git+{repository}@{branch}"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package], check=True)
"""
#: The package with the extra that holds what the chapters import; what of it Colab has already, stays.
PACKAGE = "patchtype[notebooks]"


def setup_cell(root: Path) -> nbformat.NotebookNode | None:
    """The cell for the repository that ``root/_config.yml`` names; None where there is no such file."""
    config = root / "_config.yml"
    if not config.is_file():
        return None
    repository = yaml.safe_load(config.read_text(encoding="utf-8"))["repository"]
    source = SETUP.format(package=PACKAGE, repository=repository["url"], branch=repository["branch"]).rstrip("\n")
    return nbformat.v4.new_code_cell(source, id="setup", metadata={"tags": ["remove-cell"]})
