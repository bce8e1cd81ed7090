# `make run` and `make test` work on a fresh machine with Python 3.11 or newer; the rest is for developers.
PYTHON ?= python3
# One more than the smallest machine has cores: tests of a local run and of the browser also wait.
PROCESSES ?= 3
PIP_FLAGS = -qq --disable-pip-version-check
IN_GROUPS = --dist loadgroup --no-loadscope-reorder
BIN = .venv/bin
LAYER = layers/engine
DYNOXIDE = .cache/dynoxide/node_modules/@dynoxide/linux-x64/dynoxide

.PHONY: run test test-browser browser dynoxide typescript test-many prove mutants check check-code check-types check-template \
	check-policy sam-local sam-invoke check-sam-local setup setup-sam setup-checkov format build bench smoke clean lock

run: setup
	@exec $(BIN)/python -m local

# Which groups of tests begin first is said by tests/conftest.py.
test: setup
	$(BIN)/python -m pytest -n $(PROCESSES) $(IN_GROUPS)

# The tests of the dashboard in a browser are part of `make test` where Chromium is there.
test-browser: setup browser
	$(BIN)/python -m pytest tests/browser

# Debian's Chromium and its driver; needs root where they are missing.
browser:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null \
		|| { apt-get update -qq && apt-get install -y -qq chromium chromium-driver; }

# The second local DynamoDB, for races on atomic transactions and for exact request units; x86-64 Linux only.
# Needs npm, which root gets from Debian where it is missing.
dynoxide: $(DYNOXIDE)

$(DYNOXIDE): tools/dynoxide/package-lock.json
	@command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq npm; }
	@mkdir -p .cache/dynoxide && cp tools/dynoxide/package*.json .cache/dynoxide
	npm ci --prefix .cache/dynoxide --no-audit --no-fund --silent
	@chmod +x $@ && touch $@

# The compiler that checks the TypeScript samples of the documentation. Needs npm likewise.
typescript: .cache/typescript/.ready

.cache/typescript/.ready: tools/typescript/package-lock.json
	@command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq npm; }
	@mkdir -p .cache/typescript && cp tools/typescript/package*.json .cache/typescript
	cd .cache/typescript && npm ci --no-audit --no-fund --silent
	@touch $@

# The files with properties of random examples.
PROPERTIES = $(shell grep -l tests.support.properties tests/test_*.py | grep -v test_any_bytes)

# Where there is a browser, every page at each width and theme.
LOOKS = $(if $(shell command -v chromium),tests/browser/test_looks.py)

# The long forms of the proofs; `make test` runs the short ones (docs/correctness.md).
prove: setup
	$(BIN)/python -m tests.model --deep --jobs $(PROCESSES)
	PROVE=1 $(BIN)/python -m pytest -s -n $(PROCESSES) $(IN_GROUPS) tests/test_histories.py tests/test_races.py \
		tests/test_subscription_histories.py tests/test_subscription_crashes.py tests/test_hold_histories.py \
		tests/test_hold_crash_points.py tests/test_hostile_bodies.py \
		tests/test_store_failures.py tests/test_any_bytes.py tests/test_revisions.py \
		tests/e2e/test_hostile.py tests/e2e/test_schemathesis.py tests/e2e/test_payments.py \
		$(LOOKS) $(PROPERTIES)

# Each clause of each condition that guards credits deleted or bent: a test must die.
mutants: setup
	$(BIN)/python -m tests.mutation

# A hundred thousand users behind the dashboard; the local engine takes its time over them.
test-many: setup browser
	PROVE=1 $(BIN)/python -m pytest -s tests/browser/test_many.py

# With --jobs the four run beside each other.
check: check-code check-types check-template check-policy

check-code: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=$(LAYER):. $(BIN)/lint-imports --no-logo
	$(BIN)/python -m tools.openapi --check
	$(BIN)/python -m tools.secret_scan
	$(BIN)/zizmor --offline --quiet --persona=auditor .github
	$(BIN)/python -m tools.web --check

check-types: setup
	$(BIN)/mypy

check-template: setup-sam
	SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam validate --lint
	.venv-sam/bin/cfn-lint docs/deploy-roles.yaml
	.venv-sam/bin/python -m tools.role_coverage

check-policy: setup-checkov
	.venv-checkov/bin/checkov --config-file .checkov.yaml

# What is deployed, compiled for the runtime: needs a Python of its version, or UNCOMPILED=1.
build: setup setup-sam
	SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam build
	$(BIN)/python -m tools.artifact $(if $(UNCOMPILED),--uncompiled)

# Like `make run`, but with the functions in containers, by `sam local start-api`; needs Docker.
sam-local: setup setup-sam
	@exec $(BIN)/python -m tools.sam

# During such a run: one event in one container, for example EVENT=events/vend_token.json.
sam-invoke:
	@$(BIN)/python -m tools.sam.invoke $(EVENT)

# Checks such a run from start to stop; needs Docker, or root on Debian (docs/deployment.md).
check-sam-local: setup setup-sam
	$(BIN)/python -m tools.sam.check

bench: setup
	$(BIN)/python -m bench.vend

# The journey of a credit against BASE_URL, or the local run; safe in production (see docs/command-line.md).
smoke: setup
	$(BIN)/pluct smoke

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: .venv/.ready .venv-engine/.ready $(BIN)/pluct
	@$(BIN)/python -m local.build
	@$(BIN)/python -m tools.openapi

setup-sam: .venv-sam/.ready

setup-checkov: .venv-checkov/.ready

.venv/.ready: requirements-dev.txt
.venv-engine/.ready: local/requirements-engine.txt
.venv-sam/.ready: tools/requirements-sam.txt
.venv-checkov/.ready: tools/requirements-checkov.txt

.venv/.ready .venv-engine/.ready .venv-sam/.ready .venv-checkov/.ready:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install $(PIP_FLAGS) -r $<
	@touch $@

# The command line, run from this folder: a change of its code needs no new installation.
$(BIN)/pluct: .venv/.ready pyproject.toml
	$(BIN)/pip install $(PIP_FLAGS) --no-deps --editable .
	@touch $@

# Writes the lock files anew from the .in files; needs `uv` on the path.
lock:
	for name in requirements-dev local/requirements-engine tools/requirements-sam tools/requirements-checkov layers/engine/requirements; do \
		uv pip compile -q --universal --python-version 3.11 --no-header $$name.in -o $$name.txt; done

clean:
	rm -rf .venv .venv-engine .venv-sam .venv-checkov .cache .aws-sam .local build
