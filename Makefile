# Everything runs in .venv, which `make install` makes. PYTHON names another interpreter (3.11 or
# newer) where python3 is too old.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := toolkit plugins/*/toolkit_*

.PHONY: install demo test check lint format clean
.DEFAULT_GOAL := install

install: .venv/installed

# --inexact keeps pip and uv, which came before the workspace.
.venv/installed: pyproject.toml $(wildcard plugins/*/pyproject.toml)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"
	$(BIN)/uv sync --quiet --all-packages --inexact --python $(BIN)/python
	touch $@

# Trains for a few minutes on the shipped photographs, then restores held-out ones.
demo: install
	$(BIN)/python examples/demo.py

test: install
	$(BIN)/python -m pytest

check: lint test

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv runs/demo .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
