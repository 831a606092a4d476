# Everything here works from a clean clone on a machine that has make and Python 3.11 or later.
#   make demo    a picture of what unpooling does to a photograph
#   make test    the linters and the tests, on all four frameworks
#   make docs    the documentation as a site, in site/
#   make bench   unpoolx beside what the frameworks offer themselves, in ratios
# Another Python: make test PYTHON=python3.12

PYTHON ?= python3
WORKERS ?= 2
PICTURE ?= unpoolx-demo.png
PARTS ?= all

VENV := .venv
DEMO_VENV := .venv-demo
DOCS_VENV := .venv-docs

# pip's own progress is noise here; its warnings and errors are not.
PIP_FLAGS := --quiet --disable-pip-version-check --no-input --constraint tests/constraints.txt
# The release of pip that the constraints name: the one inside Python 3.11 does not know --group.
PIP_UPGRADE := -m pip install --upgrade $(PIP_FLAGS) pip

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint docs bench performance page clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(DEMO_VENV)/.complete  ## draw the picture: NumPy is the one framework it needs
	@echo "== Pooling and unpooling a photograph with NumPy"
	@$(DEMO_VENV)/bin/python -m unpoolx demo --output "$(PICTURE)"

test: lint  ## run the linters and the tests on NumPy, TensorFlow, JAX and PyTorch (CPU)
	@echo "== pytest, $(WORKERS) processes, all tests that are not marked slow"
	@$(VENV)/bin/python -m pytest -n $(WORKERS) -m "not slow"

test-all: lint  ## the same, with the slow tests, which need minutes and many gigabytes
	@echo "== pytest, $(WORKERS) processes, all tests"
	@$(VENV)/bin/python -m pytest -n $(WORKERS)

lint: $(VENV)/.complete  ## run ruff and mypy
	@echo "== ruff"
	@$(VENV)/bin/python -m ruff check
	@echo "== mypy"
	@$(VENV)/bin/python -m mypy

docs: $(DOCS_VENV)/.complete  ## build the documentation in site/; it opens from there, and nothing is loaded from elsewhere
	@echo "== mkdocs: site/index.html"
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/python -m mkdocs build --strict --quiet

bench: $(VENV)/.complete  ## measure unpoolx beside what the frameworks offer themselves, in ratios
	@echo "== unpoolx bench, medium sizes, all four frameworks"
	@$(VENV)/bin/python -m unpoolx bench --backend all --size medium

performance: $(VENV)/.complete  ## measure docs/performance.md anew, or PARTS="jax tf" of it (10 minutes)
	@echo "== docs/performance.json, .md and .png, and the README: $(PARTS)"
	@$(VENV)/bin/python -m unpoolx._bench.page --measure $(PARTS)

page: $(VENV)/.complete  ## write docs/performance.md and its picture from docs/performance.json
	@$(VENV)/bin/python -m unpoolx._bench.page

clean:  ## remove the environments, the picture and what the tools left
	rm -rf $(VENV) $(DEMO_VENV) $(DOCS_VENV) "$(PICTURE)" site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment counts as made when its stamp is there, and the stamp is written last: what an interrupted run
# left is thrown away. One that is complete but older than the lists is brought up to date in place.
define begin_venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
  echo "$(PYTHON) must be Python 3.11 or later; name another: make PYTHON=/path/to/python3" >&2; exit 1; }
@test -f $@ && $(@D)/bin/python -c '' || rm -rf $(@D)
@rm -f $@
@test -d $(@D) || $(PYTHON) -m venv $(@D) || { \
  echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu install python3-venv" >&2; exit 1; }
@$(@D)/bin/python $(PIP_UPGRADE)
endef

$(VENV)/.complete: pyproject.toml tests/constraints.txt
	@echo "== Making $(@D): unpoolx, TensorFlow, JAX, PyTorch, Keras, Flax, Numba and the test tools (some gigabytes, once)"
	$(begin_venv)
	@$(@D)/bin/python -m pip install $(PIP_FLAGS) --group test --editable '.[jax,torch,array-api,keras,flax,numba,dask,testing,demo,examples]'
	@touch $@

$(DEMO_VENV)/.complete: pyproject.toml tests/constraints.txt
	@echo "== Making $(@D): unpoolx, NumPy, Pillow, matplotlib and rich (once)"
	$(begin_venv)
	@$(@D)/bin/python -m pip install $(PIP_FLAGS) --editable '.[demo]'
	@touch $@

$(DOCS_VENV)/.complete: pyproject.toml tests/constraints.txt
	@echo "== Making $(@D): MkDocs with Material and mkdocstrings (once)"
	$(begin_venv)
	@$(@D)/bin/python -m pip install $(PIP_FLAGS) --group docs
	@touch $@
