# `make quickstart` and `make test` are all a newcomer needs; each target builds .venv from the lock when it is absent.
# The first Python of those that the package supports, whatever it is called here.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin

.PHONY: quickstart test test-all lint docs lock clean

quickstart: .venv/.ready
	$(BIN)/pose-diffusion quickstart --config configs/quickstart.yaml

test: .venv/.ready
	$(BIN)/python -m pytest -m "not slow"

test-all: .venv/.ready
	$(BIN)/python -m pytest

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The API reference, made from the docstrings. Every module is imported for it.
docs: .venv/.ready
	$(BIN)/python docs/build_api.py

.venv/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python 3.11, 3.12 or 3.13 here: install one, or name it: make PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# Takes the versions that are installed now, for after a dependency was added or raised.
lock:
	(echo "# Every version this project is tested with; made by 'make lock'. No hashes: torch's CPU and CUDA builds differ."; \
	 $(BIN)/python -m pip freeze --exclude-editable | sed 's/^\(torch==[^+]*\)+.*/\1/') > requirements.lock

clean:
	rm -rf .venv runs
