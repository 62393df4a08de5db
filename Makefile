# Two commands matter: `make book` builds and checks the book, `make test` builds it and tests everything.
# `make help` lists the rest. The environment may say:
#   HELPERS_QUICK=1          fewer repeats and folds, for a first look
#   HELPERS_COHORT=simulated the cells every notebook uses (published, simulated or dandi); when it says nothing,
#                            published, or simulated where the public tables cannot be had
#   HELPERS_MEMORY_MB=2048   what one notebook may use
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The newest supported Python that is there and runs.
PYTHON       ?= $(firstword $(foreach v,3.13 3.12 3.11,$(shell python$(v) -c 'print("python$(v)")' 2>/dev/null)))
VENV         ?= .venv
JOBS         ?= 2
BIN          := $(VENV)/bin
PATCHTYPE    := $(BIN)/patchtype
PRESS        := $(BIN)/python -m bookpress
DATA_CHECK   ?= $(PATCHTYPE) data --choose
export OMP_NUM_THREADS ?= 1
export PYTHONHASHSEED := 0
# Every process that imports torch with CUDA takes some 200 MB more than one with the torch that Binder has.
ifneq ($(wildcard $(VENV)/lib/python3*/site-packages/nvidia),)
export HELPERS_MEMORY_MB ?= 3072
endif

.PHONY: help
help:  ## list what make can do
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

.PHONY: env
env: $(VENV)/.ready  ## install the locked environment into .venv

# Nothing is resolved here: the lock says every version with its hashes. torch comes from its own index, which is
# asked for nothing else; where it cannot be reached, from the usual one, on Linux with its CUDA half of some gigabytes.
PIP := $(BIN)/pip install -q --no-deps
$(VENV)/.ready: requirements.txt requirements-torch-cpu.txt requirements-torch.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked environment into $(VENV) with $$($(BIN)/python -V) (some minutes the first time)"
	$(PIP) --require-hashes -r requirements.txt
	$(PIP) --require-hashes --retries 0 -r requirements-torch-cpu.txt || $(PIP) --require-hashes -r requirements-torch.txt
	$(PIP) --no-build-isolation -e .
	@touch $@

.PHONY: lock
lock:  ## resolve pyproject.toml into requirements*.txt and environment.yml (needs uv)
	bash .ci/lock

# --- the book -------------------------------------------------------------------------------------

SOURCES  := $(sort $(wildcard notebooks/[0-9][0-9]_*.md))
EXECUTED := $(SOURCES:notebooks/%.md=_build/executed/notebooks/%.ipynb)
ROOM     := src/bookpress
# What a notebook may import, and what runs it. The rest of the press only shapes pages.
CODE     := $(shell find src/patchtype src/helpers -type f -not -path '*/__pycache__/*' -not -name __main__.py 2>/dev/null) \
              $(wildcard $(addprefix $(ROOM)/,run.py watch.py notebook.py))
PAGES    := $(shell find book assets $(ROOM) -type f -not -path '*/__pycache__/*' 2>/dev/null) _config.yml _toc.yml pyproject.toml

.PHONY: book
book: env  ## build the book into _build/html, running only what changed
	@cohort=$$($(DATA_CHECK)) && HELPERS_COHORT="$${cohort:-$$HELPERS_COHORT}" \
	  $(MAKE) --no-print-directory -j$(JOBS) STEP=book _build/html/index.html
	@$(PRESS) summary

# Which notebook needs which stands in their front matter; `bookpress needs` writes it down for make.
ifeq ($(STEP),book)
include _build/needs.mk
endif

_build/needs.mk: $(SOURCES) $(wildcard $(ROOM)/notebook.py)
	@$(PRESS) needs

$(EXECUTED): _build/executed/notebooks/%.ipynb: notebooks/%.md $(CODE) _build/settings
	@$(PRESS) run $<

# These chapters are computed from kept predictions.
_build/executed/notebooks/04_random_forest.ipynb: $(wildcard science/baselines_*.json)
_build/executed/notebooks/05_attention_bilstm.ipynb: $(wildcard science/baselines_human*.json science/networks_*.json)
_build/executed/notebooks/06_cross_species_transfer.ipynb: $(wildcard science/suite*.json)
_build/executed/notebooks/07_fair_transfer.ipynb: $(wildcard science/transfer_*.json science/human_to_mouse*.json)
_build/executed/notebooks/08_better_model.ipynb: $(wildcard science/*.json)
_build/executed/notebooks/10_own_cell.ipynb: $(wildcard science/classifier_*.json)

_build/html/index.html: $(EXECUTED) $(PAGES) _build/commit
	@$(PRESS) render
	@touch $@

# These two files change only when what they say changes: settings reruns all notebooks, commit renders anew.
_build/settings: SAYS = cohort=$(or $(HELPERS_COHORT),published) quick=$(or $(HELPERS_QUICK),0)
_build/commit: SAYS = $(shell git rev-parse HEAD 2>/dev/null)
_build/settings _build/commit: always
	@mkdir -p _build; echo "$(SAYS)" | cmp -s - $@ || echo "$(SAYS)" > $@
.PHONY: always

.PHONY: notebooks
notebooks: env  ## write notebooks/*.ipynb from their sources
	@$(PRESS) notebooks

.PHONY: offline
offline: book  ## write the book as one archive and one PDF into _build/offline
	@$(PRESS) offline

.PHONY: student slides
student: env  ## write the student's and the instructor's bundle into _build
	@$(PRESS) student
slides: env  ## write slides from the executed notebooks into _build/slides.html
	@$(PRESS) slides

.PHONY: serve
serve:  ## show the built book on http://localhost:8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

# --- long runs ------------------------------------------------------------------------------------

.PHONY: suite bench science better bench-science
suite: env  ## run what chapters 4 to 6 read from science: table models, and the human regimes (ten repeats of most)
	@$(PATCHTYPE) baselines --jobs $(JOBS)
	@$(PATCHTYPE) suite --keep
	@$(PATCHTYPE) suite --keep --inputs "family embedding" --repeats 1
bench: env  ## time extraction and training against plain implementations of the same
	@$(BIN)/python benchmarks/extraction.py
	@$(BIN)/python benchmarks/training.py
science: env  ## run every method of transfer, and what else chapters 5, 7 and 8 read, that is not kept in science/ yet
	@$(PATCHTYPE) science --jobs $(JOBS)
	@$(PATCHTYPE) experiments
better: env  ## try the better model on development donors, score it on final ones, into science
	@$(PATCHTYPE) better
bench-science: env  ## goals of the book against kept predictions: goal, value, interval, verdict; what was tuned
	@$(BIN)/python benchmarks/science.py

.PHONY: models
models: env  ## train and measure the classifiers that `classify` uses, and write their card
	@$(PATCHTYPE) models --keep --simulated src/patchtype/cohorts/simulated

# --- checks ---------------------------------------------------------------------------------------

.PHONY: test
test: book  ## build the book, then run every test
	HELPERS_BOOK_REQUIRED=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile -m "not network"

.PHONY: test-fast
test-fast: env  ## the quick tests only, without building
	$(BIN)/python -m pytest -q -m "not slow and not browser and not network" --doctest-modules src tests

.PHONY: mutants fuzz hostile cheats
mutants: env  ## put small errors into the code, one by one: does a quick test notice each?
	@$(BIN)/python -m tests.mutants --jobs $(JOBS)
FUZZ ?= --minutes 2
fuzz: env  ## two minutes of harmed recordings, tables and notebooks (longer: make fuzz FUZZ="--minutes 20 --seed 1")
	@$(BIN)/python -m tests.fuzz $(FUZZ)
hostile: env  ## twelve good cells, and every kind of file made to harm among them: what they cost the good ones
	@$(BIN)/python -m tests.hostile
cheats: env  ## answers that try to be marked right, behind bubblewrap and without it
	@$(BIN)/python -m tests.cheats

.PHONY: lint
lint: env  ## code style, notebook pairs, numbers typed into prose, workflows
	$(BIN)/ruff check src tests benchmarks $(wildcard notebooks/*.ipynb)
	$(PRESS) notebooks --check
	$(PRESS) check-prose
	$(BIN)/actionlint
	$(BIN)/zizmor --offline --quiet --min-severity medium .github

.PHONY: check-book check-binder
check-book: book  ## look at every page in a browser: axe, keyboard, screens, links, weight
	@$(PRESS) check-book
check-binder: env  ## check what Binder installs, install it into _build/binder, run each chapter alone there
	@$(PRESS) check-binder
	@PRESS="$(PRESS)" .ci/alone binder _build/binder

.PHONY: check-answers check-student
check-answers: env  ## each listed answer, right or wrong, against its check in ten other draws of the check's inputs
	@$(BIN)/python -m tests.course.attempts
check-student: env  ## install the student's bundle, work through chapter 1 as a student does, hand in, grade
	@$(BIN)/python -m tests.course.student

.PHONY: check-wheel check-colab check-platforms
check-wheel: env  ## install the wheel alone on 3.11 and the newest other Python, classify a recording, run chapter 10
	@WHEEL_PYTHONS=all $(BIN)/python -m pytest -q tests/test_wheel.py
	@PRESS="$(PRESS)" .ci/alone pip _build/pip 10_own_cell
check-colab: env  ## install the chapters' needs beside what Colab has into _build/colab, run each chapter alone there
	@PRESS="$(PRESS)" .ci/alone colab _build/colab

check-platforms:  ## which extras can be installed from wheels on Linux, macOS and Windows (needs uv)
	@.ci/platforms

.PHONY: clean
clean:  ## remove everything built
	rm -rf _build
