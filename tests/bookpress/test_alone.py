"""A chapter that runs alone is one that finds nothing of the repository."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from bookpress import alone as module
from bookpress.alone import alone
from bookpress.project import Project

from .conftest import chapter

pytestmark = pytest.mark.slow


def test_each_chapter_finds_its_own_source_and_the_other_python(tmp_path, monkeypatch):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    python = tmp_path / "other" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "other"], check=True)
    (folder,) = (tmp_path / "other").glob("lib/python*/site-packages")
    (folder / "lent.pth").write_text(sysconfig.get_path("purelib"))
    see = "import os, sys; from pathlib import Path; assert quick and 'PYTHONPATH' not in os.environ; " \
          "found = sorted(path.name for path in Path.cwd().iterdir()); " \
          f"assert (found, sys.executable) == (['01_one.md'], {str(python)!r}), found"
    (notebooks / "01_one.md").write_text(chapter("One", see))
    (notebooks / "02_two.md").write_text(chapter("Two", "raise ValueError('lost')"))
    monkeypatch.setenv("PYTHONPATH", str(Path(module.__file__).parents[1]))
    monkeypatch.chdir(tmp_path)  # a path is relative to where the command is called
    one, two = alone(Project(tmp_path), python.relative_to(tmp_path))
    assert not one.wrong, one
    assert one.what.startswith("01_one: ") and one.what.endswith(" MB, published cells")
    assert two.wrong and "02_two fails: " in two.what and "ValueError: lost" in two.what
    monkeypatch.setattr(module, "SECONDS", 0)
    (notebooks / "02_two.md").unlink()
    (one,) = alone(Project(tmp_path), python)
    assert one.wrong and "over 0 s or 2,048 MB, make its quick run smaller" in one.what
