# Every target sets itself up in .venv; a stamp file keeps a second call from reinstalling.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.installed
TEST := $(VENV)/.installed-test
BENCH := $(VENV)/.installed-bench
REFERENCE := results/reference
JUDGED := digits digits-images cifar10 tiny-imagenet objectives-digits objectives-peaks-digits multimodal-glyphs
SIDE_BY_SIDE := -n 2 --dist loadgroup --no-loadscope-reorder
export RAY_USAGE_STATS_ENABLED := 0
unexport PYTHONDONTWRITEBYTECODE # hundreds of processes start: without it each compiles all files again

.PHONY: install quickstart reference figures docs test test-all lint bench simulations gpu gpu-pack gpu-results clean

install: $(RUN)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(RUN): pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(TEST): $(RUN)
	$(BIN)/pip install --quiet --editable '.[test,docs]'
	touch $@

$(BENCH): $(RUN)
	$(BIN)/pip install --quiet --editable '.[bench]'
	touch $@

quickstart: $(RUN)
	$(BIN)/python sweeps/launch.py sweeps/grids/quickstart.yaml
	$(BIN)/python analysis/plot_scaling.py results/quickstart
	$(BIN)/python analysis/plot_double_descent.py results/quickstart
	$(BIN)/python analysis/plot_grid_law.py results/quickstart
	$(BIN)/python analysis/recommend.py results/quickstart --flops 1e12
	$(BIN)/python analysis/query.py results/quickstart \
		"SELECT P, D, steps, percent_error, probe_accuracy FROM runs ORDER BY D, P"
	$(BIN)/python analysis/report.py results/quickstart

# The sweep of results/reference/digits, from scratch: 42 minutes on two idle cores.
reference: $(RUN)
	$(BIN)/python sweeps/launch.py sweeps/grids/digits.yaml
	$(BIN)/python analysis/report.py results/digits

# Every committed figure and table anew, from the committed stores: the same numbers.
figures: $(RUN)
	for sweep in $(addprefix $(REFERENCE)/,digits cifar10 tiny-imagenet); do \
		for command in plot_double_descent plot_scaling plot_grid_law report; do \
			$(BIN)/python analysis/$$command.py $$sweep || exit 1; \
		done; \
	done
	$(BIN)/python analysis/plot_double_descent.py $(REFERENCE)/digits-images
	$(BIN)/python analysis/plot_objectives.py $(REFERENCE)/objectives-digits
	$(BIN)/python analysis/plot_multimodal.py $(REFERENCE)/multimodal-glyphs
	for sweep in digits-images objectives-digits objectives-peaks-digits multimodal-glyphs; do \
		$(BIN)/python analysis/report.py $(REFERENCE)/$$sweep || exit 1; \
	done
	$(BIN)/python analysis/plot_predictions.py $(REFERENCE)/tiny-imagenet-adaptive --at-stop
	$(BIN)/python analysis/claims.py $(addprefix $(REFERENCE)/,$(JUDGED)) --write docs/results.md --summary README.md

# What pages of docs/ say of the code and show of its commands, written anew; the site in build/site.
docs: $(TEST)
	$(BIN)/python sweeps/config_reference.py --write docs/config_reference.md --schema sweeps/grid.schema.json
	$(BIN)/python -m tests.tutorial --write
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: $(TEST)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest $(SIDE_BY_SIDE)

test-all: lint
	$(BIN)/pytest $(SIDE_BY_SIDE) -m ''

bench: $(BENCH)
	$(BIN)/python -m tests.benchmarks

simulations: $(BENCH)
	$(BIN)/python -m tests.benchmarks coverage recovery

gpu: $(TEST)
	$(BIN)/pytest tests/mmcr_core -k gpu
	$(BIN)/python -m tests.benchmarks.gpu $(if $(IMAGES),--images $(IMAGES))

# What a GPU machine without the data needs: make gpu-pack IMAGES=FILE.parquet
gpu-pack: $(RUN)
	$(BIN)/python -m tests.benchmarks.gpu.pack $(IMAGES)

# What came back from there becomes benchmarks, a store, figures: make gpu-results FOLDER=DIR
gpu-results: $(RUN)
	$(BIN)/python -m tests.benchmarks.gpu.results $(FOLDER)

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
