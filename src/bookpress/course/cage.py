"""Where a student's code runs: what of the machine it sees, and how everything it started is ended.

With bubblewrap (Linux) it has no network, no process but its own, no file but Python, the book's packages and the
tables, and nothing it leaves outlives it. Elsewhere there are only limits: `isolated` says which.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bookpress.project import Settings

#: Where a run leaves what it makes.
BUILD = "HELPERS_BUILD"
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime",
          "/etc/fonts")  # fmt: skip
SCRATCH_BYTES = 1 << 30
SUBREAPER = 36  # Linux's PR_SET_CHILD_SUBREAPER


@functools.cache
def settings() -> Settings:
    """Those of the book that this package lies in: a repository, with ``src`` between, or an unpacked bundle."""
    above = [folder / "pyproject.toml" for folder in Path(__file__).resolve().parents[2:4]]
    return Settings.read(next((path for path in above if path.is_file()), above[0]))


def packages() -> dict[str, Path]:
    """Name → folder of each package that chapters and the student's process import, where it is installed."""
    found = {name: importlib.util.find_spec(name) for name in (*settings().packages, "bookpress")}
    return {name: Path(spec.submodule_search_locations[0]) for name, spec in found.items() if spec}


def data() -> dict[str, str]:
    """Variable → value of what the book's code is told by the environment: folders of data, above all."""
    told = settings().call("environment")
    return told() if told else {}


def command(work: Path, data: Mapping[str, str], fd: int) -> tuple[list[str], dict[str, str]]:
    """What starts the student's process in the folder ``work``, and its whole environment, `data` among it.

    ``work`` holds ``lib`` with links to the packages, and ``_build``; under bubblewrap the process sees a copy
    in memory.
    """
    start = [sys.executable, "-m", "bookpress.course.pupil", str(fd)]
    place = "/tmp" if isolated() else str(work)
    lib = "/lib-book" if isolated() else str(work / "lib")
    environment = dict(data) | {
        BUILD: f"{place}/_build", "HOME": place, "TMPDIR": place, "MPLBACKEND": "agg", "MPLCONFIGDIR": f"{place}/mpl",
        "NUMBA_CACHE_DIR": f"{place}/numba", "PYTHONPATH": lib, "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    if not isolated():
        return start, environment
    bound = [*_wall(), "--dir", "/tmp/_build"]
    for name, folder in packages().items():
        bound += ["--ro-bind", str(folder), f"{lib}/{name}"]
    for folder in filter(os.path.isdir, data.values()):
        bound += ["--ro-bind", folder, folder]
    return [*bound, "--chdir", "/tmp", "--", *start], environment


def _wall() -> list[str]:
    """bubblewrap with Python and the system's libraries, read-only, and nothing else."""
    words = [
        shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
        "--proc", "/proc", "--dev", "/dev", "--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp",
    ]  # fmt: skip
    for path in SYSTEM:
        words += ["--ro-bind-try", path, path]
    for path in dict.fromkeys(str(Path(p).resolve()) for p in (sys.base_prefix, sys.prefix)):
        if not path.startswith("/usr"):
            words += ["--ro-bind", path, path]
    if sys.prefix != str(Path(sys.prefix).resolve()):  # an environment that is reached by a link
        words += ["--ro-bind", str(Path(sys.prefix).resolve()), sys.prefix]
    return words


@functools.cache
def isolated() -> bool:
    """Whether bubblewrap is here and can build the wall on this machine."""
    if not shutil.which("bwrap"):
        return False
    try:
        done = subprocess.run([*_wall(), "--", sys.executable, "-c", ""], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def described() -> str:
    """One sentence on how the answers are run here."""
    if isolated():
        return "Answers run behind bubblewrap: no network, no files but Python and the tables, no process left behind."
    return (
        "This machine has no working bubblewrap: answers run under limits of time and memory, but they can read your "
        "files and use the network. Take these marks as advice, and grade again where bubblewrap is (Linux)."
    )


def adopt() -> None:
    """Make this process the parent of all that its children leave behind, on Linux, so that `end` finds it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(SUBREAPER, 1, 0, 0, 0)


def used_s() -> float:
    """Seconds of processor time of all that this process has started and that still runs, with what that waited for."""
    import psutil

    used = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            times = process.cpu_times()
            used += sum(times[:4])  # user and system, its own and those of ended children
    return used


def end(processes: Sequence[subprocess.Popen]) -> None:
    """End the processes, their groups, and all that they left to this one."""
    import psutil

    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
    for _ in range(100):
        left = psutil.Process().children(recursive=True)
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1)
