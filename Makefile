# The main targets are `make demo` (bare machine to running fleet) and `make test`. Each target runs the setup that it needs.
.DEFAULT_GOAL := help
.PHONY: help setup demo lab test test-changes test-properties test-kills fuzz check lock clean distclean

help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install missing parts: Debian packages, .venv, the Pulumi engine.
	@bash lab/bootstrap.sh

demo: setup ## Run the whole pipeline on the lab, from history to running machines.
	@.venv/bin/tiercast lab demo

lab: setup ## Start the lab and leave it running.
	@.venv/bin/tiercast lab up

test: setup ## Run all tests, with the real engine and the lab.
	@.venv/bin/python -m pytest -n auto --maxprocesses 4

SEED ?= $(shell date +%s)
test-properties: setup ## Run all generated cases; SEED=N repeats those of an earlier run, whose header shows its seed.
	@.venv/bin/python -m pytest -m generated --parts 10 --seed $(SEED) -n auto --maxprocesses 4

test-kills: setup ## Kill processes of runs at 100 moments and start 20 pairs of runs, on the lab; run again, it goes on (build/kills.json).
	@.venv/bin/python -m tests.kills $(if $(filter command line,$(origin SEED)),--seed $(SEED))

fuzz: setup ## Read 10,000 mutated files; SEED=N repeats those of an earlier run, whose header shows its seed.
	@.venv/bin/python -m pytest tests/reconciler/cli/test_mutated_files.py --parts 10 --seed $(SEED) -n auto --maxprocesses 4

test-changes: setup ## Carry out 30 changes on a lab and sample ready capacity every second; SEED=0 repeats the recorded ones.
	@.venv/bin/python -m benchmarks.changes --changes 30 --seed $(SEED)

check: setup ## Check lint, format, types and import contracts.
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/pyright stacks

lock: setup ## Resolve the dependencies of pyproject.toml again and write requirements/.
	@bash lab/lock.sh

clean: ## Stop the lab, remove its state and stack, and delete the caches. Other stacks keep their files.
	@python3 -m lab.stop --state --stack
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build

distclean: clean ## Run clean and remove the virtualenv.
	@rm -rf .venv tiercast.egg-info
