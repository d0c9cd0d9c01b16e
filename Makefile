# Needs python3 (3.11 to 3.13, with venv) and make. Each target creates what it needs and can be repeated.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: quickstart test check coverage bench clean

quickstart: .venv/installed
	$(BIN)/qutiperf run quickstart

test: .venv/developing
	$(BIN)/pytest -q -n logical

check: .venv/developing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q -n logical -m "slow or not slow"

coverage: .venv/developing
	$(BIN)/pytest -q --cov --cov-report=term

bench: .venv/developing
	for each in benchmarks/*.py; do echo "== $$each"; $(BIN)/python $$each || [ $$? -eq 3 ] || exit 1; done

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/developing: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ .venv/installed

clean:
	rm -rf .venv dist results .coverage .coverage.*
