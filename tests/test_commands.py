"""What a user gets who calls a command wrongly: one sentence, a status that says so, and nothing left behind."""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import re
import signal
import subprocess
import sys
import time

import pytest

import patchtype as patchtype_package
from bookpress import __main__ as bookpress
from patchtype import __main__ as patchtype
from patchtype import arguments, settings
from patchtype.files import write_text


def main(words: list[str]) -> int:
    return (bookpress if words[0] in bookpress.COMMANDS else patchtype).main(words)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder, a text file, folders named like a recording, a text named like one; and we are there."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.nwb").mkdir()
    (tmp_path / "holds" / "folder.nwb").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    (tmp_path / "text.nwb").write_text("no recording")
    monkeypatch.chdir(tmp_path)
    return tmp_path


PATH = "expected a path that can be read or written; check the path, your rights there and the space on the disk"
REPOSITORY = "expected the book's repository; go there, or name it with --root."
WRONG = [
    ("simulate --cells 1 --out file", PATH),
    ("simulate --cells 1 --out file/below", PATH),
    ("simulate --cells 0 --out out", "found '0', expected a whole number of at least 1"),
    ("simulate --cells 1 --bad-share 7 --out out", "found '7', expected a share from 0 to 1"),
    ("simulate --cells 1 --jobs -1 --out out", "found '-1', expected a whole number of at least 0"),
    ("extract text.nwb --jobs -1 --out out", "found '-1', expected a whole number of at least 0"),
    ("extract text.nwb --timeout 0 --out out", "found '0', expected a positive number of seconds"),
    ("extract text.nwb --jobs 0 --out file", PATH),
    ("extract folder.nwb --out out", "found no recording in folder.nwb, expected .nwb or .abf files"),
    ("embed --mouse 0 --out out --work work", "found '0', expected a whole number of at least 1"),
    ("embed --human 1.5 --out out --work work", "found '1.5', expected a whole number of at least 1"),
    ("embed --mouse 1001 --out out --work work", "found 1001 mouse cells, expected 1 to 1000"),
    ("classify text.nwb --no-reference --out file/below", PATH),
    ("classify empty --no-reference --out out", "found no recording in empty, expected .nwb or .abf files"),
    ("classify folder.nwb --no-reference --out out", "found no recording in folder.nwb, expected .nwb or .abf files"),
    ("classify holds --no-reference --out out", "found no recording in holds, expected .nwb or .abf files"),
    ("notebooks --root empty", REPOSITORY),
    ("needs --root empty", REPOSITORY),
    ("check-prose --root empty", REPOSITORY),
    ("check-prose nowhere.md", "found no file at nowhere.md, expected a page in Markdown; check the path."),
    ("check-prose empty", "found no file at empty, expected a page in Markdown; check the path."),
    ("check-binder --root empty", REPOSITORY),
    ("run text.nwb", "found text.nwb, expected a chapter's source such as notebooks/01_data.md; name that."),
    ("run nowhere.md", "No such file or directory: 'nowhere.md'"),
    ("student --root file", REPOSITORY),
    ("slides", "_toc.yml is missing; a book needs this table of contents."),
    ("offline", "`make book` builds it."),
    ("check-html file", "`make book` renders the book."),
    ("grade nowhere", "found no folder nowhere, expected one that holds a folder for each student; check the path."),
    ("grade empty", "found no STUDENT/NN_name.ipynb in empty, expected one folder a student; check the path."),
    ("grade file", "found no folder file, expected one that holds a folder for each student; check the path."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "told"), WRONG, ids=[call for call, _ in WRONG])
def test_a_wrong_call_is_one_sentence_and_leaves_nothing(place, capsys, call, told):
    before = sorted(place.rglob("*"))
    try:
        status = main(call.split())
    except SystemExit as stop:  # argparse's
        status = stop.code
    said = capsys.readouterr().err
    assert status in (1, 2)
    assert said.rstrip().endswith(told)
    assert [line for line in said.splitlines() if told in line] == said.splitlines()[-1:]
    assert sorted(path for path in place.rglob("*") if path.name != "options.json") == before


def test_not_one_recording_is_a_failure_although_the_batch_went_on(place, capsys):
    assert main(["extract", "text.nwb", "nowhere.nwb", "--jobs", "0", "--out", "out"]) == 1
    printed = capsys.readouterr().out
    assert "text: found 12 bytes that are no HDF5 file, expected NWB 2 or ABF; fetch the file again" in printed
    assert "nowhere: found no file at nowhere.nwb, expected a recording; check the path" in printed


@pytest.mark.parametrize("package", [bookpress, patchtype])
def test_without_a_command_all_are_listed(capsys, package):
    assert package.main([]) == 2
    listed = capsys.readouterr().err
    assert all(f"  {name} " in listed for name in package.COMMANDS)


@pytest.mark.parametrize(("word", "told"), [
    ("check-prosa", "found no command 'check-prosa'; did you mean 'check-prose'?"),
    ("xyz", "found no command 'xyz'; --help lists them all."),
])
def test_a_wrong_command_of_the_press_is_answered_with_the_nearest(capsys, word, told):
    with pytest.raises(SystemExit) as stop:
        bookpress.main([word])
    assert stop.value.code == 2
    assert capsys.readouterr().err.rstrip().endswith(told)


def test_a_sink_that_closes_is_no_error():
    done = subprocess.run(
        [sys.executable, "-m", "patchtype", "data", "--list"], stdout=_closed_pipe(), stderr=subprocess.PIPE, text=True,
        timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def _closed_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize(("call", "work", "told"), [
    ("simulate --cells 1 --out out", "patchtype.simulation.cell.simulate",
     "simulate: stopped; the same command goes on from here"),
    ("extract text.nwb --out out", "patchtype.recordings.batch.run",
     "extract: stopped; the same command goes on from here"),
    ("embed --out out --work work", "patchtype.simulation.embedded.embed",
     "embed: stopped; the same command goes on from here"),
    ("check-prose text.nwb", "bookpress.prose.check_pages", "check-prose: stopped"),
    ("grade empty", "bookpress.course.collect.collect", "grade: stopped"),
])
def test_a_stopped_command_says_whether_it_goes_on(place, monkeypatch, capsys, call, work, told):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(work, stop)
    assert main(call.split()) == 130
    assert capsys.readouterr().err.splitlines() == [told]


@pytest.mark.slow
def test_a_stopped_simulation_leaves_whole_files_and_no_traceback(tmp_path):
    words = [sys.executable, "-m", "patchtype", "simulate", "--cells", "40", "--out", str(tmp_path / "out")]
    # A shell starts what it puts into the background deaf to Ctrl-C, and children inherit that.
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        until = time.monotonic() + 240
        while not (tmp_path / "out" / "labels.csv").exists():
            assert time.monotonic() < until and process.poll() is None, "it did not begin"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert said.rstrip().endswith("stopped; the same command goes on from here")
    assert len(list(tmp_path.glob("out/[!.]*.nwb"))) < 40


@pytest.mark.parametrize(("kind", "good", "value", "bad"), [
    (arguments.count, "12", 12, ["0", "-1", "1.5", "", "two", "\u0663"]),
    (arguments.processes, "0", 0, ["-1", "one"]),
    (arguments.seconds, "0.5", 0.5, ["0", "-2", "inf", "nan", "soon"]),
    (arguments.share, "1", 1.0, ["-0.1", "1.1", "nan", "half"]),
])
def test_arguments_are_what_they_say(kind, good, value, bad):
    assert kind(good) == value
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match=f"^found {text!r}, expected a "):
            kind(text)


def test_a_text_that_cannot_be_put_in_its_place_leaves_no_part(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "taken", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_help_and_version_import_nothing_heavy():
    """Measured as processes: what numpy, pandas and torch cost is not paid for a line of text."""
    code = ("import sys\nfrom patchtype.__main__ import main\n"
            "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
            "print(sorted({'numpy', 'pandas', 'torch', 'scipy', 'sklearn', 'h5py'} & set(sys.modules)))")
    for word, told in (("--version", f"patchtype {patchtype_package.__version__}\n"), ("--help", "exit status:")):
        done = subprocess.run([sys.executable, "-c", code, word], capture_output=True, text=True, check=True)
        assert told in done.stdout
        assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(("word", "guess"), [("exract", "extract"), ("clasify", "classify"), ("dat", "data")])
def test_a_wrong_word_is_answered_with_the_nearest(capsys, word, guess):
    with pytest.raises(SystemExit) as stop:
        patchtype.main([word])
    assert stop.value.code == 2
    assert capsys.readouterr().err.rstrip().endswith(f"found the command {word!r}, expected one of "
                                                     f"{', '.join(patchtype.COMMANDS)}; did you mean {guess}?")
    with pytest.raises(SystemExit):
        patchtype.main(["qqqq"])
    assert "did you mean" not in capsys.readouterr().err


def test_the_same_thing_is_spelled_alike_in_every_command():
    """``--out`` for where results go, ``--jobs`` for processes; ``--workers`` is still understood."""
    for name, (room, _) in patchtype.COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"patchtype {name}")
        importlib.import_module(room).add_arguments(parser)
        shown = {word for action in parser._actions if action.help != argparse.SUPPRESS
                 for word in action.option_strings}
        assert not shown & {"--workers", "--folder", "--output", "--processes"}, name
        if name in ("extract", "simulate", "embed"):
            assert {"jobs"} == {action.dest for action in parser._actions
                                if {"--workers", "--jobs"} & set(action.option_strings)}, name


def test_what_an_extra_brings_is_named_where_it_is_missing(monkeypatch, capsys):
    def main(args):
        raise ModuleNotFoundError("No module named 'arbor'", name="arbor")

    monkeypatch.setattr("patchtype.simulation.cli.main", main)
    assert patchtype.main(["simulate", "--cells", "1", "--out", "x"]) == 2
    assert capsys.readouterr().err == ("error: found no package arbor, expected it for this call; "
                                       "run `pip install 'patchtype[simulate]'`\n")


def test_each_public_name_is_there_and_documented():
    assert all(getattr(patchtype_package, name).__doc__ for name in patchtype_package.__all__)
    assert set(patchtype_package.__all__) <= set(dir(patchtype_package))
    with pytest.raises(AttributeError, match="module 'patchtype' has no attribute 'nothing'"):
        getattr(patchtype_package, "nothing")  # noqa: B009


def test_every_setting_of_the_environment_stands_in_one_place(root):
    """Outside of ``settings`` a variable's name stands in words for people only."""
    found = set()
    for path in sorted((root / "src" / "patchtype").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) \
                    and re.fullmatch("HELPERS_[A-Z_]+", node.value):
                found.add((path.name, node.value))
    assert found == {("settings.py", name) for name in settings.VARIABLES}
