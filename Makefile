PYTHON ?=  # for a new .venv; if empty, the best that ./pick-python finds
BIN := .venv/bin
LOAD := .venv-load/bin
NEW_VENV = python="$(strip $(PYTHON))" && python="$${python:-$$(./pick-python)}" && echo "a new environment of $$python" && "$$python" -m venv

.PHONY: run test format lock screenshots walk real-plugin drills loadtest-smoke clean

run: .venv/run.stamp  ## a node with a demo app and 200 simulated devices: devices on 8080, control API and page on 8081
	@$(BIN)/edge demo

test: .venv/test.stamp  ## the one gate: format, lint, types, tests on both event loops
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 3 --dist loadfile

format: .venv/test.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/bin/python:
	@$(NEW_VENV) .venv

.venv/run.stamp: requirements.lock pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/test.stamp: requirements-test.lock .venv/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.lock
	@touch $@

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

lock:  ## rewrite the lock files from the ranges in pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	printf 'hatchling>=1.27,<2\n' | $(COMPILE) pyproject.toml - -o requirements.lock
	printf 'hatchling>=1.27,<2\n' | $(COMPILE) --extra test -c requirements.lock pyproject.toml - -o requirements-test.lock
	printf 'hatchling>=1.27,<2\n' | $(COMPILE) --extra s3 --extra nats -c requirements.lock pyproject.toml - -o requirements-image.lock
	printf 'hatchling>=1.27,<2\n' | $(COMPILE) --extra load -c requirements.lock pyproject.toml - -o requirements-load.lock

screenshots: .venv/test.stamp  ## every page of a node, at desk and phone size, light and dark, into screenshots/ (needs Chromium)
	$(BIN)/python -m tests.drills.screenshots screenshots

walk: .venv/run.stamp  ## a real npm package on simulated devices of every generation (needs npm)
	$(BIN)/python -m tests.walks.npm_package

NODE ?= standalone

real-plugin: .venv/test.stamp  ## the published plugin judges a node: [NODE=region] [LINES="8.51.23 7.36.1"|ci] [SUITES="quiet names"] (needs npm, a JDK)
	$(BIN)/python -m tests.real_plugin --node "$(NODE)" --lines "$(LINES)" --suites "$(SUITES)"

DRILLS ?= long_tests properties signing_in route_costs slow_peers full_disk restored_store two_origins propagation republish revision_growth pack_memory id_set_scale facts_scale behaviour_scale \
	forged_devices many_apps restarts rotten_blobs region_trust telemetry_kills telemetry_home clickhouse_kills figures_size truth guard_bars guard_on_a_node facts_travel ofrep_clients \
	experiment_bars region_outages region_push region_store region_restarts region_fleet feed_costs push_million push_judges message_kills push_browser page_budget screenshots

drills: .venv/test.stamp  ## promises about time, memory and hostile peers, some minutes each: [DRILLS="propagation republish"]
	failed=""; for drill in $(DRILLS); do $(BIN)/python -m tests.drills.$$drill || failed="$$failed $$drill"; done; \
	$(BIN)/python -m tests.hostile --count 100000 || failed="$$failed hostile"; \
	test -z "$$failed" || { echo "these drills failed:$$failed"; exit 1; }

# Apart from .venv: locust brings a plugin into every pytest run beside it, and gevent patches what imports it.
.venv-load/load.stamp: requirements-load.lock pyproject.toml
	@$(NEW_VENV) .venv-load
	$(LOAD)/python -m pip install --quiet --disable-pip-version-check -r requirements-load.lock
	$(LOAD)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

loadtest-smoke: .venv-load/load.stamp  ## locust against a node of its own, for less than a minute: a stall shows, a day holds
	$(LOAD)/python -m pytest -c loadtests/tests/pytest.ini loadtests/tests
	$(LOAD)/python -m loadtests steady_day --run-time 10s

clean:
	rm -rf .venv .venv-load edge-data .mypy_cache .pytest_cache .ruff_cache .hypothesis
