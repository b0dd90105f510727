# `make demo` and `make test` need python3 and a package index, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# torch is pinned in constraints.txt: an unpinned torch brings gigabytes of GPU libraries.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := $(shell find src -type f -not -name '*.pyc')

.PHONY: demo test lint types unit slow soak wheel report clean

demo: | $(BIN)/python
	@test -e $(VENV)/.dev || $(MAKE) --no-print-directory $(VENV)/.runtime
	$(BIN)/unislu analyze examples/jfk.flac

test: lint types unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(BIN)/python -m pytest

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

# Five minutes of honest clients and every kind of abuse, on this machine alone: docs/how-to/serve.md
soak: $(VENV)/.dev
	$(BIN)/python benchmarks/soak.py

wheel: $(VENV)/.dev
	$(PIP) install build
	$(BIN)/python -m build

# The report of the default bundle on its development data: make report DATA=speech OUT=somewhere
report: $(VENV)/.dev
	PATH="$(abspath $(BIN)):$$PATH" benchmarks/report.sh "$(DATA)" "$(OUT)"

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { echo "unislu: '$(PYTHON) -m venv' failed: install your system's python3-venv package" >&2; exit 1; }

# A plain install, as a user has it: this is also what checks that the wheel is complete.
$(VENV)/.runtime: pyproject.toml $(SOURCES) | $(BIN)/python
	$(PIP) install --constraint constraints.txt .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@
