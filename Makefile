# Everything runs in .venv, made from the locks in requirements/; nothing else on the machine is touched.

PYTHON ?= python3
STAGE ?= dev
OUT ?= build/$(STAGE)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo up down test slow slow-ci plain plain-ci clients proof proof-quick proof-full check package lock clean
.DELETE_ON_ERROR:

demo: .venv/.local  ## from a folder of pictures to a live model that answers over HTTP
	@$(BIN)/python -m examples.digits.demo

up: .venv/.local  ## start the local cloud; its state stays in .dropforge/
	@$(BIN)/dropforge up --stage $(STAGE)

down: .venv/.local  ## stop it
	@$(BIN)/dropforge down

# Files wait for clouds much of their time: more processes than the two cores they were measured on.
test: .venv/.dev  ## all tests but the slow ones and the proof, in random order
	$(BIN)/pytest -m "not slow" -n 5 --dist loadfile --no-loadscope-reorder --ignore tests/proof --ignore tests/clients

slow: .venv/.dev  ## the slow ones: whole demos, ten thousand objects, workers and clouds that are killed
	$(BIN)/pytest -m slow $(SLOW)

slow-ci: .venv/.dev  ## those of them that every change has to pass: at most four minutes
	$(BIN)/pytest -m "slow and not slowest" $(SLOW)

plain: .venv/.dev  ## the local cloud again, with programs as plain processes: as on a machine without namespaces
	DROPFORGE_SANDBOX=plain $(BIN)/pytest $(SWIFT) $(PLAIN)

plain-ci: .venv/.dev  ## the part of it that every change has to pass: what starts programs in every way, in 100 seconds
	DROPFORGE_SANDBOX=plain $(BIN)/pytest $(SWIFT) $(PLAIN_CI)

# Each in an environment of its own: they want other versions than we do, and than one another.
CLIENTS := cli sdk2 sdk3 toolkit

clients: .venv/.dev $(CLIENTS:%=.venv-clients/%/.made)  ## the AWS CLI, SageMaker's SDKs and its toolkit against ours
	$(BIN)/pytest -n 3 tests/clients

proof: .venv/.dev  ## every call of every story goes wrong in every way; docs/reliability.md says what holds
	DROPFORGE_PROOF=all $(BIN)/pytest tests/proof -n 2

proof-quick: .venv/.dev  ## a fixed sample of it
	DROPFORGE_PROOF=quick $(BIN)/pytest tests/proof -n 2

proof-full: .venv/.dev  ## pairs of faults, long sequences and kills, too: an hour or two
	DROPFORGE_PROOF=full $(BIN)/pytest tests/proof -n 2
	DROPFORGE_KILLS=100 $(BIN)/pytest -s tests/e2e/test_kills.py tests/e2e/test_random_kills.py tests/e2e/test_cloud_kills.py

check: .venv/.dev  ## lint and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# What CloudFormation gets: the functions' zip and the template, in $(OUT).
package: .venv/.dev
	$(BIN)/python infra/package.py --stage $(STAGE) --out $(OUT)

# Needs uv. Three locks share one set of versions: dev.txt is the widest, the others are constrained by it. What clients
# that others wrote need is their own affair.
lock:
	cd requirements && uv pip compile $(LOCK) dev.in -o dev.txt
	cd requirements && uv pip compile $(LOCK) -c dev.txt local.in -o local.txt
	cd requirements && uv pip compile $(LOCK) -c dev.txt lambda.in -o ../requirements.txt
	cd requirements && for client in $(CLIENTS); do uv pip compile $(LOCK) clients-$$client.in -o clients-$$client.txt || exit; done

SWIFT := -m "not slow" -n 4 --dist loadfile --no-loadscope-reorder
PLAIN := tests/local tests/contracts \
  $(patsubst %,tests/e2e/test_%.py,doors_clients reconcile rollout rollout_without_a_model scripts)
PLAIN_CI := $(patsubst %,tests/local/sagemaker/test_%.py,training serving processing transform) \
  tests/local/sagemaker/test_deployments.py::test_a_rolling_update_replaces_server_by_server_and_fails_no_request \
  $(patsubst %,tests/contracts/sagemaker/test_%.py,training_jobs endpoints other_jobs) tests/e2e/test_reconcile.py

SLOW := -n 4 --dist loadfile --no-loadscope-reorder --ignore tests/proof --ignore tests/clients

LOCK := --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --allow-unsafe

# Neither .venv, .venv-clients nor .dropforge: two cost minutes to make again, one is yours.
clean:
	rm -rf build dist .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

.venv/.local: requirements/local.txt pyproject.toml | .venv/pyvenv.cfg
	@echo "Installing requirements/local.txt into .venv …"
	@$(PIP) install --require-hashes -r requirements/local.txt
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml | .venv/pyvenv.cfg
	@echo "Installing requirements/dev.txt into .venv …"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch .venv/.local $@

.venv-clients/%/.made: requirements/clients-%.txt | .venv/pyvenv.cfg
	@echo "Installing $< into .venv-clients/$* …"
	@$(PYTHON) -m venv --clear .venv-clients/$*
	@.venv-clients/$*/bin/python -m pip --disable-pip-version-check -q install --require-hashes -r $<
	@touch $@

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
	  { echo "Dropforge needs Python 3.11 to 3.14, and $(PYTHON) is not: name another with make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian: python3-venv)."; exit 1; }
