"""A chapter runs to its end on the package's simulated cells, on a machine that has nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import nbformat
import pytest


@pytest.mark.slow
def test_a_chapter_runs_on_the_embedded_cells_without_data_or_network(root, tmp_path):
    for name in ("notebooks", "_toc.yml"):
        source, target = root / name, tmp_path / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    nothing = {name: value for name, value in os.environ.items() if not name.startswith("HELPERS_")}
    nothing |= {"HELPERS_CACHE": str(tmp_path / "cache"), "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-m", "bookpress", "run", "notebooks/02_quality_control.md"],
        cwd=tmp_path, env=nothing | {"HELPERS_COHORT": "simulated", "HELPERS_QUICK": "1"},
        capture_output=True, text=True, timeout=300, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    built = tmp_path / "_build"
    assert json.loads((built / "runs" / "02_quality_control.json").read_text())["cohort"] == "simulated"
    results = json.loads((built / "results" / "02_quality_control.json").read_text())["results"]
    assert {row["cohort"] for row in results.values()} == {"simulated"}
    assert results["mouse_table"]["value"] > results["mouse_cells"]["value"] > 100
    notebook = nbformat.read(built / "executed" / "notebooks" / "02_quality_control.ipynb", as_version=4)
    shown = str([cell.get("outputs") for cell in notebook.cells])
    assert "simulated cells, no real neurons" in shown
