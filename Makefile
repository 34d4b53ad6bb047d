# Bare `make` prints the targets. Everything runs in the environment .venv, which `make setup` builds.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/complete
RAY := .venv-ray/complete

.DEFAULT_GOAL := help
.PHONY: help setup ray demo train sweep test services lint typecheck bench ui app server clean

help: ## Print this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/\1\t\2/' | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

setup: $(STAMP) ## Build the environment in .venv (about 4 minutes, 7 GB)

# The stamp is written last, and an environment without it is one that was interrupted: it is built anew.
# Bytecode is made by all cores, which pip does not use, and not left to the first import, which may not be allowed to keep it
# (PYTHONDONTWRITEBYTECODE). Some packages hold templates in .py files, which do not compile: no error.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); ok or sys.exit(f"error: Python {sys.version.split()[0]}: 3.11, 3.12 or 3.13 is needed; make PYTHON=python3.11 chooses one")'
	@test -e $(STAMP) || { rm -rf .venv; $(PYTHON) -m venv .venv; }
	@rm -f $(STAMP)
	@echo "Installing into .venv: about 4 minutes, 7 GB"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" || true
	@touch $(STAMP)

ray: $(RAY) ## Build .venv-ray for sweeps on Ray: Ray, and the libraries of .venv (330 MB)

# Two environments, since the launcher for Ray needs a cloudpickle that today's joblib refuses. Python looks into
# .venv-ray's own folder first, so its cloudpickle and joblib stand before those of .venv.
$(RAY): $(STAMP) constraints-ray.txt
	rm -rf .venv-ray
	$(BIN)/python -m venv --without-pip .venv-ray
	@$(BIN)/python -c 'import pathlib, sysconfig as s; p = s.get_path("purelib"); pathlib.Path(s.get_path("purelib", vars={"base": ".venv-ray"}), "borrowed.pth").write_text(f"import site; site.addsitedir({p!r})\n")'
	$(BIN)/pip --python .venv-ray/bin/python install --quiet --disable-pip-version-check --no-deps --requirement constraints-ray.txt
	@touch $(RAY)

demo: $(STAMP) ## Small but real five-fold cross-validation on simulated scans (about 3 minutes on 2 cores)
	$(BIN)/python -m csam_lightning.train +experiment=demo
	@echo "Next: 'make ui' compares the runs, 'make train' trains the default cell, README.md shows how to use your own scans."

train: $(STAMP) ## Cross-validate the default cell: 840 scans, 100 px, batch 8 (ARGS="seed=1 ..." changes settings)
	$(BIN)/python -m csam_lightning.train $(ARGS)

sweep: $(STAMP) ## Several small cells one after the other (ARGS="data.batch_size=16,32 ..." chooses them)
	$(BIN)/python -m csam_lightning.train -m +experiment=demo $(or $(ARGS),data.batch_size=16,32)

# A test that hangs is ended with a trace of where it stood; the longest takes half a minute.
test: lint typecheck ## Lint, types and tests
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal -o faulthandler_timeout=240 -o faulthandler_exit_on_timeout=true

services: $(RAY) ## Longer tests: Slurm, Ray, PostgreSQL, a browser, kills, full disks; what is not installed is skipped (20 minutes)
	$(BIN)/python -m pytest -m "browser or cluster or faults or ray or server"

lint: $(STAMP) ## Check style with ruff, and that rooms import from lower floors alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

typecheck: $(STAMP) ## Check types with mypy
	$(BIN)/mypy

bench: $(STAMP) ## Measure speed and memory of training and start-up here (over an hour on 2 cores; ARGS="--cell-rounds 0": 20 minutes)
	$(BIN)/python -m benchmarks training $(ARGS)

ui: $(STAMP) ## Open the MLflow UI on http://127.0.0.1:5000
	@case "$${MLFLOW_TRACKING_URI:-}" in http*) echo "The runs are on the server $$MLFLOW_TRACKING_URI: open that";; \
	*) $(BIN)/mlflow ui --host 127.0.0.1 --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}";; esac

app: $(STAMP) ## Look at scans and correct verdicts in a browser, on http://127.0.0.1:8080 (MODEL=RUN_ID ARGS="port=8090 ...")
	@test -n "$(MODEL)" || { echo "error: name a model: make app MODEL=RUN_ID, NAME@ALIAS or FILE" >&2; exit 2; }
	@$(BIN)/python -m csam_lightning.app model="$(MODEL)" $(ARGS)

server: $(STAMP) ## Tracking server on PostgreSQL, for several machines (STORE=postgresql://USER@HOST/NAME ARGS="host=0.0.0.0")
	@$(BIN)/python -m csam_lightning.server $(if $(STORE),'store="$(STORE)"') $(ARGS)

clean: ## Remove the environment and all caches, not your results (outputs/, mlflow.db, mlartifacts/, mlflow_server/)
	rm -rf .venv .venv-ray build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
