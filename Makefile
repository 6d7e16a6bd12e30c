# Everything a developer or a reader runs. Each target sets up what it needs in .venv first.
#   PYTHON       the interpreter that .venv is made with (3.11 or newer)
#   TORCH_INDEX  where the CPU build of torch comes from when pip does not know one already
#   JOBS         test processes
# For a GPU, install with `pip install .` instead: PyPI's torch brings CUDA on Linux.
PYTHON      ?= $(shell python3.11 -c 'print("python3.11")' 2>/dev/null || echo python3)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
JOBS        ?= 2

VENV    := .venv
BIN     := $(VENV)/bin
SOURCES := $(shell find pathexplain -type f -not -path '*/__pycache__/*')
TORCH   := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)

# One thread a test process: the processes share the cores, and results do not depend on their number.
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup demo test static format lint types imports pytest train-compact notebooks wheel clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/dev ## make .venv with the package and its tools

demo: $(VENV)/installed ## run the whole pipeline on a phantom cohort and one real image, to demo/demo.html
	$(BIN)/pathexplain demo --out demo

# Side by side, so that no core waits for a check that uses one.
test: $(VENV)/dev ## all checks, as .ci/run calls them
	@$(MAKE) --no-print-directory -j 2 pytest static

static: format lint types imports ## the checks that run nothing

format: $(VENV)/dev ## is the code formatted?
	$(BIN)/ruff format --check .

lint: $(VENV)/dev ## ruff's rules
	$(BIN)/ruff check .

types: $(VENV)/dev ## mypy, strict
	$(BIN)/mypy

imports: $(VENV)/dev ## the layers of docs/design.md
	$(BIN)/lint-imports

# The tests import the installed package, not the folder: what the wheel forgets, they miss.
pytest: $(VENV)/dev ## tests, doctests and README blocks
	$(THREADS) $(BIN)/pytest -n $(JOBS) --dist loadfile ./tests --pyargs pathexplain

train-compact: $(VENV)/dev ## train the weights that ship anew (hours; needs the data that training/*.yaml name)
	$(BIN)/pip install -q -c constraints.txt ".[train]"
	$(BIN)/pathexplain train training/first-stage.yaml
	$(BIN)/pathexplain train training/second-stage.yaml
	$(BIN)/pathexplain train training/third-stage.yaml
	$(BIN)/pathexplain train training/fourth-stage.yaml
	$(BIN)/pathexplain train training/fifth-stage.yaml
	$(BIN)/pathexplain train training/sixth-stage.yaml
	$(BIN)/pathexplain train training/seventh-stage.yaml
	$(BIN)/pathexplain train training/eighth-stage.yaml
	$(BIN)/pathexplain train training/ninth-stage.yaml
	$(BIN)/pathexplain train training/held-out-stage.yaml
	$(BIN)/pathexplain train training/held-out-tenth-stage.yaml
	$(BIN)/pathexplain train training/tenth-stage.yaml
	$(BIN)/pathexplain train training/held-out-last-stage.yaml
	$(BIN)/pathexplain train training/compact.yaml
	$(BIN)/pathexplain train training/open-first-stage.yaml
	$(BIN)/pathexplain train training/open-second-stage.yaml
	$(BIN)/pathexplain train training/open-third-stage.yaml
	$(BIN)/pathexplain train training/open-fourth-stage.yaml
	$(BIN)/pathexplain train training/open-fifth-stage.yaml
	$(BIN)/pathexplain train training/open-sixth-stage.yaml
	$(BIN)/pathexplain train training/open-seventh-stage.yaml
	$(BIN)/pathexplain train training/open-eighth-stage.yaml
	$(BIN)/pathexplain train training/open-ninth-stage.yaml
	$(BIN)/pathexplain train training/compact-open.yaml

# Run where the repository is not on the path, so that they use the installed package, like a reader.
notebooks: $(VENV)/dev ## run every analysis of analyses/, pictures to build/notebooks (minutes)
	@rm -rf build/notebooks && mkdir -p build/notebooks
	@for file in analyses/*.py; do echo "$$file"; \
	  (cd build/notebooks && MPLBACKEND=agg $(CURDIR)/$(BIN)/python $(CURDIR)/$$file) || exit 1; done

wheel: $(VENV)/dev ## build dist/*.whl
	$(BIN)/pip wheel -q --no-deps -w dist .

clean: ## remove .venv and what tools left
	rm -rf $(VENV) build dist demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# ── the environment ──────────────────────────────────────────────────────────────────────────────
# Without byte code: Python makes it of what is imported, which is a small part of what is installed.
$(VENV)/torch: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check "$$(grep '^pip==' constraints.txt)"
	@echo "Installing $(TORCH): the CPU build that pip knows, or else from $(TORCH_INDEX)"
	$(BIN)/pip install -q --no-compile -c constraints.txt --no-deps "$(TORCH)+cpu" 2>/dev/null \
	  || $(BIN)/pip install -q --no-compile -c constraints.txt --no-deps --index-url $(TORCH_INDEX) "$(TORCH)" \
	  || { echo 'No CPU build of torch found: set TORCH_INDEX or PIP_FIND_LINKS, see the Makefile' >&2; exit 1; }
	touch $@

$(VENV)/installed: $(VENV)/torch pyproject.toml README.md LICENSE $(SOURCES)
	$(BIN)/pip install -q --no-compile -c constraints.txt .
	@! $(BIN)/pip list --format freeze | grep -iE '^(nvidia|cuda|triton)' \
	  || { echo 'CUDA packages came along: remove .venv and see TORCH_INDEX in the Makefile' >&2; exit 1; }
	touch $@

$(VENV)/dev: $(VENV)/installed
	$(BIN)/pip install -q --no-compile -c constraints.txt ".[dev]"
	touch $@
