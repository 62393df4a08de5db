"""The first cell of every notebook: it makes the notebook work on Google Colab and does nothing elsewhere."""

from __future__ import annotations

from pathlib import Path

import nbformat

from bookpress.project import Project

# Colab has numpy, torch, pandas and the like. The package goes in without its pins: they would replace
# half of Colab's environment, and the session would have to be restarted.
SETUP = """\
# On Google Colab this installs the book's package and what it needs. Anywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    import subprocess

    pip = [sys.executable, "-m", "pip", "install", "-q"]
    subprocess.run([*pip, {wanted}], check=True)
    subprocess.run(
        [*pip, "--no-deps", "--ignore-requires-python", "allensdk", "ipfx", "git+{repository}@{branch}"], check=True
    )
"""
#: What the chapters import and Colab lacks, or had not at some time.
WANTED = (
    "argschema", "arbor", "dandi", "h5py", "imbalanced-learn", "myst-nb", "pandera[pandas]", "pooch", "pyarrow",
    "pynwb", "safetensors", "simplejson", "SimpleITK", "umap-learn",
)  # fmt: skip


def setup_cell(root: Path) -> nbformat.NotebookNode | None:
    """The cell for the repository that ``root/_config.yml`` names; None where there is no such file."""
    if not (root / "_config.yml").is_file():
        return None
    repository = Project(root).config["repository"]
    wanted = ", ".join(f'"{name}"' for name in WANTED)
    source = SETUP.format(wanted=wanted, repository=repository["url"], branch=repository["branch"]).rstrip("\n")
    return nbformat.v4.new_code_cell(source, id="setup", metadata={"tags": ["remove-cell"]})
