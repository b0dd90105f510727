# `make demo` and `make test` need python3 and a package index, nothing else. What a machine lacks is not tested,
# and the tests say at their end what that is and how to get it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := $(shell find src -type f -not -name '*.pyc')
# Continuous integration has what the tests need: there a part that is not tested is a failure.
ALL_PARTS := $(if $(CI),--all-parts)
# What runs without torch: tested with the oldest and the newest versions of what it requires.
RUNTIME_TESTS := tests/audio tests/browse tests/bundle tests/cli tests/decoding tests/listen tests/mcp tests/models \
	tests/recognition tests/redact tests/sequence tests/server tests/speakers tests/vad tests/values tests/writers
GPU_LIBRARIES := torch triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti \
	nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand \
	nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 \
	nvidia-nvtx
COMPILE = uv pip compile --quiet --python-version 3.11 --universal --custom-compile-command 'make lock'

.PHONY: demo test lint types unit slow oldest newest lock audit soak wheel report docs clean

demo: | $(BIN)/python
	@test -e $(VENV)/.dev || $(MAKE) --no-print-directory $(VENV)/.runtime
	$(BIN)/unislu analyze examples/jfk.flac

test: lint types unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(BIN)/python -m pytest $(ALL_PARTS)

# On the built wheel, as a user has it.
slow: wheel
	rm -rf build/installed
	$(PIP) install --no-deps --target build/installed dist/*.whl
	PYTHONPATH="$(abspath build/installed)" $(BIN)/python -m pytest -m slow $(ALL_PARTS) -o pythonpath=build/installed

oldest: $(VENV)-oldest/.installed
	PYTHONPATH=src $(VENV)-oldest/bin/python -m pytest $(RUNTIME_TESTS)

newest: $(VENV)-newest/.installed
	PYTHONPATH=src $(VENV)-newest/bin/python -m pytest $(RUNTIME_TESTS)

lock:
	$(COMPILE) --upgrade --generate-hashes --extra server --output-file requirements/server.txt pyproject.toml
	$(COMPILE) --upgrade --generate-hashes --extra dev --constraint constraints.txt \
	  $(addprefix --no-emit-package ,$(GPU_LIBRARIES)) --output-file requirements/dev.txt pyproject.toml
	$(COMPILE) --upgrade --generate-hashes --extra docs --output-file requirements/docs.txt pyproject.toml
	$(COMPILE) --upgrade --generate-hashes --extra server --extra scale --extra eval --resolution lowest-direct \
	  --output-file requirements/oldest.txt pyproject.toml requirements/test-runtime.in

audit: $(VENV)/.dev
	$(PIP) install pip-audit
	$(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements/server.txt
	$(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements/dev.txt

# Five minutes of honest clients and every kind of abuse, on this machine alone: docs/how-to/serve.md
soak: $(VENV)/.dev
	$(BIN)/python benchmarks/soak.py

wheel: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m build

# The report of the default bundle on its development data: make report DATA=speech OUT=somewhere
report: $(VENV)/.dev
	PATH="$(abspath $(BIN)):$$PATH" benchmarks/report.sh "$(DATA)" "$(OUT)"

# The pages and the reference of the Python API, in build/site; a warning is an error.
docs: $(VENV)-docs/.installed
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --strict

clean:
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-newest $(VENV)-docs build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { echo "unislu: '$(PYTHON) -m venv' failed: install your system's python3-venv package" >&2; exit 1; }

# A plain install, as a user has it: this is also what checks that the wheel is complete.
$(VENV)/.runtime: pyproject.toml $(SOURCES) | $(BIN)/python
	$(PIP) install .
	@touch $@

# torch comes first and by its pin alone: a lock of its GPU libraries would be gigabytes for nothing.
$(VENV)/.dev: pyproject.toml constraints.txt requirements/dev.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt torch
	$(PIP) install --no-deps --require-hashes --requirement requirements/dev.txt
	$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)-oldest/.installed: pyproject.toml requirements/oldest.txt
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes \
	  --requirement requirements/oldest.txt
	@touch $@

$(VENV)-docs/.installed: requirements/docs.txt
	$(PYTHON) -m venv $(VENV)-docs
	$(VENV)-docs/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes \
	  --requirement requirements/docs.txt
	@touch $@

$(VENV)-newest/.installed: pyproject.toml requirements/test-runtime.in
	$(PYTHON) -m venv $(VENV)-newest
	$(VENV)-newest/bin/python -m pip --disable-pip-version-check --quiet install --upgrade \
	  --requirement requirements/test-runtime.in '.[server,scale,eval]'
	$(VENV)-newest/bin/python -m pip --quiet uninstall --yes unislu
	@touch $@
