"""A small book of three chapters, built once by the real Makefile, papermill and Jupyter Book."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from bookpress.project import Project

HEAD = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
{needs}---

# {title}

{text}

```{{code-cell}} ipython3
:tags: [parameters]

cohort = "published"
quick = False
seed = 7
```

```{{code-cell}} ipython3
{code}
```
"""

RECORD = """import json, os, sys
from pathlib import Path
from myst_nb import glue

build = Path(os.environ["HELPERS_BUILD"])
name = os.environ["HELPERS_NOTEBOOK"]
row = {{"value": {value}, "interval": None, "n": 3, "cohort": cohort, "protocol": "none", "paper": None}}
(build / "results").mkdir(exist_ok=True)
recorded = {{"notebook": name, "results": {{"{key}": row}}}}
(build / "results" / f"{{name}}.json").write_text(json.dumps(recorded))
glue("{key}", {value}, display=False)
print(sys.executable)"""


# Everything that could push a page wider than a phone.
ALT = "---\nmystnb:\n  image:\n    alt: A rising line, wider than any phone.\n---\n"
WIDE = f"""{ALT}import matplotlib.pyplot as plt
import pandas as pd

print("a long line " * 40)
print(seed)
plt.figure(figsize=(20, 2), facecolor="none").add_subplot().plot([0, 1])
plt.show()
pd.DataFrame({{f"column {{i}}": [i / 7] * 3 for i in range(30)}})"""
READER = f"""# Reader

It was {{glue:text}}`../notebooks/02_model.ipynb::score:.2f`, with $a = b$ and {"a_name_without_end" * 5}.

$$
a = b {"+ c + d + e + f + g" * 8}
$$

| {"A | " * 9}
| {"--- | " * 9}
| {"many words | " * 9}
"""
TOC = """format: jb-book
root: book/intro
parts:
  - caption: Chapters
    numbered: true
    chapters:
      - file: notebooks/01_data
      - file: notebooks/02_model
      - file: notebooks/03_other
  - caption: Results
    chapters:
      - file: book/ledger
      - file: book/provenance
      - file: book/reader
"""


def chapter(title: str, code: str, needs: str = "", text: str = "Some words.") -> str:
    """MyST source of a chapter with one code cell after its parameters."""
    head = f"bookpress: {{needs: [{needs}]}}\n" if needs else ""
    return HEAD.format(title=title, code=code, needs=head, text=text)


@dataclass
class Book:
    """A book's folder and its `make`."""

    root: Path

    @property
    def project(self) -> Project:
        return Project(self.root)

    def make(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run make with this environment's Python, no data and the book's own copy of the package."""
        ours = ("HELPERS_", "MAKE", "MFLAGS")
        clean = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        return subprocess.run(
            ["make", "-o", f"{sys.prefix}/.ready", f"VENV={sys.prefix}", "DATA_CHECK=true", *words],
            cwd=self.root, capture_output=True, text=True, timeout=300,
            env=clean | {"PYTHONPATH": str(self.root / "src")} | env,
        )  # fmt: skip

    def run_all(self, **env: str) -> list[str]:
        """Bring the executed notebooks up to date, without pages; the names of those that ran."""
        targets = [f"_build/executed/notebooks/{path.stem}.ipynb" for path in self.sources()]
        done = self.make("-j2", "STEP=book", *targets, **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return sorted(line.partition(":")[0] for line in done.stdout.splitlines() if ": started" in line)

    def sources(self) -> list[Path]:
        return sorted((self.root / "notebooks").glob("*.md"))

    def page(self, name: str) -> str:
        return (self.project.html / f"{name}.html").read_text(encoding="utf-8")


def write_book(folder: Path, repository: Path) -> Book:
    """Lay out the small book in ``folder`` with the repository's own machine."""
    for name in ("Makefile", "_config.yml", "pyproject.toml", *(p.name for p in repository.glob("requirements*.txt"))):
        shutil.copy(repository / name, folder)
    shutil.copytree(
        repository / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    shutil.copytree(repository / "assets", folder / "assets")
    pages = {
        "_toc.yml": TOC,
        "book/references.bib": "",
        "book/intro.md": "# A small book\n\nRead [the data](../notebooks/01_data.ipynb).\n",
        "book/ledger.md": "# Ledger\n\n```{include} generated/ledger.md\n```\n",
        "book/provenance.md": "# Provenance\n\n```{include} generated/provenance.md\n```\n",
        "book/reader.md": READER,
        "notebooks/01_data.md": chapter("Data", RECORD.format(key="cells", value=41)),
        "notebooks/02_model.md": chapter("Model", RECORD.format(key="score", value=0.125), needs="01_data"),
        "notebooks/03_other.md": chapter("Other", WIDE),
    }
    for name, text in pages.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return Book(folder)


@pytest.fixture(scope="session")
def built(
    tmp_path_factory: pytest.TempPathFactory, root: Path
) -> tuple[Book, subprocess.CompletedProcess[str]]:
    """The small book after its first `make book`, and what that printed. Not to be changed."""
    book = write_book(tmp_path_factory.mktemp("small"), root)
    # A kernel of that name elsewhere, and broken: the book must not meet it.
    foreign = book.root / "foreign" / "kernels" / "python3"
    foreign.mkdir(parents=True)
    (foreign / "kernel.json").write_text(
        '{"argv": ["/bin/false"], "display_name": "Broken", "language": "python"}'
    )
    done = book.make("book", JUPYTER_PATH=str(foreign.parents[1]))
    assert done.returncode == 0, done.stdout + done.stderr
    return book, done


@pytest.fixture
def book(built: tuple[Book, object], tmp_path: Path) -> Book:
    """A copy of the built small book, clock times kept, to do anything with."""
    shutil.copytree(built[0].root, tmp_path / "book")
    return Book(tmp_path / "book")
