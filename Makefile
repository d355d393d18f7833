# Two commands matter: `make demo` (bare machine to running fleet) and `make test`. Every target sets up what it needs.
.DEFAULT_GOAL := help
.PHONY: help setup demo lab test check lock clean distclean

help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing: Debian packages, .venv, the Pulumi engine.
	@bash lab/bootstrap.sh

demo: setup ## The whole pipeline on the lab: history to running machines.
	@.venv/bin/tiercast lab demo

lab: setup ## Start the lab and leave it running.
	@.venv/bin/tiercast lab up

test: setup ## All tests, with the real engine and the lab.
	@.venv/bin/python -m pytest -n auto --maxprocesses 4

check: setup ## Lint, format, types, layers.
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/pyright stacks

lock: setup ## Resolve pyproject.toml's dependencies anew and write requirements/.
	@bash lab/lock.sh

clean: ## End the lab, remove its state and stack, and empty the caches. Other stacks keep their files.
	@python3 -m lab.stop --state --stack
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build

distclean: clean ## clean, and remove the virtualenv.
	@rm -rf .venv tiercast.egg-info
