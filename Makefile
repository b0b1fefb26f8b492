# The two commands of the README are `make demo` and `make test`; both set up what they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Plain `torch` would bring gigabytes of CUDA packages; this version has a CPU wheel.
TORCH := torch==2.13.0
EXTRAS := server,trainer,cpu,local,postgres,redis,dev

SOURCES := featurestore streaming trainer server simulator cli tests benchmarks protos/generate.py docs/generated_page.py docs/generate_limits.py docs/generate_settings.py docs/picture.py docs/examples

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-faults test-kafka check format proto docs clean

help: ## Lists the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --progress-bar on "$(TORCH)"
	$(BIN)/python -m pip install --quiet --progress-bar on --editable ".[$(EXTRAS)]"
	@touch $@

setup: $(STAMP) ## Creates .venv and installs everything.

demo: setup ## Real data, real broker, real model: pages change because an event arrived.
	$(BIN)/pagecast demo

# Each of pytest's workers imports a thousand files of this repository, and every process that tests
# start imports some hundreds: they are compiled once and kept, even where the shell asks Python to keep none.
test test-faults: export PYTHONDONTWRITEBYTECODE :=

test: setup ## The test suite (minutes).
	$(BIN)/python -m pytest -n 3 -m "not faults" --dist worksteal

test-faults: setup ## Slow fault and chaos suites; seeds from PAGECAST_TEST_SEED.
	$(BIN)/python -m pytest -n 2 -m faults --dist worksteal

test-kafka: setup ## The event log suite against a real Kafka: KAFKA_BOOTSTRAP=host:port.
	@test -n "$(KAFKA_BOOTSTRAP)" || { echo "set KAFKA_BOOTSTRAP=host:port"; exit 2; }
	KAFKA_BOOTSTRAP=$(KAFKA_BOOTSTRAP) $(BIN)/python -m pytest tests/eventlog tests/streaming

check: setup ## Format, lint, types, protos, layers, generated code.
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/python protos/generate.py --check
	$(BIN)/python protos/generate.py --image $(VENV)/protos.binpb
	$(BIN)/buf lint $(VENV)/protos.binpb --config protos/buf.yaml
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate_limits.py --check
	$(BIN)/python docs/generate_settings.py --check

format: setup ## Formats, and fixes what can be fixed automatically.
	$(BIN)/ruff check --fix-only $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

proto: setup ## Generates the stubs from the protos.
	$(BIN)/python protos/generate.py

docs: setup ## Generates docs/limits.md and docs/settings.md from the code.
	$(BIN)/python docs/generate_limits.py
	$(BIN)/python docs/generate_settings.py

clean: ## Removes the environment and all state.
	rm -rf $(VENV) .pagecast
