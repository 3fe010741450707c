# Every target is enough by itself on a machine with Python 3.11 and make: it sets up .venv first.

PYTHON = python3
ARGS =

# The newest change of what is installed: .project for the library alone, .dev for its tools too, .bench for
# the engines that the benchmarks compare with.
PROJECT = .venv/.project
DEV = .venv/.dev
BENCH = .venv/.bench
PIP_INSTALL = .venv/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

# What goes by clocks and calendars, under clocks that a machine may show: ahead of UTC, behind it, and one that
# summer time moves by half an hour.
ZONES = Asia/Shanghai America/New_York Australia/Lord_Howe
TIMED = $(filter-out %/test_engine_stores.py %/test_screen.py,$(wildcard tests/triggers/test_*.py)) \
    tests/kpi/test_pace.py tests/kpi/test_calendar_periods.py tests/rulebook/test_running.py \
    tests/rulebook/test_trial_kinds.py

.PHONY: demo test zones lint types docs wheel bench clean
.NOTPARALLEL:

demo: $(PROJECT)
	@.venv/bin/crmrules demo

test: $(DEV)
	@.venv/bin/python -m pytest $(ARGS)

zones: $(DEV)
	@set -eu; for zone in $(ZONES); do \
	    echo "TZ=$$zone"; TZ=$$zone .venv/bin/python -m pytest -q $(ARGS) $(TIMED); done

lint: $(DEV)
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

types: $(DEV)
	@.venv/bin/mypy

docs: $(DEV)
	@.venv/bin/python -m pytest $(ARGS) README.md docs

# The wheel must hold everything it needs: an empty environment, another folder, no source tree in sight.
wheel: $(DEV)
	@rm -rf dist
	@.venv/bin/python -m build --wheel --no-isolation
	@set -eu; project=$$PWD; away=$$(mktemp -d); trap 'rm -rf "$$away"' EXIT; \
	unset PYTHONPATH; cd "$$away"; mkdir elsewhere; \
	$(call new_environment,environment); \
	environment/bin/python -m pip --disable-pip-version-check install --quiet \
	    -c "$$project/constraints.txt" "$$project"/dist/*.whl; \
	cd elsewhere; ../environment/bin/crmrules demo

bench: $(BENCH)
	@set -eu; for benchmark in benchmarks/*.py; do \
	    echo "$$benchmark"; .venv/bin/python "$$benchmark" --quick $(ARGS); done

clean:
	rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BENCH): $(DEV)
	@echo "Installing the engines that the benchmarks compare with into .venv"
	@$(PIP_INSTALL) -e '.[dev,bench]' \
	    || echo "They cannot be installed here; the benchmarks leave them out, by name." >&2
	@touch $(BENCH)

$(DEV): pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing crmrules with its development tools into .venv"
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $(PROJECT) $(DEV)

$(PROJECT): pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing crmrules into .venv"
	@$(PIP_INSTALL) -e .
	@touch $(PROJECT)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "crmrules needs Python 3.11 or newer, but $(PYTHON) is" \
	        "$$($(PYTHON) --version 2>&1). Name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@$(call new_environment,.venv)

# Debian leaves ensurepip out of python3; with python3-pip there is a way without python3-venv.
define new_environment
$(PYTHON) -m venv $(1) >/dev/null 2>&1 \
    || { $(PYTHON) -m venv --clear --without-pip $(1) \
         && $(PYTHON) -m pip --quiet --python $(1)/bin/python install pip; } \
    || { rm -rf $(1); echo "$(PYTHON) cannot set up a virtual environment:" \
         "install python3-venv (apt install python3-venv)" >&2; exit 1; }
endef
