# `make help` explains every command. Needed: Python 3.11 to 3.13, make, git. All that is installed goes to .local/.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

LOCAL := .local
VENV := $(LOCAL)/venv
EMULATOR := $(LOCAL)/emulator
BIN := $(VENV)/bin
PY := $(BIN)/python
UV := $(BIN)/uv
PORT ?= 8080
LLM ?= emulator
DOORS ?= one
FN ?=
ID ?=
FOLLOW ?=
JSON ?=
ENDPOINT ?=
export UV_NO_PROGRESS := 1
export UV_LINK_MODE := copy
export PYTHONPATH := $(CURDIR)/shared:$(CURDIR)
PYTEST := $(BIN)/pytest -n 2

# PYTHON= is used where an environment is made. For those that exist already it must be theirs: else it is refused here.
ifneq ($(PYTHON)$(filter-out clean help,$(MAKECMDGOALS)),$(PYTHON))
ifneq ($(PYTHON),)
ifneq ($(shell PYTHON='$(PYTHON)' tools/same-python.sh $(patsubst %/bin/python,%,$(wildcard $(LOCAL)/*/bin/python)) && echo same),same)
$(error PYTHON=$(PYTHON) can't be used)
endif
endif
endif

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

# --- environments ----------------------------------------------------------------------------------------------------

$(VENV)/.tools: requirements/tools.txt
	@python=$$(tools/find-python.sh) && echo "creating $(VENV) with $$python" && rm -rf $(VENV) && "$$python" -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/tools.txt
	@touch $@

$(VENV)/.test: $(VENV)/.tools requirements/test.txt
	@echo "installing the test tools" && $(UV) pip install --quiet --python $(PY) --require-hashes -r requirements/test.txt
	@touch $@

$(VENV)/.lint: $(VENV)/.test requirements/lint.txt
	@echo "installing linters and type checker" && $(UV) pip install --quiet --python $(PY) --require-hashes -r requirements/lint.txt
	@touch $@

$(EMULATOR)/.ready: $(VENV)/.tools requirements/emulator.txt
	@echo "installing the emulator in a venv of its own" && rm -rf $(EMULATOR)
	@$(UV) venv --quiet --python "$$(tools/find-python.sh)" $(EMULATOR)
	@$(UV) pip install --quiet --python $(EMULATOR)/bin/python --require-hashes -r requirements/emulator.txt
	@touch $@

$(LOCAL)/llm/.ready: $(VENV)/.tools requirements/llm.txt
	@tools/install-llm.sh $(UV) "$$(tools/find-python.sh)" $(LOCAL)/llm

.PHONY: venv
venv: $(VENV)/.lint $(EMULATOR)/.ready ## Create every environment that development needs

# --- running ---------------------------------------------------------------------------------------------------------

.PHONY: run stop env logs redeploy build
run: $(VENV)/.tools $(EMULATOR)/.ready $(if $(filter local,$(LLM)),$(LOCAL)/llm/.ready) ## Serve the whole gateway on http://127.0.0.1:8080 (PORT=, DOORS=one|split, LLM=emulator|local|openai|anthropic|bedrock)
	@exec $(PY) -m tools.local run --port='$(PORT)' --llm $(LLM) --doors $(DOORS)

stop: $(VENV)/.tools ## Stop the running gateway
	@$(PY) -m tools.local stop

env: ## Print URL and keys of the running gateway for another shell: eval $(make env)
	@[ -x $(PY) ] || { echo "No gateway runs; start one with \`make run\`." >&2; exit 1; }
	@$(PY) -m tools.local env

logs: $(VENV)/.tools ## Show the running gateway's requests, a line each (FOLLOW=1, ID=x-request-id, FN=stream, JSON=1)
	@$(PY) -m tools.local logs $(if $(FOLLOW),--follow) $(if $(JSON),--json) $(if $(FN),--function '$(FN)') $(if $(ID),--id '$(ID)')

redeploy: $(VENV)/.tools ## Put changed code into the running gateway
	@$(PY) -m tools.local redeploy

build: $(VENV)/.tools ## Build the zips for AWS (python3.13, arm64) into build/
	@$(PY) -m tools.build --target aws

# --- checking --------------------------------------------------------------------------------------------------------

.PHONY: test upgrade-check unit integration lint format types imports dynamodb-local expressions contention lock-check bench
test: unit integration ## Run the tests that need only what `make run` needs; the ledger's on moto

unit: $(VENV)/.test # and what tests/contract/on_moto.py names, on moto
	@$(PYTEST) -m "not integration and not dynamodb_local and not terraform and not adapter and not clients and not agents and not upgrade"

integration: $(VENV)/.test $(EMULATOR)/.ready ## Deploy to an emulator and test end to end (ENDPOINT=http://... for a running one)
	@ENDPOINT=$(ENDPOINT) $(BIN)/pytest -m integration tests/integration

dynamodb-local: ## Judge every DynamoDB expression on DynamoDB Local (Java, Maven)
	@$(MAKE) expressions && $(MAKE) contention

CONTENTION := tests/contract/test_contention.py
expressions: $(VENV)/.test # all but what counts how callers at once hinder each other
	@$(PY) -m tools.dynamodb_local >/dev/null # once, before two workers want it
	@$(PYTEST) -m dynamodb_local --ignore=$(CONTENTION) tests/contract

contention: $(VENV)/.test # with nothing else on the machine
	@$(BIN)/pytest -m dynamodb_local $(CONTENTION)

upgrade-check: $(VENV)/.test ## Check that this code and earlier releases read each other's stored data (docs/upgrades.md)
	@$(BIN)/pytest -m upgrade tests/upgrade

lint: $(VENV)/.lint ## Check style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: $(VENV)/.lint ## Format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

types: $(VENV)/.lint ## Check types, strictly
	@$(BIN)/mypy

imports: $(VENV)/.lint ## Check which room may import which
	@$(BIN)/lint-imports

lock-check: $(VENV)/.tools ## Check that the locks match the requirements, with hashes
	@$(PY) -m tools.locks check

bench: $(VENV)/.test $(EMULATOR)/.ready ## Run the benchmarks; they compare in one run and print ratios
	@for script in benchmarks/*.py; do echo "== $$script"; $(PY) $$script; done

.PHONY: ci
ci: ## Everything CI checks, from nothing, in two lanes (tools/ci.py); prints each step's seconds
	@tools/ci.sh

# --- upkeep ----------------------------------------------------------------------------------------------------------

.PHONY: lock prices clean
lock: $(VENV)/.tools ## Compile the locks again
	@$(PY) -m tools.locks compile

prices: $(VENV)/.tools ## Make the price list and the model cards again from the pinned release
	@$(PY) -m tools.models write

clean: ## Remove everything that was installed or built here
	@rm -rf $(LOCAL) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

-include tools/make/*.mk
