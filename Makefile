# Two commands matter: `make demo` runs a first fine-tuning on this machine, `make test` runs the tests.
# Everything lands in .venv and .tunestep; nothing else is written but package caches.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SDK := .venv-sdk
TRANSFORMERS := .venv-transformers
BENCH := .venv-bench
BROWSER := .venv-browser
NPM := tests/npm
UV_FLAGS := --require-hashes --only-binary :all: --compile-bytecode --link-mode copy

export JSII_RUNTIME_PACKAGE_CACHE_ROOT := $(CURDIR)/$(VENV)/jsii-cache

.PHONY: help setup demo demo-rlvr demo-approval bench test test-all test-sdk test-transformers test-browser test-faults test-permissions test-deploy cdk permissions-table \
	lint lock picture clean npm-packages

help: ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20

setup: $(STAMP) ## install everything into .venv, with the `tunestep` command

$(STAMP): requirements/bootstrap.txt requirements/dev.txt $(wildcard requirements/lambda-*.txt requirements/reward-*.txt) scripts/link.py
	@$(PYTHON) scripts/check_python.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/bootstrap.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(UV_FLAGS) -r requirements/dev.txt
	@$(BIN)/python scripts/link.py
	@$(BIN)/python -m infra.bundle
	@touch $@
	@echo "Installed. Next: make demo, or $(BIN)/tunestep --help"

demo: setup ## run a first SFT request end to end on this machine
	@$(BIN)/tunestep run examples/sft/request.json --local

demo-rlvr: setup ## certify and register a reward, then train against it with GRPO
	@$(BIN)/tunestep run examples/rlvr/request.json --local

demo-approval: setup ## a licence that a person has to accept: prints the link, and waits
	@$(BIN)/python scripts/demo_approval.py

bench: setup $(BENCH)/.installed $(SDK)/.installed ## every speed claim, measured against its peer in the same run
	@$(BENCH)/bin/python -m benchmarks.run
	@$(BENCH)/bin/python -m benchmarks.cold_starts

test: setup ## lint and every fast test
	@$(BIN)/python scripts/test_all.py --fast

test-all: setup npm-packages ## the tests and the slow groups, with each group's share of the time
	@$(BIN)/python scripts/test_all.py

test-deploy: setup cdk npm-packages ## synthesis by the pinned CDK command, cdk-nag, cfn-lint, permissions, hashes, docs
	@$(BIN)/python -m pytest tests/infra tests/docs tests/unit/test_deploying.py
	@PYTHONPATH=. $(BIN)/python -m tests.docs.exempt

test-permissions: setup ## whole runs on the laptop and in the simulator, then every permission that none of them used
	@rm -f build/permissions-used.jsonl; mkdir -p build
	@TUNESTEP_PERMISSIONS_USED=$(CURDIR)/build/permissions-used.jsonl $(BIN)/python -m pytest -m "not faults" tests/local tests/cli tests/faults
	@$(BIN)/python -m tests.support.permissions_used build/permissions-used.jsonl

test-sdk: setup $(SDK)/.installed ## captured requests and rendered notebooks with the real SageMaker SDK, in an environment of its own
	@$(SDK)/bin/python tests/conformance/capture.py
	@PYTHONPATH=. $(SDK)/bin/python tests/sdk/reward_contract.py
	@TUNESTEP_SDK_PYTHON=$(CURDIR)/$(SDK)/bin/python $(BIN)/python -m pytest -n 2 --dist worksteal -m sdk tests

test-transformers: setup $(TRANSFORMERS)/.installed ## the laptop's trainer against transformers and torch, likewise
	@PYTHONPATH=. $(TRANSFORMERS)/bin/python -m pytest -q -p no:cacheprovider --confcutdir tests/transformers tests/transformers

test-faults: setup ## ten thousand runs in which things go wrong, and kills of the laptop cloud at a hundred points
	@$(if $(SCHEDULES),TUNESTEP_SCHEDULES=$(SCHEDULES)) $(if $(KILLS),TUNESTEP_KILLS=$(KILLS)) $(BIN)/python -m pytest -n 2 --dist worksteal -m faults tests/faults tests/local/test_kills.py

test-browser: setup $(BROWSER)/.installed ## the approval page in Chromium; pictures in build/browser
	@PYTHONPATH=.:$(BROWSER) $(BIN)/python -m pytest -m browser -rs tests/browser

cdk: setup node_modules/.installed ## CDK's own command, pinned, for `tunestep deploy`

# The wheel's own npm command looks for its files in the wrong place.
node_modules/.installed: package-lock.json package.json
	@wheel=$$($(BIN)/python -c "from infra.node import wheel; print(wheel())"); \
	  PATH="$$wheel/bin:$$PATH" node "$$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --loglevel=error --no-audit --no-fund
	@touch $@

npm-packages: setup $(NPM)/node_modules/.installed ## other people's readers of state machines, for the slow tests

# The wheel's own npm command looks for its files in the wrong place.
$(NPM)/node_modules/.installed: $(NPM)/package-lock.json
	@wheel=$$($(BIN)/python -c "from infra.node import wheel; print(wheel())"); \
	  cd $(NPM) && PATH="$$wheel/bin:$$PATH" node "$$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --loglevel=error --no-audit --no-fund
	@touch $@

# The driver alone, found through PYTHONPATH, so that everything else is what `make setup` installed.
$(BROWSER)/.installed: requirements/browser.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(BROWSER) --require-hashes --only-binary :all: --link-mode copy -r $<
	@touch $@

$(SDK)/.installed: requirements/sdk.txt
	@test -x $(SDK)/bin/python || $(PYTHON) -m venv $(SDK)
	@$(BIN)/uv pip install --quiet --python $(SDK)/bin/python --require-hashes --only-binary :all: -r $<
	@touch $@

$(BENCH)/.installed: requirements/dev.txt requirements/bench.txt
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@$(BIN)/uv pip install --quiet --python $(BENCH)/bin/python $(UV_FLAGS) -r requirements/dev.txt -r requirements/bench.txt
	@touch $@

# torch's CPU build is on no package index, so pip, which knows more places than uv, installs this one.
$(TRANSFORMERS)/.installed: requirements/transformers.txt
	@test -x $(TRANSFORMERS)/bin/python || $(PYTHON) -m venv $(TRANSFORMERS)
	@$(TRANSFORMERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	@touch $@

lint: setup ## ruff and mypy alone
	@$(BIN)/python scripts/test_all.py --only lint
	@$(BIN)/python scripts/test_all.py --only types

lock: ## compile the locks again (requirements/transformers.in says how its own is made)
	@for name in bootstrap dev sdk; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    -c requirements/bootstrap.txt requirements/$$name.in -o requirements/$$name.txt; done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --only-binary :all: -c requirements/dev.txt requirements/bench.in -o requirements/bench.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  -c requirements/dev.txt requirements/browser.in -o requirements/browser.txt
	@for file in requirements/lambda-*.in requirements/reward-*.in; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    -c requirements/dev.txt $$file -o $${file%.in}.txt; done

picture: setup ## draw the README's picture of the state machine again
	@TUNESTEP_SYNTH=local CDK_OUTDIR=$(VENV)/picture $(BIN)/python app.py
	@PYTHONPATH=. $(BIN)/python scripts/picture.py $(VENV)/picture/tunestep.template.json

permissions-table: setup ## write the table of permissions in docs/security.md again
	@TUNESTEP_SYNTH=local CDK_OUTDIR=$(VENV)/picture $(BIN)/python app.py
	@PYTHONPATH=. $(BIN)/python scripts/permissions.py $(VENV)/picture/tunestep.template.json

clean: ## remove what the build made, but not runs (.tunestep)
	@rm -rf $(VENV) $(SDK) $(TRANSFORMERS) $(BENCH) $(BROWSER) build cdk.out node_modules $(NPM)/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
