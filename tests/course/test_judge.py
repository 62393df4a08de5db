"""The judge: an answer scores by what it gives back, and by nothing that it does to the process it runs in."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pandas as pd
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookpress.course import cage, judge, pupil
from bookpress.course.exercises import exercises
from bookpress.course.grade import _job, mark
from bookpress.course.wire import Other, WireError, decode, encode, raised, receive
from bookpress.project import Settings

from .test_exercises import notebook

CHECK = """
import random
many = [random.randint(3, 900) for _ in range(5)]
for x in many:
    assert twice(x) == 2 * x, 'Twice, please.'
assert name.startswith('S'), 'Name Sst.'
assert np.allclose(twice(np.array(many)), [2 * x for x in many]), 'Arrays, too.'
"""
CHAPTER = notebook(
    ("code", "import numpy as np\nbase = 2", []),
    ("markdown", "## Exercises\n\n### Exercise 1: Twice", []),
    ("code", "# BEGIN SOLUTION\ndef twice(x):\n    return base * x\n\n\nname = 'Sst'\n# END SOLUTION", ["solution"]),
    ("code", CHECK, ["check"]),
)
(EXERCISE,) = exercises(CHAPTER, "01_data")
WRONG = "def twice(x):\n    return 0\n\nname = 'S'\n"
EQUAL = "class Yes(%s):\n    def __eq__(self, other):\n        return True\n    __ne__ = __lt__ = __gt__ = __eq__\n"
#: Everything that the student's process sends as a value becomes this.
FRAMES = (
    "import sys\nframe = sys._getframe()\nwhile frame:\n    if 'encode' in frame.f_globals:\n"
    "        frame.f_globals['encode'] = lambda *a: {}\n    frame = frame.f_back"
)

#: The first six were scored once; each is added to an answer that returns 0 everywhere.
CHEATS = {
    "exec": "import builtins\nbuiltins.exec = lambda *a: None\nexec = builtins.exec",
    "fake module": "import sys, types\nfake = types.ModuleType('json')\nfake.dumps = lambda v: '[9, []]'\n"
                   "sys.modules['json'] = fake",
    "always equal": EQUAL % "object" + "twice = lambda x: Yes()",
    "wrapped output": "import sys\nclass Out:\n    def write(self, text):\n"
                      "        sys.__stdout__.write('{\"passed\": true}')\n    flush = lambda self: None\n"
                      "sys.stdout = Out()\nprint('x')",
    "input transformer": "get_ipython().input_transformers_post.append(lambda lines: ['pass'])",
    "environment": "import os\nos.environ['PYTHONOPTIMIZE'] = '1'\nprint({'passed': True})",
    "equal number": EQUAL % "float" + "twice = lambda x: Yes(0)",
    "equal array": "class Yes(np.ndarray):\n    __eq__ = lambda self, other: True\n"
                   "twice = lambda x: np.zeros(1).view(Yes)",
    "numpy": "np.allclose = lambda *a, **k: True\nimport builtins\nbuiltins.all = lambda x: True",
    "the line": "import os, json, struct\nfor fd in range(3, 64):\n    try:\n"
                "        data = json.dumps({'passed': True, 'value': 6, 'done': True}).encode()\n"
                "        os.write(fd, struct.pack('!Q', len(data)) + data)\n    except OSError:\n        pass",
    "the server": FRAMES.format("{'t': 'record', 'class': 'unittest.mock:_ANY', 'v': {}}"),
    "a class": FRAMES.format("{'t': 'array', 'dtype': 'O', 'shape': [10**9], 'v': []}"),
    "the frames": "import sys\nframe = sys._getframe()\nwhile frame:\n"
                  "    frame.f_globals['assert'] = frame = frame.f_back",
    "exit": "import os\nos._exit(0)",
    "exit later": "def twice(x):\n    raise SystemExit(0)",
    "assertion": "def twice(x):\n    raise AssertionError('')",
    "parent": "import os, signal\nfor pid in (os.getppid(),):\n    if pid > 1:\n        os.kill(pid, signal.SIGSTOP)\n"
              "        os.kill(pid, signal.SIGCONT)",
    "generator": "def twice(x):\n    while True:\n        yield 2 * x",
}  # fmt: skip


def judged(code: str, limit_s: float = 20, **more):
    return mark(CHAPTER, EXERCISE, code, limit_s, **more)


@pytest.mark.slow
def test_an_honest_answer_passes():
    found = judged("%time 1\ndef twice(x):\n    print('hello')\n    return np.asarray(x) + x\n\nname = 'Sncg'")
    assert (found.passed, found.reason) == (True, "")


@pytest.mark.slow
def test_no_cheat_scores():
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(CHEATS, pool.map(lambda cheat: judged(f"{WRONG}\n{cheat}"), CHEATS.values()), strict=True))
    assert [name for name, mark in found.items() if mark.passed] == []
    reasons = {name: mark.reason for name, mark in found.items()}
    assert all(reasons.values())
    assert reasons["fake module"] == reasons["wrapped output"] == reasons["numpy"] == "Twice, please."
    assert reasons["exit"] == "the answer ended the program"
    assert reasons["a class"] == "the answer gives back no plain value (ValueError)"
    assert reasons["exit later"] == "RuntimeError: SystemExit: 0"


PRY = """
import os, pathlib, socket
found = []
for path in {paths!r}:
    try:
        found.append(pathlib.Path(path).read_text()[:20])
    except OSError:
        pass
try:
    socket.create_connection(("{host}", {port}), timeout=2)
    found.append("network")
except OSError:
    pass
found += [value for value in os.environ.values() if "secret" in value]
found += [name for name in os.listdir("/proc") if name.isdigit() and int(name) > 9]
for folder in ({home!r}, "/usr", "/lib-book/bookpress"):
    try:
        (pathlib.Path(folder) / "left-here").write_text("x")
        found.append(f"wrote in {{folder}}")
    except OSError:
        pass
raise ValueError(f"found {{found}}")
"""


@pytest.mark.slow
@pytest.mark.skipif(not cage.isolated(), reason="bubblewrap is not here")
def test_an_answer_sees_no_file_no_process_no_network_and_no_secret(tmp_path, monkeypatch):
    (tmp_path / "instructor.ipynb").write_text("the solution")
    monkeypatch.setenv("TOKEN", "a secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        paths = [str(tmp_path / "instructor.ipynb"), __file__, "/etc/passwd", "/root/.bashrc"]
        found = judged(PRY.format(paths=paths, host=host, port=port, home=str(tmp_path)))
    assert found.reason.replace("''", "") == "ValueError: found []"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["instructor.ipynb"]


@pytest.mark.slow
def test_nothing_that_an_answer_started_outlives_its_grade(tmp_path):
    """A process in a session of its own, whose parent has ended: once it rewrote the table of grades."""
    stay = (
        "import os, sys, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        f"        os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)', {str(tmp_path)!r}])\n"
        "    os._exit(0)\nos.wait()\ntime.sleep(0.5)"
    )
    assert not judged(f"{WRONG}\n{stay}").passed
    left = [p.pid for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])]
    assert left == []


@pytest.mark.slow
def test_an_answer_has_limits_of_time_memory_and_size():
    busy = "used more than 1 s of processor time"
    assert judged("while True: pass", 1).reason == busy
    assert judged("def twice(x):\n    while True: pass\n\nname = 'S'", 1).reason == busy
    assert judged("import os\nos.fork()\nwhile True: pass", 1).reason == busy
    assert judged("import time\ntime.sleep(99)", 0.5).reason == "took longer than 2.5 s"
    assert "MemoryError" in judged("held = bytearray(3 << 30)", memory_gb=1).reason
    large = "def twice(x):\n    return np.zeros(1 << 24)\n\nname = 'S'"
    assert judged(large).reason == "ValueError: the answer is too large"


@pytest.mark.slow
def test_a_chapters_own_failure_is_not_the_students():
    cells = [(cell.cell_type, cell.source, cell.metadata["tags"]) for cell in CHAPTER.cells]
    chapter = notebook(("code", "base = 1 / 0", []), *cells[1:])
    found = mark(chapter, exercises(chapter, "x")[0], "twice = lambda x: base * x")
    assert found.reason == "the chapter's own cells failed: ZeroDivisionError: division by zero"


@pytest.mark.slow
def test_what_a_function_changes_is_changed_for_the_judge_too():
    check = (
        "import numpy as np, pandas as pd\nvalues, table = np.ones(3), pd.DataFrame({'a': [1.0, 2]})\n"
        "spoil(values, table)\nassert values.sum() == 3 and table['a'].sum() == 3, 'Leave them alone.'"
    )
    cells = [("markdown", "### Exercise 1: Spoil", []),
             ("code", "# BEGIN SOLUTION\nspoil = print\n# END SOLUTION", ["solution"]), ("code", check, ["check"])]
    chapter = notebook(*cells)
    (exercise,) = exercises(chapter, "x")
    assert mark(chapter, exercise, "def spoil(values, table):\n    values[0] = 5").reason == "Leave them alone."
    assert mark(chapter, exercise, "def spoil(values, table):\n    table.iloc[0, 0] = 5").reason == "Leave them alone."


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner), max_leaves=8,
)  # fmt: skip


@given(PLAIN)
def test_plain_values_come_over_as_they_are(value):
    assert decode(json.loads(json.dumps(encode(value)))) == value


def test_arrays_and_tables_come_over_as_they_are():
    for array in (np.arange(6.0).reshape(2, 3), np.array([True]), np.array(["a", "bc"]), np.array([1 + 2j])):
        there = decode(json.loads(json.dumps(encode(array))))
        assert there.dtype.kind == array.dtype.kind
        assert np.array_equal(there, array)
    table = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None], "c": [1, 2]}, index=["r", "s"])
    pd.testing.assert_frame_equal(decode(json.loads(json.dumps(encode(table)))), table)
    grouped = table.set_index(["b", "c"])["a"]
    pd.testing.assert_series_equal(decode(json.loads(json.dumps(encode(grouped)))), grouped)


def test_an_object_of_a_students_class_comes_over_as_its_name():
    class Yes(float):
        def __eq__(self, other):
            return True

    assert type(decode(encode(Yes(3)))) is float
    assert isinstance(decode(encode(object())), Other)
    assert isinstance(decode({"t": "record", "class": "subprocess:Popen", "v": {"args": ["ls"]}}), Other)


@given(st.binary(max_size=60))
def test_any_bytes_on_the_line_are_a_message_or_an_error(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack("!Q", len(data)) + data)
        with suppress(WireError):
            decode(receive(ours, 5).get("value"))


@pytest.mark.parametrize(
    "value",
    [[], {"t": "array", "dtype": "O", "shape": [-1], "v": []}, {"t": "array", "dtype": "|O", "shape": [1], "v": "AAAA"},
     {"t": "array", "dtype": "<U1", "shape": [1], "v": "QQAAAA=="},
     {"t": "dict", "v": [[{"t": "list", "v": []}, 1]]}, {"t": "frame", "v": [], "index": 3, "columns": 4}, {}],
)  # fmt: skip
def test_what_no_encoder_writes_is_refused(value):
    with pytest.raises(WireError, match="^no plain value"):
        decode(value)


def test_a_message_that_does_not_end_or_is_too_long_is_refused():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack("!Q", 1 << 40))
        with pytest.raises(WireError, match="too large"):
            receive(ours, 5)
        theirs.sendall(struct.pack("!Q", 5) + b"ab")
        with pytest.raises(TimeoutError):
            receive(ours, 0.2)


def test_what_a_student_raises_is_no_verdict():
    assert type(raised("AssertionError", "passed")) is RuntimeError
    assert type(raised("ValueError", "x")) is ValueError and type(raised("SystemExit", "x")) is RuntimeError


def judged_here(code, check=CHECK):
    """What the judge says, with the student's side in a thread: the same words on the line, and no wall."""
    def serve():
        receive(theirs)
        pupil.serve(theirs)

    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        job = _job(CHAPTER, EXERCISE, code) | {"check": check, "limit_s": 20, "memory_gb": 1}
        try:
            return judge._judge(job, judge.Line(ours))
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@pytest.mark.parametrize(("code", "reason"), [
    ("def twice(x):\n    return np.asarray(x) + x\n\nname = 'Sncg'", ""), (WRONG, "Twice, please."),
    ("def twice(x):\n    return base * x\n\nname = 'Vip'", "Name Sst."),
    ("def twice(x):\n    return base * x", "the answer gives no `name`"),
    ("raise NotImplementedError('Exercise 1: replace')", "not answered"),
    ("1 / 0", "ZeroDivisionError: division by zero"),
])
def test_the_judge_goes_by_values_alone(monkeypatch, code, reason):
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # the student's side puts its own there
    assert judged_here(code) == {"passed": not reason, "reason": reason}


def test_a_message_that_trickles_ends_with_the_time():
    def trickle():
        theirs.sendall(struct.pack("!Q", 1000))
        for _ in range(40):
            time.sleep(0.02)
            theirs.sendall(b"x")
        theirs.close()

    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=trickle)
        thread.start()
        with pytest.raises(TimeoutError):
            receive(ours, 0.3)
        thread.join()


def test_the_cage_is_told_by_the_book_what_its_code_needs(monkeypatch, tmp_path):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    monkeypatch.setenv("HELPERS_DANDI", str(tmp_path / "nowhere"))
    monkeypatch.setenv("HELPERS_COHORT", "simulated")
    monkeypatch.setenv("TOKEN", "a secret")
    told = cage.data()
    assert (told["HELPERS_DATA"], told["HELPERS_COHORT"]) == (str(tmp_path), "simulated")
    assert "HELPERS_DANDI" not in told
    words, environment = cage.command(tmp_path, told, 3)
    assert told.items() <= environment.items() and "TOKEN" not in environment
    assert not cage.isolated() or words.count(str(tmp_path)) == 2  # read only, from there to there
    assert list(cage.packages()) == ["patchtype", "helpers", "bookpress"]


def test_another_book_has_packages_and_variables_of_its_own(monkeypatch):
    monkeypatch.setattr(cage, "settings", lambda: Settings(packages=("json",), environment="os:environ.copy"))
    monkeypatch.setenv("THEIRS", "1")
    assert list(cage.packages()) == ["json", "bookpress"] and cage.data()["THEIRS"] == "1"
    monkeypatch.setattr(cage, "settings", Settings)
    assert list(cage.packages()) == ["bookpress"] and cage.data() == {}
