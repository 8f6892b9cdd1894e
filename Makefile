# Everything installs itself into .venv; nothing outside this folder is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test test-long test-mutants lint release-check bench figures clean

help:
	@echo "make demo           train digits-sha, prove it bit for bit, run it and report (about 3 minutes)"
	@echo "                    DESIGN=digits-snn: the same with spikes"
	@echo "make test           the tests"
	@echo "make test-long      the tests that take minutes as well"
	@echo "make test-mutants   plant known bugs one at a time and name those that no test sees (a quarter of an hour)"
	@echo "make lint           ruff and mypy --strict"
	@echo "make release-check  lint and tests; results of other sources are an error, not a warning"
	@echo "make bench          speed and memory of the integer simulator"
	@echo "make figures        write the results in benchmarks/ into README.md and docs/"
	@echo "make clean          remove .venv, caches and runs"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "crossloom: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "crossloom: $(PYTHON) has no venv module; install it (Debian, Ubuntu: python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/crossloom demo $(DESIGN)

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 -q -m "not long"

test-long: $(STAMP)
	$(BIN)/python -m pytest -n 2 -q

test-mutants: $(STAMP)
	$(BIN)/python tests/mutants/run.py --jobs 2 --resume

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

release-check: export CROSSLOOM_RELEASE = 1
release-check: lint test

bench: $(STAMP)
	$(BIN)/crossloom bench sim

figures: $(STAMP)
	$(BIN)/python benchmarks/figures.py

clean:
	rm -rf $(VENV) runs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
