# Two commands matter: `make book` builds and checks the book, `make test` builds it and tests everything.
# `make help` lists the rest.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON       ?= python3.11
VENV         ?= .venv
JOBS         ?= 2
TORCH_INDEX  ?= https://download.pytorch.org/whl/cpu
BIN          := $(VENV)/bin
HELPERS      := $(BIN)/python -m helpers
export OMP_NUM_THREADS ?= 1
export PYTHONHASHSEED := 0

.PHONY: env
env: $(VENV)/.ready

# torch goes first and alone: the extra index is asked for one package only, and where it cannot be
# reached pip goes on with the usual index. Nothing is resolved here: the lock says every version.
$(VENV)/.ready: requirements-dev.txt requirements-nodeps.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked environment into $(VENV) (some minutes the first time)"
	$(BIN)/pip install -q --no-deps --extra-index-url $(TORCH_INDEX) $$(grep '^torch==' requirements-dev.txt)
	$(BIN)/pip install -q --no-deps -r requirements-dev.txt -r requirements-nodeps.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: lock
lock:
	uv pip compile pyproject.toml --group book --universal --python-version 3.11 \
	  --no-annotate --no-header --no-emit-package allensdk -o requirements.txt
	uv pip compile pyproject.toml --group book --group dev -c requirements.txt --universal --python-version 3.11 \
	  --no-annotate --no-header --no-emit-package allensdk -o requirements-dev.txt
