# make demo and make test are all a newcomer needs; `make help` lists the rest.
PYTHON := .venv/bin/python
export OMP_NUM_THREADS ?= 1
export PYTHONPATH := lib

help:                ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 22

setup:               ## environment, Delta's jars, Horovod; once
	@bash environment/setup.sh

demo: setup          ## make demo data, run every job on it, write the report
	@./spark-submit.sh run_pipeline --lake demo/lake --out demo --demo --epochs 8 --compare-epochs 2 --classifier-epochs 2 --per-anchor 3 --crop-seconds 20
	@echo "report: $(CURDIR)/demo/report-demo.html"

check: setup lint    ## lint, types, and the tests that take a minute in all
	@$(PYTHON) -m pytest -m "not spark and not slow"

test: setup lint     ## lint, types, and all tests
	@$(PYTHON) -m pytest -m "not spark and not slow"
	@$(PYTHON) -m pytest -m "spark or slow" --no-header

lint:                ## ruff and mypy; changes nothing
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

style:               ## let ruff fix and format
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

bench: setup         ## speed and memory, beside other libraries
	@$(PYTHON) -m benchmarks.run
	@$(PYTHON) -m benchmarks.audio
	@$(PYTHON) -m benchmarks.catalog
	@$(PYTHON) -m benchmarks.triplets
	@$(PYTHON) -m benchmarks.loader
	@$(PYTHON) -m benchmarks.training --presets covernet --ranks 1 2
	@$(PYTHON) -m benchmarks.search
	@$(PYTHON) -m benchmarks.versions
	@$(PYTHON) -m benchmarks.attributes

snapshots:           ## write docs/tables.md and docs/results.md
	@PYTHONPATH=lib:. $(PYTHON) -m tests.snapshots
	@PYTHONPATH=lib:. $(PYTHON) -m benchmarks.results

lock:                ## resolve requirements.in into requirements.lock
	@.venv/bin/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" -o environment/requirements.lock environment/requirements.in

clean:               ## remove what demo and tests made (not the environment)
	@rm -rf demo lake spark-warehouse .pytest_cache .ruff_cache .mypy_cache

.PHONY: help snapshots setup demo check test lint style bench lock clean
