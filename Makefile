# tilewright: `make demo` shows the main job, `make test` proves the tree. Both install what they need into .venv once.
#
# Variables you may set:
#   PYTHON          the interpreter that .venv is made with (3.11 or newer; found by itself)
#   FLAVOUR         cpu or gpu: which constraints to install (gpu when an NVIDIA driver is found)
#   CONSTRAINTS     the constraints file (constraints/$(FLAVOUR).txt)
#   TORCH_CPU_ARGS  where pip finds torch's CPU wheel, if the indexes it already knows do not have it
#   PY              an interpreter that has everything already: nothing is installed when it is set

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

FLAVOUR ?= $(shell if [ -e /dev/nvidia0 ] || [ -e /proc/driver/nvidia ] || nvidia-smi -L >/dev/null 2>&1; then echo gpu; else echo cpu; fi)
CONSTRAINTS ?= constraints/$(FLAVOUR).txt
TORCH_CPU_ARGS ?= --extra-index-url https://download.pytorch.org/whl/cpu
BUDGET ?= 60s
LATER := sweep or corpus or gpu

ifdef PY
INSTALLED :=
else
PY := .venv/bin/python
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# The stamp is named after what it stands for, so that a checkout that only touches files installs nothing.
INSTALLED := .venv/installed-$(shell cat pyproject.toml $(CONSTRAINTS) | sha256sum | cut -c1-12)
endif
PIP := .venv/bin/python -m pip --disable-pip-version-check install --quiet

.PHONY: help demo test check sweep corpus gpu-test bench readme schemas clean .venv

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED)  ## Find, prove and time the fastest RMSNorm with residual on this machine
	$(PY) -m tilewright device --calibrate
	$(PY) -m tilewright optimize examples/rms_norm_residual.py --budget $(BUDGET) --out out/demo

# What measures time runs alone, the rest on two cores. Each of these runs all its parts, whatever the first ones say, and ends with the first failure's code.
test: $(INSTALLED)  ## Lint, types, layers and tests
	@code=0; $(MAKE) check || code=$$?; \
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile -m 'not ($(LATER) or timed)' --durations=10 || code=$$((code ? code : $$?)); \
	$(PY) -m pytest -m 'timed and not ($(LATER))' --durations=10 || code=$$((code ? code : $$?)); exit $$code

check: $(INSTALLED)  ## Lint, types and import layers only
	@code=0; \
	$(PY) -m ruff check . || code=$$?; \
	$(PY) -m ruff format --check . || code=$$?; \
	$(PY) -m mypy || code=$$?; \
	$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()" || code=$$?; exit $$code

sweep: $(INSTALLED)  ## The longer tests
	$(PY) -m pytest -m sweep --durations=15

corpus: $(INSTALLED)  ## Every cheating, wrong and honest candidate of tests/corpus, all of them timed
	$(PY) -m pytest -m corpus tests/test_corpus.py --durations=15

gpu-test: $(INSTALLED)  ## The tests that need an NVIDIA GPU
	@$(PY) -c 'import sys, torch; torch.cuda.is_available() or sys.exit("make gpu-test needs an NVIDIA GPU and a CUDA build of torch: none is here")'
	$(PY) -m pytest -m gpu tests/gpu --durations=15

bench: $(INSTALLED)  ## Time the operators on this machine, verified first; results under out/bench
	$(PY) -m tilewright bench rms_norm softmax gemm --out out/bench

readme: $(INSTALLED)  ## Fill the tables of README and docs from bench/results
	$(PY) bench/readme_tables.py

schemas: $(INSTALLED)  ## Write the JSON schemas of everything that is stored
	$(PY) -m tilewright.schemas

clean:  ## Remove the virtual environment and everything that was built
	rm -rf .venv out build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find src tests examples bench -name __pycache__ -type d -prune -exec rm -rf {} +

.venv: $(INSTALLED)  ## Install everything into .venv

# PyPI's own torch for Linux carries CUDA (2.5 GB more); its CPU wheel calls itself 2.13.0+cpu and lives elsewhere.
# The indexes pip already knows are asked first, so that a mirror or a wheel folder is enough.
.venv/installed-%: pyproject.toml $(CONSTRAINTS)
	@test -n "$(PYTHON)" || { echo "tilewright needs Python 3.11 or newer with the venv module (set PYTHON=...)" >&2; exit 3; }
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@rm -f .venv/installed-*
ifeq ($(FLAVOUR),cpu)
	@torch="$$(sed -n 's/^torch==\([0-9.]*\).*/torch==\1+cpu/p' $(CONSTRAINTS))"; \
	echo "installing $$torch"; \
	$(PIP) "$$torch" -c $(CONSTRAINTS) 2>/dev/null || $(PIP) "$$torch" -c $(CONSTRAINTS) $(TORCH_CPU_ARGS)
endif
	@echo "installing tilewright with $(CONSTRAINTS)"
	@$(PIP) --editable '.[dev]' -c $(CONSTRAINTS)
	@touch $@
