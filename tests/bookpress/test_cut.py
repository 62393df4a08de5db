"""With the network cut there is one sentence, and no book: neither for a reader nor for what publishes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import write_book

CUT = ["unshare", "--map-root-user", "--net"]


@pytest.mark.parametrize("command", ["make book", "bash .ci/run"])
def test_with_the_network_cut_nothing_is_built_and_nothing_handed_on(root, tmp_path, command):
    """``.ci/run`` is what the workflows run before they publish or release; both get an empty cache, and no tables."""
    if not shutil.which("unshare") or subprocess.run([*CUT, "true"], capture_output=True).returncode:
        pytest.skip("unshare cannot cut the network here")
    folder = tmp_path / "deep" / "book"
    folder.mkdir(parents=True)
    book = write_book(folder, root)
    shutil.copytree(root / ".ci", folder / ".ci")
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (folder / ".venv" / ".ready").touch()
    ours = ("HELPERS_", "MAKE", "MFLAGS")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    environment |= {"PYTHONPATH": str(folder / "src"), "HELPERS_COHORT": "published"}
    environment |= {"HELPERS_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([*CUT, *command.split()], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    (told,) = [line for line in done.stderr.splitlines() if not line.startswith(("make", "Downloading"))]
    assert told.startswith("No data: mouse_efeature.csv is not in a data folder and could not be downloaded from http")
    assert told.endswith("or set HELPERS_DATA to a folder that holds the file")
    assert done.stdout == ""
    assert not book.project.build.exists()
