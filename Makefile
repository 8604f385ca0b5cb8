# Every target makes its own .venv from the hashed lock: CPython 3.11 or 3.12, make and git are enough.

VENV ?= .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
LOCK := requirements-dev.lock
STAMP := $(VENV)/.installed-$(shell cat $(LOCK) pyproject.toml 2>/dev/null | cksum | tr -d ' ')
SOURCES := runtime pallets genesis node tests benchmarks
JOBS ?= 2
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help venv devnet dev test check lint lint-mypy lint-pyright lint-rest fast wallet-clients bench lock clean

help:
	@echo "make devnet          start a network of four validators; ARGS='-n 7 --full 1' passes flags on"
	@echo "make dev             start a development chain of one node; ARGS as above"
	@echo "make test            every test; ARGS=tests/pallets names some"
	@echo "make check           lint and the fast tests"
	@echo "make lint            format, lint, types, layers, tidy rules"
	@echo "make fast            the fast tests"
	@echo "make bench           benchmarks, JSON lines on stdout; ARGS='--only rpc' names some"
	@echo "make wallet-clients  install the wallet libraries that make test runs (needs Node.js)"
	@echo "make venv            create .venv from the lock file; PYTHON=… names the interpreter"
	@echo "make lock            compile the lock files anew from pyproject.toml"
	@echo "make clean           remove caches and build products"
	@echo "All but clean make .venv first where it is missing. README.md says where to go next."

venv: $(STAMP)

$(STAMP): $(LOCK)
	@bash tools/make-venv "$(VENV)" "$(STAMP)" "$(LOCK)"

devnet: venv
	@$(PY) -m node devnet $(ARGS)

dev: venv
	@$(PY) -m node --dev $(ARGS)

test: venv
	@$(PY) -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

check: lint fast

lint: venv
	@$(MAKE) --no-print-directory -j 2 --output-sync=target lint-pyright lint-mypy lint-rest

lint-mypy:
	@$(BIN)/mypy $(SOURCES)

lint-pyright:
	@bash tools/run-pyright "$(BIN)"

lint-rest:
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo
	@$(PY) -m tests.test_tidy

fast: venv
	@$(PY) -m pytest -n $(JOBS) -m "not slow" $(ARGS)

wallet-clients: venv
	@$(PY) -m tests.wallets.environments

bench: venv
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-bench.lock \
		|| echo "bench: no comparison with anvil without requirements-bench.lock" >&2
	@$(PY) -m benchmarks $(ARGS)

PIP_COMPILE = CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile -q --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock: venv
	$(PIP_COMPILE) --output-file requirements.lock pyproject.toml
	$(PIP_COMPILE) --extra fast --extra dev -c requirements.lock --output-file $(LOCK) pyproject.toml
	@$(PY) -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']['bench'], sep='\n')" \
		| $(PIP_COMPILE) --output-file requirements-bench.lock -

clean:
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
