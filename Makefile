# Daybook. `make` alone says what there is to make.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SESSION_SECONDS := 23400
# One trading day of the replay in two seconds.
SPEED ?= $(shell expr $(SESSION_SECONDS) / 2)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install run demo test check bench lock clean

help: ## Say what there is to make
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

install: $(INSTALLED) ## Install Daybook and its tools into .venv

run: install ## Run everything on replayed market data, until Ctrl-C (more flags: ARGS="--port 8001")
	@export DAYBOOK_ENDS_WITH_PARENT=1; exec $(BIN)/daybook up --demo --source replay --speed $(SPEED) $(ARGS)

demo: install ## Live through a trading day against the Daybook that runs
	@exec $(BIN)/daybook demo $(ARGS)

test: install ## Run the tests
	@exec $(BIN)/python -m pytest $(ARGS)

check: install ## Run everything a change must pass: format, lint, layers, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m pytest

bench: install ## Measure every path beside its ceiling (some: ONLY=orders,reads; less: QUICK=1)
	@exec $(BIN)/python -m tests.bench $(ONLY)

lock: ## Choose the versions of all dependencies anew (needs uv)
	uv pip compile --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 pyproject.toml --group dev -o requirements.lock

clean: ## Remove what was installed or built; data in .daybook stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml requirements.lock
	@sh -c "$$INSTALL"
	@touch $@

# With uv when it is there and can; else with Python's own venv and pip. Every package is checked by its hash;
# the build of Daybook itself uses the locked setuptools, so nothing unlocked is ever fetched.
define INSTALL
say() { echo "make install: $$*" >&2; }

fits() { "$$1" -c "import sys$$2; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; }

find_python() {
    for name in python3 python3.13 python3.12 python3.11; do
        if fits "$$name" "$$1"; then echo "$$name"; return 0; fi
    done
    return 1
}

with_uv() {
    command -v uv >/dev/null 2>&1 || return 1
    fits $(BIN)/python || uv venv --quiet --clear --python "$$(find_python || echo '>=3.11')" $(VENV) || return 1
    uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock &&
    uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
}

with_pip() {
    if ! fits $(BIN)/python ', pip'; then
        if ! python=$$(find_python ', venv, ensurepip'); then
            if python=$$(find_python); then
                say "$$python cannot make virtual environments; on Debian or Ubuntu: apt install python3-venv"
            else
                say "Python 3.11 or newer is missing; on Debian or Ubuntu: apt install python3 python3-venv"
            fi
            return 1
        fi
        "$$python" -m venv --clear $(VENV) || return 1
    fi
    pip="$(BIN)/python -m pip --disable-pip-version-check --quiet"
    $$pip install --require-hashes -r requirements.lock &&
    $$pip install --no-deps --no-build-isolation -e .
}

say "installing into $(VENV) (once; again when pyproject.toml or requirements.lock change)"
with_uv || with_pip || { say "failed"; exit 1; }
endef
export INSTALL
