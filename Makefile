# make demo: from nothing but Python 3.11+ to a finished benchmark on embedded data.
# make test: from nothing to passed tests. make test-all: also the slow ones and those that need root.
# make wheel: the built wheel, installed without the lock, trains on pictures, sounds and texts.
# make docs: the documents as a site, links checked: build/site/index.html.
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin

.PHONY: demo test test-all check format docs wheel

demo: $(VENV)/.installed
	$(BIN)/bench run quickstart

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-all: check
	$(BIN)/python -m pytest --all

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

wheel:
	.ci/wheel

docs: $(VENV)/.installed
	$(BIN)/mkdocs build --strict -f docs/site/mkdocs.yml

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.installed: pyproject.toml requirements.lock
	@echo "installing into $(VENV): several GB of packages, some minutes the first time"
	@$(PYTHON) -m venv $(VENV)
	@# uv installs in half a minute what takes pip five; where it can't be had or fails, pip does it.
	@{ $(BIN)/python -m pip install uv > $(VENV)/install.log 2>&1 \
		&& $(BIN)/uv pip install --python $(BIN)/python -c requirements.lock -e '.[dev]' >> $(VENV)/install.log 2>&1; } \
		|| $(BIN)/python -m pip install -c requirements.lock -e '.[dev]' >> $(VENV)/install.log 2>&1 \
		|| { tail -n 20 $(VENV)/install.log; exit 1; }
	@touch $@
