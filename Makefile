# What to type: `make help`. Each target makes what it needs; a second call does nothing twice.
# The network is used by pip alone, and only when .venv is made or pyproject.toml has changed.

VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip install -qq --disable-pip-version-check
ARGS    ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs bench build clean

help:  ## this text
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.base  ## crawl the bundled shop and see what comes out (nothing needed but Python 3.11+)
	@$(BIN)/scrapekit demo $(ARGS)

test: $(VENV)/.dev  ## run the whole suite (ARGS="-k robots" runs a part)
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev  ## ruff check, ruff format --check, mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev  ## let ruff mend and format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(VENV)/.docs  ## build the documentation into site/, warnings are errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.bench  ## pages per second beside Scrapy, on Debian's postgresql-doc-15
	@$(BIN)/python -m tests.bench.compare $(ARGS)

build: $(VENV)/.dev  ## wheel and sdist into dist/
	@$(BIN)/python -m build --outdir dist .

clean:  ## remove what the targets above made
	rm -rf $(VENV) .venv-* site dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# One stamp for each set of dependencies; all of them stand on the first.
$(VENV)/.python:
	@python=$$(.ci/python) && echo "making $(VENV) with $$python" >&2 && "$$python" -m venv --clear $(VENV)
	@touch $@

$(VENV)/.base: $(VENV)/.python pyproject.toml
	@echo "installing scrapekit" >&2
	@$(PIP) --editable .
	@touch $@

$(VENV)/.dev $(VENV)/.docs $(VENV)/.bench: $(VENV)/.%: $(VENV)/.base
	@echo "installing what $* needs" >&2
	@$(PIP) --editable '.[$*]'
	@touch $@
