# Every target sets itself up: `make demo` and `make test` work on a fresh clone with Python 3.11+ and make.
PYTHON ?= python3
# Extra words for pip, such as a wheel index of your own.
PIP_ARGS ?=
BIN := .venv/bin

# For `make quality`.
SET ?= sst2
DATA ?= ../shared/data
SEEDS ?= 3

.PHONY: setup demo test test-long lint quality docs clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[dev]'
	touch $@

# A classifier of this machine's own Python standard library: what is a piece of code about?
demo: setup
	$(BIN)/python examples/stdlib.py build/demo
	$(BIN)/throughtime train classify build/demo/train.jsonl --text code --label topic --test build/demo/test.jsonl \
		--max-length 60 --minutes 1.3 --out build/demo/model --overwrite
	@echo; echo 'What are these lines about? (throughtime predict build/demo/model -)'; echo
	@$(BIN)/throughtime predict build/demo/model - < examples/snippets.txt
	@echo; echo 'Open build/demo/model/report.html in a browser to see how it learnt.'

test: setup
	$(BIN)/python -m pytest

test-long: setup
	$(BIN)/python -m pytest -m long --timeout 3600

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Figures of learnt quality: make quality SET=trec DATA=../shared/data SEEDS=3
quality: setup
	$(BIN)/python benchmarks/quality.py $(SET) --data $(DATA) --seeds $(SEEDS)

docs: .venv/docs
	$(BIN)/mkdocs build --strict

.venv/docs: .venv/installed
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf build site .venv
