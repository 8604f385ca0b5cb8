# Every target makes its own .venv from the hashed lock: CPython 3.11 or 3.12, make and git are enough.

VENV ?= .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
LOCK := requirements-dev.lock
STAMP := $(VENV)/.installed-$(shell cat $(LOCK) pyproject.toml 2>/dev/null | cksum | tr -d ' ')
SOURCES := runtime pallets genesis apps node tests benchmarks
PROGRAM := runtime pallets genesis apps node
JOBS ?= 2
# Of all tests many wait, for blocks and for programs of others: the wallets and the devnets have a worker each.
TEST_JOBS ?= 4
ARGS ?=

# The tests start some hundred interpreters, and each would compile the program anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv devnet dev demo test check check-pyright check-rest lint lint-mypy lint-pyright lint-rest fast sim sim-full wallet-clients bench lock clean

help:
	@echo "make devnet          start a network of four validators; ARGS='-n 7 --full 1' passes flags on"
	@echo "make dev             start a development chain of one node; ARGS as above"
	@echo "make demo            a week of an energy market of real homes, in twenty minutes; ARGS='--hours 24' for a day"
	@echo "make test            every test; ARGS=tests/pallets names some"
	@echo "make check           lint and the fast tests"
	@echo "make lint            format, lint, types, layers, tidy rules"
	@echo "make fast            the fast tests"
	@echo "make sim             simulate the agreement engine; ARGS='--nodes 7 --seeds 500' says how"
	@echo "make sim-full        the simulator's acceptance runs, an hour or two; docs/consensus-testing.md"
	@echo "make bench           benchmarks, JSON lines on stdout; ARGS='--only rpc' names some"
	@echo "make wallet-clients  install the wallet libraries and zombienet, which make test runs (needs Node.js)"
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

demo: venv
	@$(PY) -m node demo energy-week $(ARGS)

test: venv
	@$(PY) -m pytest -n $(TEST_JOBS) --dist loadgroup $(ARGS)

# pyright takes most of the time of lint, on one processor: all else runs beside it, and tests and benchmarks, which mypy
# has read already, are left to `make lint`.
check: venv
	@$(MAKE) --no-print-directory -j 2 check-pyright check-rest

check-pyright:
	@bash tools/run-pyright "$(BIN)" $(PROGRAM)

check-rest:
	@$(MAKE) --no-print-directory lint-rest lint-mypy fast

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

SIM = $(PY) -m tests.sim --jobs $(JOBS)

sim: venv
	@$(SIM) $(ARGS)

# Stops at the first rule that is broken, with the seed; every line of figures belongs to the command above it.
sim-full: venv
	$(SIM) --mutants
	$(SIM) --crash-points --seeds 5
	$(SIM) --fuzz 1000000
	$(SIM) --seeds 200 --profile random,smart,sets --hash-seeds 0,1,4711
	$(SIM) --nodes 4 --seeds 50000 --profile random,smart,deaf
	$(SIM) --nodes 5 --seeds 5000 --profile random,smart,deaf
	$(SIM) --nodes 6 --seeds 5000 --profile random,smart,deaf
	$(SIM) --nodes 7 --seeds 10000 --profile random,smart,deaf
	$(SIM) --nodes 21 --seeds 2000 --profile random,smart
	$(SIM) --nodes 21 --seeds 500 --from-seed 2001 --profile random,smart
	$(SIM) --nodes 6 --seeds 1000 --profile sets
	$(SIM) --nodes 9 --seeds 300 --profile sets
	$(SIM) --deafness 16384 --views 2
	$(SIM) --deafness 16384 --views 3
	$(SIM) --nodes 4 --seeds 1000 --profile random,smart --real-signatures
	$(SIM) --nodes 21 --seeds 50 --profile random,smart --real-signatures
	$(SIM) --seeds 100 --profile outage --outage 3600 --recovery-max 30

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
	$(PIP_COMPILE) --extra fast --extra demo --extra mqtt --extra dev -c requirements.lock --output-file $(LOCK) pyproject.toml
	@$(PY) -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']['bench'], sep='\n')" \
		| $(PIP_COMPILE) --output-file requirements-bench.lock -

clean:
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
