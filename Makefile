# `make pretrain` and `make test` do their own set-up: a virtual environment in .venv/ with the versions of
# requirements.lock. Nothing is fetched again once it is there.
ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
PYTHON ?= python3
VENV := $(ROOT)/.venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: pretrain test test-all check docs install ui clean

pretrain: install
	cd $(ROOT) && $(BIN)/python jobs/pretrain.py $(ARGS)

test: install check
	cd $(ROOT) && $(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not slow" $(ARGS)

test-all: install check
	cd $(ROOT) && $(BIN)/python -m pytest $(ARGS)

check: install
	cd $(ROOT) && $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache

docs: install
	cd $(ROOT) && NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "The site: $(ROOT)/build/site/index.html"

ui: install
	@echo "Runs: http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning"
	cd $(ROOT) && MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow ui \
	  --backend-store-uri "$$($(BIN)/python -m weam_ray.tracking.store $(ROOT))" --host 127.0.0.1

install: $(INSTALLED)

# torch goes first: DeepSpeed's build looks for it
$(INSTALLED): $(ROOT)/requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12), (3, 13)) and "Python 3.11, 3.12 or 3.13 is needed; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "$$(grep '^torch==' $(ROOT)/requirements.lock)"
	$(BIN)/pip install --quiet -r $(ROOT)/requirements.lock
	$(BIN)/pip install --quiet --no-build-isolation --no-deps --editable $(ROOT)
	cd $(ROOT) && $(BIN)/python -m weam_ray.jobs.warm_up
	touch $@

clean:
	rm -rf $(VENV)
