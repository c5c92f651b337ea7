PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint types format lock clean

run: .venv/run.stamp  ## serve a standalone node with a demo app on 8080 (devices) and 8081 (control)
	@$(BIN)/edge demo

test: .venv/test.stamp  ## the one gate: format, lint, types, tests on both event loops
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest

format: .venv/test.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run.stamp: requirements.lock pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/test.stamp: requirements-test.lock .venv/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.lock
	@touch $@

lock:  ## re-make both lock files from the ranges in pyproject.toml
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --all-build-deps --generate-hashes -o requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --all-build-deps --generate-hashes --extra test -o requirements-test.lock pyproject.toml

clean:
	rm -rf .venv edge-data .mypy_cache .pytest_cache .ruff_cache .hypothesis
