"""`make book` on a small book: what runs, what does not, and what happens when something is wrong."""

from __future__ import annotations

import json
import os
import sys

import nbformat
import pytest
from bs4 import BeautifulSoup

from bookpress.gate import check

pytestmark = pytest.mark.slow

#: What `make book` asks for the data, where the other tests of the small book need none.
REAL_DATA_CHECK = f"DATA_CHECK={sys.executable} -m patchtype data --choose"


def chapters(stdout: str) -> list[str]:
    return sorted(line.partition(":")[0] for line in stdout.splitlines() if ": started" in line)


def test_first_build_ends_with_a_table_and_the_place_of_the_book(built):
    book, done = built
    assert chapters(done.stdout) == ["01_data", "02_model", "03_other"]
    assert done.stdout.rstrip().endswith(f"Read the book: {book.project.html.resolve() / 'index.html'}")
    assert "wall s  peak MB" in done.stdout
    for name in ("01_data", "02_model", "03_other"):
        run = json.loads((book.project.runs / f"{name}.json").read_text())
        assert run["wall_s"] > 0
        assert 20 < run["peak_mb"] < 1000
        assert (run["cohort"], run["quick"], run["seed"]) == ("published", False, 7)
    assert check(book.project.html, book.root / "_toc.yml") == []


def test_the_kernel_is_this_environment_whatever_else_is_called_python3(built):
    assert sys.executable in built[0].page("notebooks/01_data")


def test_executed_copy_has_outputs_and_no_trace_of_the_runner(built):
    path = built[0].project.executed / "01_data.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    assert any(cell.get("outputs") for cell in notebook.cells)
    assert not any("papermill" in part.metadata for part in [notebook, *notebook.cells])
    assert str(built[0].root) not in path.read_text()
    assert not list(built[0].project.failed.iterdir())


def test_a_number_reaches_another_page_and_results_are_merged(built):
    book, _ = built
    assert "It was 0.12" in " ".join(
        book.page("book/reader").replace('<span class="pasted-text">', "").split()
    )
    merged = json.loads((book.project.build / "results.json").read_text())
    assert list(merged) == ["cells", "score"]
    assert merged["score"]["value"] == 0.125
    assert merged["score"]["notebook"] == "02_model"


def test_a_second_build_runs_nothing(book):
    done = book.make("book")
    assert done.returncode == 0
    assert chapters(done.stdout) == []
    assert "Rendering" not in done.stdout
    assert "Read the book:" in done.stdout


def test_a_touched_chapter_reruns_with_its_dependants_only(book):
    os.utime(book.root / "notebooks" / "01_data.md")
    assert book.run_all() == ["01_data", "02_model"]
    os.utime(book.root / "notebooks" / "03_other.md")
    assert book.run_all() == ["03_other"]
    assert book.run_all() == []


def test_a_new_need_is_learnt_from_the_front_matter(book):
    other = book.root / "notebooks" / "03_other.md"
    other.write_text(
        other.read_text().replace("---\n\n# Other", "bookpress: {needs: [02_model]}\n---\n\n# Other")
    )
    assert book.run_all() == ["03_other"]
    os.utime(book.root / "notebooks" / "02_model.md")
    assert book.run_all() == ["02_model", "03_other"]


def test_a_circle_of_needs_is_told_before_anything_runs(book):
    data = book.root / "notebooks" / "01_data.md"
    data.write_text(data.read_text().replace("---\n\n# Data", "bookpress: {needs: [02_model]}\n---\n\n# Data"))
    done = book.make("book")
    assert done.returncode != 0
    assert "Notebooks need each other in a circle: 01_data, 02_model." in done.stderr
    assert chapters(done.stdout) == []


def test_changed_helpers_and_settings_rerun_all_and_page_code_none(book):
    everything = ["01_data", "02_model", "03_other"]
    os.utime(book.root / "src" / "bookpress" / "gate.py")
    assert book.run_all() == []
    os.utime(book.root / "src" / "patchtype" / "__init__.py")
    assert book.run_all() == everything
    assert book.run_all(HELPERS_QUICK="1") == everything
    assert book.run_all(HELPERS_QUICK="1") == []
    assert book.run_all() == everything


def test_simulated_cells_are_announced_on_every_page_that_shows_them(book, built):
    """Where the public tables cannot be had, the book falls back to simulated cells by itself and says so."""
    assert "book-simulated" not in built[0].page("notebooks/01_data") + built[0].page("book/intro")
    nowhere = {"HELPERS_CACHE": str(book.root / "cache"), "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = book.make("book", REAL_DATA_CHECK, HELPERS_QUICK="1", **nowhere)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nNo data, so the book is built on the package's simulated cells: " in done.stderr
    assert chapters(done.stdout) == ["01_data", "02_model", "03_other"]  # settings changed: all of them again
    for page in (
        "notebooks/01_data",
        "notebooks/02_model",
        "notebooks/03_other",
        "book/intro",
        "book/reader",
    ):
        html = book.page(page)
        banner, title = html.index("book-simulated"), html.index("<h1>")
        assert title < banner < title + 600, page
    assert "book-quick" in book.page("notebooks/03_other")
    assert "book-simulated" not in book.page("book/provenance")
    assert json.loads((book.project.build / "results.json").read_text())["score"]["cohort"] == "simulated"


def test_a_failing_cell_stops_the_build_with_its_number_and_keeps_the_old_book(book):
    other = book.root / "notebooks" / "03_other.md"
    other.write_text(other.read_text().replace("print(seed)", "print('before'); 1 / 0"))
    before = book.page("notebooks/03_other")
    done = book.make("book")
    assert done.returncode != 0
    assert "03_other: cell 2 of 2 failed." in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "bookpress" not in done.stderr  # the author's traceback, not ours
    assert book.page("notebooks/03_other") == before
    kept = book.project.failed / "03_other.ipynb"
    assert str(kept.relative_to(book.root)) in done.stderr
    assert "before" in kept.read_text()
    assert not (book.project.executed / "03_other.ipynb").exists()
    other.write_text(other.read_text().replace("1 / 0", "pass"))
    assert book.run_all() == ["03_other"]
    assert not kept.exists()


def test_an_explicit_cohort_wins(book):
    nowhere = {"HELPERS_CACHE": str(book.root / "cache"), "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = book.make("book", REAL_DATA_CHECK, HELPERS_COHORT="published", **nowhere)
    assert done.returncode != 0
    assert "\nNo data: mouse_efeature.csv is not in a data folder and could not be downloaded" in done.stderr
    assert "Error 3" in done.stderr
    assert chapters(done.stdout) == []


def test_missing_data_stops_before_anything_is_built(book):
    book.make("clean")
    done = book.make("book", "DATA_CHECK=sh -c 'echo The data is nowhere. >&2; exit 3'")
    assert done.returncode != 0
    assert "The data is nowhere." in done.stderr
    assert "Error 3" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (book.root / "_build").exists()


def test_a_finding_of_the_gate_keeps_the_old_book(book):
    page = book.root / "book" / "reader.md"
    page.write_text(page.read_text() + "\n![](../assets/static/logo.svg)\n")
    before = book.page("book/reader")
    done = book.make("book")
    assert done.returncode != 0
    assert "book/reader.html: image" in done.stderr
    assert "has no alt text" in done.stderr
    assert book.page("book/reader") == before


def test_a_warning_of_the_renderer_keeps_the_old_book(book):
    page = book.root / "book" / "reader.md"
    page.write_text(page.read_text() + "\n{ref}`nowhere`\n")
    done = book.make("book")
    assert done.returncode != 0
    assert "reader.md" in done.stderr
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
    assert book.project.html.is_dir()


def test_provenance_names_versions_runs_and_the_way_to_make_it_again(built):
    page = BeautifulSoup(built[0].page("book/provenance"), "lxml").article.get_text()
    for words in ("scikit-learn", "2.13.0", "1.0.4.post1", "02_model", "not in a repository", "make book"):
        assert words in page
