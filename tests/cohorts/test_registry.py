"""Files are whole or not used: from the data folder, the cache, and a real server with every failure."""

from __future__ import annotations

import hashlib
import http.server
import json
import subprocess
import sys
import threading

import pytest

from patchtype import settings
from patchtype.cohorts import registry
from patchtype.cohorts.registry import DataUnavailable, PublicFile, fetch, public_files
from patchtype.cohorts.tables import SCHEMAS

CONTENT = b"cell,tau\n1,0.02\n" * 500


class Handler(http.server.BaseHTTPRequestHandler):
    """/whole sends the file, /cut breaks off half way, /other sends something else, all else is 404."""

    hits: list[str] = []

    def do_GET(self):
        self.hits.append(self.path)
        body = {"/whole": CONTENT, "/cut": CONTENT, "/other": b"<html>moved</html>"}.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path == "/cut" else body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http_server.server_port}"
        http_server.shutdown()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no data folder."""
    monkeypatch.delenv(settings.DATA, raising=False)
    monkeypatch.setenv(settings.CACHE, str(tmp_path / "cache"))
    Handler.hits.clear()
    return tmp_path / "cache"


def known(*urls: str) -> dict[str, PublicFile]:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return {"cells.csv": PublicFile("cells.csv", urls, sha256, len(CONTENT), "cells", "CC0", "by anyone")}


def test_a_whole_download_is_kept_and_not_fetched_twice(server, cache):
    first = fetch("cells.csv", known(f"{server}/whole"))
    second = fetch("cells.csv", known(f"{server}/whole"))
    assert first == second == cache / "cells.csv"
    assert first.read_bytes() == CONTENT
    assert Handler.hits == ["/whole"]


@pytest.mark.parametrize(("path", "reason"), [
    ("/cut", "the connection broke off before the file was whole"),
    ("/other", "what arrived is not the registered file"),
    ("/absent", "the server answered 404"),
])
def test_a_failed_download_is_one_sentence_and_leaves_nothing(server, cache, path, reason):
    with pytest.raises(DataUnavailable, match=reason) as error:
        fetch("cells.csv", known(server + path))
    assert "\n" not in str(error.value)
    assert "set HELPERS_DATA to a folder that holds the file" in str(error.value)
    assert not list(cache.rglob("*.csv")) and not [f for f in cache.rglob("*") if f.is_file()]


def test_the_next_address_is_tried_where_one_fails(server, cache):
    urls = [f"{server}/absent", f"{server}/other", f"{server}/whole"]
    assert fetch("cells.csv", known(*urls)).read_bytes() == CONTENT
    assert Handler.hits == ["/absent", "/other", "/whole"]


def test_every_address_that_was_tried_is_told(server, cache):
    with pytest.raises(DataUnavailable) as error:
        fetch("cells.csv", known(f"{server}/absent", "http://127.0.0.1:9/cells.csv"))
    assert f"{server}/absent: the server answered 404, nor from http://127.0.0.1:9/cells.csv: the server cannot be " \
           "reached; connect to the network" in str(error.value)


def test_a_server_that_is_not_there(cache):
    with pytest.raises(DataUnavailable, match="the server cannot be reached"):
        fetch("cells.csv", known("http://127.0.0.1:9/cells.csv"))


def test_the_data_folder_comes_first(server, cache, tmp_path, monkeypatch):
    (tmp_path / "cells.csv").write_bytes(CONTENT)
    monkeypatch.setenv(settings.DATA, str(tmp_path))
    assert fetch("cells.csv", known(f"{server}/whole")) == tmp_path / "cells.csv"
    assert Handler.hits == []


def test_a_damaged_file_in_the_data_folder_is_not_used(cache, tmp_path, monkeypatch):
    (tmp_path / "cells.csv").write_bytes(CONTENT[:-1])
    monkeypatch.setenv(settings.DATA, str(tmp_path))
    with pytest.raises(DataUnavailable, match=r"cells.csv has 7,999 bytes .* expected 8,000 bytes .* another version; "
                                              "put the original there, or unset HELPERS_DATA"):
        fetch("cells.csv", known("http://127.0.0.1:9/cells.csv"))


@pytest.mark.parametrize(("change", "how"), [
    (lambda text: text.replace("\n", "\r\n").encode(), "with line ends CRLF"),
    (lambda text: text.encode("utf-16"), "in utf-16"),
    (lambda text: text.encode("latin-1"), "in latin-1"),
    (lambda text: text.replace("\n", "\r\n").encode("utf-16"), "in utf-16 and with line ends CRLF"),
    (lambda text: text.encode("utf-8-sig"), "in utf-8"),
])
def test_a_table_saved_anew_by_another_program_is_told_how(cache, tmp_path, monkeypatch, change, how):
    text = "cell,donor\n1,Gödel\n2,b\n"
    row = PublicFile("cells.csv", (), hashlib.sha256(text.encode()).hexdigest(), 25, "cells", "CC0", "by anyone")
    (tmp_path / "cells.csv").write_bytes(change(text))
    monkeypatch.setenv(registry.DATA, str(tmp_path))
    with pytest.raises(DataUnavailable) as error:
        fetch("cells.csv", {"cells.csv": row})
    assert str(error.value) == (f"{tmp_path / 'cells.csv'} holds the registered table saved anew {how}; "
                                "put the original there, or unset HELPERS_DATA to download it")


def test_a_cache_that_cannot_be_written_is_no_matter_of_the_network(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.delenv(registry.DATA, raising=False)
    monkeypatch.setenv(registry.CACHE, str(tmp_path / "file" / "cache"))
    with pytest.raises(DataUnavailable, match="cannot be written .*; set HELPERS_CACHE to a folder that can") as error:
        fetch("cells.csv", known("http://127.0.0.1:9/cells.csv"))
    assert "network" not in str(error.value)


def test_a_damaged_cache_is_fetched_again(server, cache):
    cache.mkdir()
    (cache / "cells.csv").write_bytes(b"half")
    assert fetch("cells.csv", known(f"{server}/whole")).read_bytes() == CONTENT


def test_a_data_folder_that_does_not_exist(cache, monkeypatch):
    monkeypatch.setenv(settings.DATA, "/no/such/folder")
    with pytest.raises(DataUnavailable, match="HELPERS_DATA names /no/such/folder, which is not a folder"):
        fetch("cells.csv", known("http://127.0.0.1:9/cells.csv"))


def test_an_unknown_name_lists_the_known_ones(cache):
    with pytest.raises(KeyError, match="expected one of cells.csv"):
        fetch("mice.csv", known("http://127.0.0.1:9/"))


def test_every_registered_file_is_pinned():
    for row in registry.public_files().values():
        assert len(row.sha256) == 64 and row.bytes > 0 and row.holds and row.licence
        first, *others = row.urls
        commit = first.removeprefix("https://raw.githubusercontent.com/").split("/")[2]
        assert len(commit) == 40, f"{row.name} is not pinned to a commit"
        assert all(url.endswith(f"/releases/download/tables/{row.name}") for url in others)
        assert not (others and row.copies.startswith("only with leave")), f"{row.name} must not be copied"


def test_the_command_exits_with_3_and_one_sentence_without_data(tmp_path, monkeypatch):
    monkeypatch.setenv(settings.DATA, str(tmp_path / "nowhere"))
    run = subprocess.run([sys.executable, "-m", "patchtype", "data"], capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert run.stderr.count("\n") == 1 and run.stderr.startswith("No data: HELPERS_DATA names")
    assert "Traceback" not in run.stderr


def choose(monkeypatch, tmp_path, cohort="", folder=None):
    """`patchtype data --choose` on a machine without network or cache."""
    monkeypatch.setenv("HELPERS_COHORT", cohort)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv(settings.CACHE, str(tmp_path / "cache"))
    monkeypatch.setenv(settings.DATA, str(folder or ""))
    command = [sys.executable, "-m", "patchtype", "data", "--choose"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_without_data_the_simulated_cohort_is_chosen_and_one_line_says_so(monkeypatch, tmp_path):
    status, chosen, said = choose(monkeypatch, tmp_path)
    assert (status, chosen) == (0, "simulated\n")
    assert said.splitlines()[-1].startswith(  # above it stands where the download was tried
        "No data, so the book is built on the package's simulated cells: mouse_efeature.csv is not in a data folder"
    )


def test_published_asked_for_and_absent_stops(monkeypatch, tmp_path):
    status, chosen, said = choose(monkeypatch, tmp_path, "published")
    assert (status, chosen) == (3, "")
    assert said.splitlines()[-1].startswith("No data: mouse_efeature.csv is not in a data folder")


def test_simulated_asked_for_needs_no_data(monkeypatch, tmp_path):
    assert choose(monkeypatch, tmp_path, "simulated") == (0, "simulated\n", "")


def test_another_cohort_is_refused(monkeypatch, tmp_path):
    assert choose(monkeypatch, tmp_path, "mice") \
        == (2, "", "error: HELPERS_COHORT is 'mice'; it must be one of published, dandi, simulated\n")


def test_damaged_data_are_no_reason_for_simulated_cells(monkeypatch, tmp_path):
    (tmp_path / "mouse_efeature.csv").write_text("half")
    status, chosen, said = choose(monkeypatch, tmp_path, folder=tmp_path)
    assert (status, chosen) == (3, "")
    assert "mouse_efeature.csv has 4 bytes" in said


def test_with_data_the_published_cohort_is_chosen(monkeypatch):
    from patchtype.cohorts.cli import choose

    assert choose("") == "published"


def test_the_files_are_told_as_lines_or_as_one_object(capsys):
    from patchtype.__main__ import main

    assert main(["data", "--list"]) == main(["data", "--list", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    listed = json.loads(last)["files"]
    assert [line.split()[0] for line in lines] == [row["name"] for row in listed] == list(public_files())
    assert all(len(row["sha256"]) == 64 and row["rows"] is None for row in listed)
    assert main(["data", "--json"]) == 0
    found = {row["name"]: row["rows"] for row in json.loads(capsys.readouterr().out)["files"]}
    assert found["LeeDalley_ephys_fx.csv"] == 704 and None not in found.values()
    assert set(found) == set(SCHEMAS)
