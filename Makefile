# make quickstart | test | test-all | faults | bench | bench-scale | schema | clean; VENV=DIR shares an environment.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
CODE := study trainables search_spaces tests benchmarks docker
STAMP := $(VENV)/.installed

.PHONY: install quickstart test test-all lint faults bench bench-scale schema clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): about 7 GB, some minutes on first use"
	$(BIN)/python -m pip install --quiet --editable '.[dev]' --constraint constraints.txt
	touch $@

quickstart: install
	$(BIN)/study launch quickstart
	@echo "The report of it, to be opened in a browser:"
	@$(BIN)/study report quickstart

lint: install
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest --numprocesses 2 -m "not slow"

test-all: lint
	$(BIN)/python -m pytest --numprocesses 2 -m "not slow"
	$(BIN)/python -m pytest -m slow

faults: install
	$(BIN)/python -m tests.faults

bench: install
	$(BIN)/python -m benchmarks.platforms
	$(BIN)/python -m benchmarks.losses
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.pipeline
	$(BIN)/python -m benchmarks.tracking
	$(BIN)/python -m benchmarks.ledger_scale
	$(BIN)/python -m benchmarks.lanes
	$(BIN)/python -m benchmarks.gpu
	$(BIN)/python -m benchmarks.frozen_search

bench-scale: install
	$(BIN)/python -m benchmarks.scale --json benchmarks/results/scale-cpu.json
	$(BIN)/python -m benchmarks.scale --no-track --json benchmarks/results/scale-untracked-cpu.json
	$(BIN)/python -m benchmarks.two_nodes --json benchmarks/results/two-nodes-cpu.json
	$(BIN)/python -m benchmarks.cluster_scale --nodes 32 --cpus 2 --trials 1500 --json benchmarks/results/cluster-scale-cpu.json
	test -z "$$STUDY_DATA" || $(BIN)/python -m benchmarks.early_stopping \
		--json benchmarks/results/early-stopping-cpu.json --figure benchmarks/results/early-stopping-cpu.svg

schema: install
	$(BIN)/study schema > study/schema.json

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
