# `make quickstart` and `make test` are all a newcomer needs; each target builds .venv from the lock when it is absent.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: quickstart test test-all lint lock clean

quickstart: .venv/.ready
	$(BIN)/python jobs/quickstart.py --config configs/quickstart.yaml

test: .venv/.ready
	$(BIN)/python -m pytest -m "not slow"

test-all: .venv/.ready
	$(BIN)/python -m pytest

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/.ready: requirements.lock pyproject.toml
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
