# Every target sets itself up in .venv; a stamp file keeps a second call from reinstalling.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.installed
TEST := $(VENV)/.installed-test
export RAY_USAGE_STATS_ENABLED := 0

.PHONY: install quickstart test test-all lint bench clean

install: $(RUN)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(RUN): pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(TEST): $(RUN)
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@
