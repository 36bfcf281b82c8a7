# Everything runs in .venv, which `make install` makes. PYTHON names another interpreter (3.11 or
# newer) where python3 is too old.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := toolkit plugins/*/toolkit_* tools/documentation

POCKET_COMMANDS := pocket-photos pocket-train pocket-status pocket-pause pocket-continue pocket-stop pocket-keep
.PHONY: install demo pocket $(POCKET_COMMANDS) test mutants soak check lint format docs dist trial version notes clean
.DEFAULT_GOAL := install

install: .venv/installed

$(BIN)/uv:
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"

# --inexact keeps pip and uv, which came before the workspace.
.venv/installed: pyproject.toml $(wildcard plugins/*/pyproject.toml) | $(BIN)/uv
	$(BIN)/uv sync --quiet --all-packages --inexact --python $(BIN)/python
	touch $@

# Trains for a few minutes on the shipped photographs, then restores held-out ones.
demo: install
	$(BIN)/python examples/demo.py

# Trains the embedded model and its restorer from nothing, in some hours on two cores; run again, it
# goes on where it was stopped. The photographs come from Debian packages, by apt-get.
POCKET := plugins/backbones/toolkit_backbones/pocket
MADE := runs/pocket
# The run $(1) by the shipped recipe $(2), from its start or from where it was stopped.
trained = if test -f $(MADE)/$(1)/recipe.toml; then \
		$(BIN)/toolkit train --resume --out $(MADE)/$(1); \
	else \
		$(BIN)/toolkit train --config $(POCKET)/restorer/$(2) \
			--set backbone.weights=$(MADE)/backbone --out $(MADE)/$(1); \
	fi
pocket: install pocket-photos
	$(BIN)/python -m toolkit_backbones.pretraining.vae --photos $(MADE)/photos --out $(MADE)/backbone
	$(BIN)/python -m toolkit_backbones.pretraining.unet --photos $(MADE)/photos --out $(MADE)/backbone
	$(call trained,small-crops,small-crops.toml)
	$(call trained,restorer,recipe.toml)
	$(BIN)/python -m toolkit_backbones.pretraining.publish --backbone $(MADE)/backbone \
		--run $(MADE)/restorer

pocket-photos: install
	mkdir -p $(MADE)/photos
	cp -r plugins/photos/toolkit_photos/data/train $(MADE)/photos/
	test -f $(MADE)/photos/extra/ATTRIBUTION.toml || $(BIN)/python plugins/photos/build/build_photos.py \
		--packages $(MADE)/packages --extra $(MADE)/photos/extra

# The restorer's training in the background, at the lowest priority, from a clone beside this checkout, so
# that work on the code does not disturb it. Each starts from where the last was stopped, or from what ships.
TRAINING ?= $(CURDIR)-training
KEPT := plugins/backbones/training
BEGUN = $(firstword $(wildcard $(KEPT)) $(POCKET)/restorer)
BACKGROUND = cd $(TRAINING) && $(BIN)/python -m toolkit_backbones.pretraining.background
pocket-train:
	test -d $(TRAINING) || git clone --quiet . $(TRAINING)
	$(MAKE) -C $(TRAINING) pocket-photos
	$(BACKGROUND) start --photos $(MADE)/photos --out $(MADE)/restorer --kept $(BEGUN)

pocket-status pocket-pause pocket-continue pocket-stop:
	@$(BACKGROUND) $(@:pocket-%=%) --out $(MADE)/restorer

# Saves the newest weights in this checkout: on another machine the training goes on from there.
pocket-keep:
	@$(BACKGROUND) keep --out $(MADE)/restorer --kept $(CURDIR)/$(KEPT)

# A process a core, each computing with one thread; `-m pytest` alone runs one after the other.
test: install
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal

# Small faults, one at a time, in what computes results; lists those that no test sees. In some hours;
# `make mutants ONLY="toolkit/training/step.py"` for some modules, `ONLY="--sample 50"` for a sample.
mutants: install
	nice -n 10 $(BIN)/python tests/mutants/run.py $(ONLY)

# Kills a training again and again; it must end as one that was left alone. In some minutes;
# `make soak ONLY="--kills 100 --seed 1"` for longer.
soak: install
	nice -n 10 $(BIN)/python tests/training/soak.py $(ONLY)

check: lint test

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What releases need, without an installed toolkit.
RELEASE = $(BIN)/uv run --quiet --no-project --python $(BIN)/python --with packaging python tools/release

# Wheels and sdists of all distributions in dist/, which must hold what they should and nothing else.
dist: $(BIN)/uv
	rm -rf dist
	$(BIN)/uv build --quiet --all-packages --out-dir dist
	$(RELEASE)/distributions.py dist

# README's commands from the wheels in dist/ alone, in a fresh environment outside of the checkout.
trial: dist
	$(RELEASE)/trial.py dist

# The version of all distributions, and of what they require of each other: `make version V=0.2.0`.
version: $(BIN)/uv
	@$(RELEASE)/version.py $(V)

# What the changelog says of the version.
notes: $(BIN)/uv
	@$(RELEASE)/changelog.py $$($(RELEASE)/version.py)

# The documentation's site, in site/: open site/index.html. Nothing is loaded from elsewhere.
docs: install
	PYTHONPATH=tools $(BIN)/python -m documentation

clean:
	rm -rf .venv dist runs/demo site .cache build/docs .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
