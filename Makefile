# Every target sets itself up: `make demo` and `make test` work on a fresh clone with Python 3.11+ and make.
PYTHON ?= python3
# Extra words for pip, such as a wheel index of your own.
PIP_ARGS ?=
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt
KERNELS := CMakeLists.txt $(wildcard throughtime/kernels/*.h throughtime/kernels/*.cpp throughtime/kernels/cells/*.h)

# For `make quality`.
SET ?= sst2
DATA ?= ../shared/data
SEEDS ?= 3

.PHONY: setup demo test test-long sanitize lint bench quality docs clean

setup: .venv/installed

# What changed of the kernels is compiled again. Without a compiler the package is installed all the same, and says so.
.venv/installed: pyproject.toml constraints.txt $(KERNELS)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) cmake ninja nanobind scikit-build-core
	$(INSTALL) --no-build-isolation --editable '.[dev]'
	$(BIN)/python -c 'from throughtime.ops.kernels import MISSING as why; print(why)'
	touch $@

# A classifier of this machine's own Python standard library: what is a piece of code about?
demo: setup
	$(BIN)/python examples/stdlib.py build/demo
	$(BIN)/throughtime train classify build/demo/train.jsonl --text code --label topic --test build/demo/test.jsonl \
		--max-length 60 --minutes 1.3 --out build/demo/model --overwrite
	@echo; echo 'What are these lines about? (throughtime predict build/demo/model -)'; echo
	@$(BIN)/throughtime predict build/demo/model - < examples/snippets.txt
	@echo; echo 'Open build/demo/model/report.html in a browser to see how it learnt.'

# Each process has a core of its own, where threads that wait for each other must not do so busily.
test: setup
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-long: setup
	$(BIN)/python -m pytest -m long --timeout 3600

# The kernels' own tests under AddressSanitizer, UndefinedBehaviourSanitizer and ThreadSanitizer.
sanitize: setup
	for kind in address,undefined thread; do \
		PATH="$(CURDIR)/$(BIN):$$PATH" cmake -S . -B build/sanitize-$$kind -G Ninja -DSANITIZE=$$kind && \
		PATH="$(CURDIR)/$(BIN):$$PATH" cmake --build build/sanitize-$$kind --target test_kernels && \
		build/sanitize-$$kind/test_kernels || exit 1; \
	done

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Figures of learnt quality: make quality SET=trec DATA=../shared/data SEEDS=3
quality: setup
	$(BIN)/python benchmarks/quality.py $(SET) --data $(DATA) --seeds $(SEEDS)

# Speed beside torch.nn, ONNX Runtime and Keras on JAX; rows that build/speed.json holds are kept.
bench: .venv/bench
	$(BIN)/python benchmarks/speed/run.py --out build/speed.json --page docs/benchmarks.md

.venv/bench: .venv/installed
	$(INSTALL) --no-build-isolation --editable '.[bench]'
	touch $@

docs: .venv/docs
	$(BIN)/mkdocs build --strict

.venv/docs: .venv/installed
	$(INSTALL) --no-build-isolation --editable '.[docs]'
	touch $@

clean:
	rm -rf build site .venv
