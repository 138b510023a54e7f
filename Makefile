# `make run` serves the platform, `make test` proves it; both set up .venv first. `make help` lists the rest.

PYTHON ?= python3
BIND ?= 127.0.0.1:8000

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/requirements.txt
LOCKED := $(VENV)/requirements.lock

# What `check --deploy` and the schema are held against: a production environment that no developer's .env changes.
PRODUCTION := env -u DATABASE_URL -u LOG_DATABASE_URL ENV_FILE= DEBUG=off HTTPS=on ALLOWED_HOSTS=logs.example.com \
	SECRET_KEY=only-for-the-checks-0123456789-abcdefghijklmnopqrstuvwxyz

.PHONY: run test test-versions test-clients test-shippers check format docs lock clean help venv locked python

run: locked .env  ## serve on http://127.0.0.1:8000 (or BIND=…); the first start prints an administrator and a token
	@exec $(BIN)/python manage.py serve --welcome --bind $(BIND)

test: venv  ## the whole suite, on SQLite and on PostgreSQL (DATABASE_URL, or one that it starts itself); CITUS_DATABASE_URL too
	$(BIN)/python -m pytest -n auto --dist worksteal --db sqlite
	$(BIN)/python -m pytest -n auto --dist worksteal --db postgresql
	[ -z "$$CITUS_DATABASE_URL" ] || $(BIN)/python -m pytest -n auto --dist worksteal -m citus

test-versions: venv  ## the suite on the lowest and the newest versions that the package allows (ROOMS="tests/api …" for a part)
	$(BIN)/python -m tests.versions lowest $(ROOMS)
	$(BIN)/python -m tests.versions newest $(ROOMS) || [ $$? -eq 77 ]

test-clients: venv  ## clients generated from the OpenAPI document, each calling a running server (NAMES="openapi-ts …" for some)
	$(BIN)/python -m tests.clients $(NAMES)

test-shippers: venv  ## real clients of each ingest protocol, and 20,000 broken bodies (NAMES="rsyslog …" for some clients)
	$(BIN)/python -m tests.ingest_clients $(NAMES)
	$(BIN)/python -m tests.ingest_fuzz

check: venv  ## lint, types, layers, migrations, deployment checks, OpenAPI schema
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.rooms
	$(PRODUCTION) $(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(PRODUCTION) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

format: venv  ## bring the code into its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: venv  ## write the README's tables of settings from the code
	$(PRODUCTION) DJANGO_SETTINGS_MODULE=ops_platform.settings $(BIN)/python -m tests.ops_platform.readme

lock: venv  ## write requirements.lock: all that the service runs with, with hashes, from the first part of requirements.txt
	@{ echo "# All that the service runs with, for every Python and platform; made by \`make lock\`." && \
		sed -n '/^# -- to run/,/^# -- to test/p' requirements.txt | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate -; } > requirements.lock.new && mv requirements.lock.new requirements.lock

clean:  ## remove the virtual environment and caches, never .env or var/
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-newest .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info

help:
	@sed -n 's/^\([a-z-]*\):.*##/make \1 -/p' Makefile

# Installed again when requirements.txt changed; made again when another Python is asked for.
venv: python
	@cmp -s requirements.txt $(INSTALLED) || { \
		echo "Installing requirements.txt into $(VENV) (a minute or two, once)" && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt && \
		cp requirements.txt $(INSTALLED); }

# What `make run` needs, and not what tests and checks need too.
locked: python
	@cmp -s requirements.lock $(LOCKED) || { \
		echo "Installing requirements.lock into $(VENV) (a minute, once)" && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock && \
		cp requirements.lock $(LOCKED); }

python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "There is no '$(PYTHON)'. Install Python 3.11 or newer, or name it: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name another: make run PYTHON=python3.12" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@version='import sys; print(sys.version_info[:2])'; \
	if [ "$$($(BIN)/python -c "$$version" 2>/dev/null)" != "$$($(PYTHON) -c "$$version")" ]; then \
		rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); fi

.env: | python
	@umask 077 && printf 'SECRET_KEY=%s\nALLOWED_HOSTS=localhost,127.0.0.1,[::1]\n' \
		"$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))')" > $@.new && mv $@.new $@
