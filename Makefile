# Each verb makes .venv when it is missing and says what it does.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PAGES := tests/test_style_budget.py tests/test_docs.py tests/test_public_names.py
SHELL := /bin/bash

.PHONY: help setup demo serve-demo test test-slow test-long schemas mutations check bench clean
help:  ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@echo "→ making $(VENV) with the versions of constraints.txt (about 1 GB; a minute or two)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "radversary needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps pytorch-ood  # it asks for torchvision
	@touch $@
setup: $(STAMP)  ## make .venv

demo: $(STAMP)  ## audit a small ResNet on phantoms: a report in minutes
	@$(BIN)/radversary demo

serve-demo: $(STAMP)  ## the platform with a demonstration: models, audits, a guard, screenings (minutes to fill)
	@test -d radversary-demo || $(BIN)/python -m radversary.service.demonstration radversary-demo
	@$(BIN)/radversary serve --home radversary-demo

test: $(STAMP)  ## the quick suite; what `check` runs is not run again
	@echo "→ tests"
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(addprefix --ignore=,$(PAGES))

test-slow: $(STAMP)  ## the slow tests
	@$(BIN)/python -m pytest -m 'slow and not long' -n auto --dist loadfile --no-loadscope-reorder

test-long: $(STAMP)  ## kills, crowds, soaks and buckets for longer, before a release
	@$(BIN)/python -m pytest -m long --timeout=900

schemas: $(STAMP)  ## write the JSON Schemas of results and the API's OpenAPI into docs/schema
	@PYTHONPATH=tests/report $(BIN)/python tests/test_schemas.py

mutations: $(STAMP)  ## damage 12,000 inputs of every kind; each must be read or refused in a sentence (half an hour)
	@$(BIN)/python -m tests.mutations --count 12000

check: $(STAMP)  ## ruff, mypy strict, layers, style budget, docs
	@echo "→ ruff";        $(BIN)/ruff check src tests benchmarks examples
	@echo "→ mypy";        $(BIN)/mypy
	@echo "→ layers";      $(BIN)/lint-imports
	@echo "→ style budget and docs"; $(BIN)/python -m pytest -q $(PAGES)

bench: $(STAMP)  ## measure speed against named peers; results in benchmarks/results
	@$(BIN)/python -m benchmarks

clean:  ## remove .venv and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
