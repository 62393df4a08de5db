"""One notebook under watch: parameters, progress, memory."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bookpress import run, watch
from bookpress.project import BookError, Project

from .conftest import chapter


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "notebooks").mkdir()
    for name in ("JUPYTER_PATH", "HELPERS_NOTEBOOK", "HELPERS_BUILD"):
        monkeypatch.setenv(name, "")  # so that what the run sets is undone
    for name in ("HELPERS_COHORT", "HELPERS_QUICK", "HELPERS_MEMORY_MB"):
        monkeypatch.delenv(name, raising=False)
    return Project(tmp_path)


def source(project: Project, code: str) -> Path:
    path = project.notebooks / "01_one.md"
    path.write_text(chapter("One", code))
    return path


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, {}),
        ({"HELPERS_QUICK": "0", "HELPERS_COHORT": ""}, {}),
        ({"HELPERS_QUICK": "1"}, {"quick": True}),
        ({"HELPERS_COHORT": "dandi"}, {"cohort": "dandi"}),
    ],
)
def test_the_environment_sets_parameters(environment, asked):
    assert run.asked_for(["published", "dandi"], environment) == asked


def test_unknown_settings_are_refused():
    with pytest.raises(
        BookError, match="^HELPERS_COHORT is 'mice'; it must be one of published, simulated, dandi.$"
    ):
        run.asked_for(["published", "simulated", "dandi"], {"HELPERS_COHORT": "mice"})
    with pytest.raises(BookError, match="^HELPERS_QUICK is 'yes'; it must be 1 or 0.$"):
        run.asked_for(["published", "simulated", "dandi"], {"HELPERS_QUICK": "yes"})
    with pytest.raises(BookError, match="^HELPERS_MEMORY_MB is '2GB'; it must be a whole number of MB"):
        run.memory_limit_mb({"HELPERS_MEMORY_MB": "2GB"})


def test_parameters_reach_the_notebook_and_the_record(project, monkeypatch):
    monkeypatch.setenv("HELPERS_COHORT", "simulated")
    monkeypatch.setenv("HELPERS_QUICK", "1")
    row = run.execute(project, source(project, "print(cohort, quick, seed)"))
    assert "simulated True 7" in (project.executed / "01_one.ipynb").read_text()
    assert (row["cohort"], row["quick"], row["seed"]) == ("simulated", True, 7)
    assert json.loads((project.runs / "01_one.json").read_text()) == row


def test_the_notebook_runs_in_its_own_folder(project):
    run.execute(project, source(project, "import os; print(os.getcwd())"))
    assert str(project.notebooks.resolve()) in (project.executed / "01_one.ipynb").read_text()


def test_progress_is_told_line_by_line(project, monkeypatch, capsys):
    monkeypatch.setattr(watch, "HEARTBEAT_S", 0.5)
    run.execute(project, source(project, "import time; time.sleep(2)"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "01_one: started, 2 cells"
    assert lines[-1].startswith("01_one: done, ")
    beats = [line for line in lines if line.startswith("01_one: cell 2 of 2, ")]
    assert beats
    assert all(line.endswith(" MB") and " s, " in line for line in beats)


def test_a_line_is_written_whole_even_to_an_unbuffered_stream():
    """Two notebooks share one terminal: a line in two writes can be cut by the other's."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # one packet is one write
    code = "from bookpress.watch import Watch; Watch('01_one', 2, 10).say('started')"
    with here, there:
        subprocess.run(
            [sys.executable, "-c", code], stdout=there, check=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
        )
        assert here.recv(1000) == b"01_one: started\n"


def test_memory_is_measured_over_the_whole_process_tree(project):
    greedy = "x = bytearray(200 << 20); import time; time.sleep(1)"
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {greedy!r}])"
    quiet = run.execute(project, source(project, "pass"))
    assert run.execute(project, source(project, child))["peak_mb"] > quiet["peak_mb"] + 180


def test_over_the_memory_limit_the_run_ends_with_a_sentence(project, monkeypatch):
    monkeypatch.setenv("HELPERS_MEMORY_MB", "200")
    greedy = source(project, "x = bytearray(400 << 20); import time; time.sleep(60)")
    with pytest.raises(
        BookError, match=r"^01_one: [\d,]+ MB in cell 2 of 2, over the limit of 200 MB that a reader"
    ):
        run.execute(project, greedy)
    assert not (project.executed / "01_one.ipynb").exists()
    assert not (project.runs / "01_one.json").exists()
    assert (project.failed / "01_one.ipynb").exists()


def test_a_dead_kernel_is_told_with_its_cell(project):
    with pytest.raises(BookError, match=r"^01_one: the kernel died in cell 2 of 2 "):
        run.execute(project, source(project, "import os; os._exit(1)"))


def test_a_failed_run_leaves_no_old_result_behind(project):
    project.results.mkdir(parents=True)
    stale = project.results / "01_one.json"
    stale.write_text("{}")
    with pytest.raises(BookError, match="NameError"):
        run.execute(project, source(project, "undefined"))
    assert not stale.exists()
