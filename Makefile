# Every target sets itself up: `make demo` and `make test` work on a fresh clone with Python 3.11+ and make.
PYTHON ?= python3
# Extra words for pip, such as a wheel index of your own.
PIP_ARGS ?=
BIN := .venv/bin

.PHONY: setup demo test test-long lint quality docs clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[dev]'
	touch $@

test: setup
	$(BIN)/python -m pytest

test-long: setup
	$(BIN)/python -m pytest -m long

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
