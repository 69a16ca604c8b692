# make demo    run every stage on real input, about 5 minutes
# make test    run every check and every test
# make engines run the jobs on clusters on this machine, about 15 minutes
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help venv demo test engines lint kernels format bench clean

BIN := .venv/bin

help:  ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 12

venv:  ## make .venv with every extra, unless it is complete
	@bash scripts/venv

demo: venv  ## run every stage on real input, into demo/
	@echo "demo: from the packages in .venv to a trained model, into demo/"
	@$(BIN)/stackpile demo

# The checks run beside the compilation of the kernels, which both workers of pytest then share.
test: venv  ## run every check and every test
	@$(MAKE) --no-print-directory -j 2 lint kernels
	@echo "test: pytest, on two cores"
	@$(BIN)/python -m pytest -n 2 --dist worksteal

engines: venv  ## fetch Spark, then run the jobs on it, alone and on a cluster of two machines
	@echo "engines: fetch Spark and Beam's job server"
	@$(BIN)/python -m tests.engines.job_server
	@$(BIN)/python -m pytest -m engines tests/engines

lint: venv  ## check lint, format, types and imports
	@echo "lint: ruff check";  $(BIN)/ruff check .
	@echo "lint: ruff format"; $(BIN)/ruff format --check .
	@echo "lint: mypy";        $(BIN)/mypy
	@echo "lint: imports";     $(BIN)/lint-imports

kernels: venv
	@echo "test: compiling the kernels"; $(BIN)/stackpile warm

format: venv  ## format the code and apply automatic fixes
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: venv  ## run every benchmark and write benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks

clean:  ## remove .venv, demo and caches
	@echo "clean: .venv, peers, demo and caches"
	@rm -rf .venv .peers demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
