"""The library from its wheel, in an environment where nothing else is: it is small, and it answers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

#: The most that the environment may weigh, with the bytecode that Python makes of it.
MEGABYTES = 600
FIELD = Path(__file__).parents[2] / "shared" / "field" / "recordings"


def python(version: str) -> Path | None:
    """An interpreter of this version, if one that runs is found on the path or beside the others of pyenv."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    pyenv = sorted(map(str, root.glob(f"versions/{version}.*/bin/python{version}")))
    for place in (f"python{version}", *pyenv):
        try:
            done = subprocess.run([place, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True)
        except OSError:
            continue
        if done.returncode == 0:
            return Path(done.stdout.strip())
    return None


def newest() -> str:
    found = [f"3.{minor}" for minor in (13, 12) if python(f"3.{minor}")]
    return found[0] if found else "3.11"


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory) -> Path:
    folder, copy = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("copy")
    for name in ("src", "science"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, copy)
    words = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, copy]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)
    (path,) = folder.glob("patchtype-*.whl")
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    subprocess.run([sys.executable, "-m", "patchtype", "simulate", "--cells", "2", "--out", folder], check=True,
                   capture_output=True)
    return sorted(folder.glob("*.nwb"))[0]


def versions() -> list[str]:
    """3.11 and the newest other one with ``WHEEL_PYTHONS=all``, as `make check-wheel` says; else the newest alone."""
    return ["3.11", newest()] if os.environ.get("WHEEL_PYTHONS") == "all" else [newest()]


@pytest.mark.parametrize("version", versions())
def test_the_wheel_installs_alone_is_small_and_classifies(version, wheel, recording, tmp_path, capfd):
    interpreter = python(version)
    if interpreter is None:
        pytest.skip(f"no Python {version} here")
    subprocess.run([interpreter, "-m", "venv", tmp_path / "venv"], check=True)
    own = tmp_path / "venv" / "bin"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(*words) -> str:
        done = subprocess.run(list(map(str, words)), cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(own / "pip", "install", "-q", wheel)
    assert run(own / "pip", "check").strip() == "No broken requirements found."
    sizes, bytecode = {}, 0
    for file in (tmp_path / "venv").glob("lib/python*/site-packages/**/*"):
        if file.suffix == ".pyc":
            bytecode += file.lstat().st_size
        elif file.is_file():
            name = file.parts[file.parts.index("site-packages") + 1]
            sizes[name] = sizes.get(name, 0) + file.lstat().st_size
    total = sum(sizes.values()) / 1e6
    largest = ", ".join(f"{name} {sizes[name] / 1e6:,.0f}" for name in sorted(sizes, key=sizes.get, reverse=True)[:6])
    with capfd.disabled():
        print(f"\nPython {version}: {total:,.0f} MB, the largest {largest}; "
              f"and {bytecode / 1e6:,.0f} MB of bytecode that Python makes of it")
    assert total + bytecode / 1e6 < MEGABYTES
    assert not {"torch", "dandi", "arbor", "numba", "dask", "sphinx"} & set(sizes)

    assert re.fullmatch(r"patchtype \d+\.\d+\.\d+\n", run(own / "patchtype", "--version"))
    answer = run(own / "patchtype", "classify", "--no-reference", recording, "--out", tmp_path / "out")
    assert re.search(r"\b(Lamp5|Pvalb|Sncg|Sst|Vip)\b", answer)
    assert len(list((tmp_path / "out").glob("*.html"))) == 1
    code = "from patchtype.settings import science_folder; print(len(list(science_folder().glob('*.parquet'))))"
    assert int(run(own / "python", "-c", code)) > 10

    field = sorted(FIELD.glob("*fsi.abf"))
    with capfd.disabled():
        print("a fast-spiking cell of another laboratory:" if field else "no recordings of other laboratories here")
        for path in field:
            print(run(own / "patchtype", "classify", "--no-reference", "--species", "mouse", path,
                      "--out", tmp_path / "field").splitlines()[0])
