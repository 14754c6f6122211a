# Every target sets itself up: the first call makes .venv and installs, later calls start at once.
# PYTHON=python3.12 chooses another interpreter, CI=1 runs the slow tests too.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
.DEFAULT_GOAL := help
.PHONY: help demo test lint types unit format docs bench clean

help:  ## these lines
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(READY)  ## search real photos and a small rendered library (under 3 minutes)
	$(BIN)/finereel demo demo

test: lint types unit  ## everything that must hold before a commit

lint: $(READY)  ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## mypy --strict
	$(BIN)/mypy

unit: $(READY)  ## tests and doctests, two at a time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal --reruns 1 --only-rerun 'worker .* crashed' -r fER

bench: $(READY)  ## every figure with a goal, measured in one run
	$(BIN)/python -m research.benchmarks.goals

docs: $(READY)  ## build the documentation into site/, warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: $(READY)  ## rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the environment and what tests and demos left
	rm -rf $(VENV) demo site .mypy_cache .ruff_cache .pytest_cache .hypothesis

# torch first and pinned, so that no dependency can bring another one.
$(READY): pyproject.toml constraints.txt $(wildcard kernels/*.py kernels/*/*.py kernels/src/*)
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Finereel needs Python 3.11 or newer; give one with PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	@$(BIN)/pip install --quiet ./kernels 2>/dev/null || echo 'no C++ compiler: scores take torch; ./kernels makes them cheaper'
	@touch $@
