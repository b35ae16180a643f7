# `make` prints this help.
PY := .venv/bin/python
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install demo demo-down check format test bench clean

help: ## this list
	@echo 'Bramble. On a fresh Debian or Raspberry Pi OS machine, as root or with sudo:'
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'
	@echo
	@echo '  make demo ONCE=1     run the main job to its end without a person, check every step, clean up'
	@echo '  make test T=PATH     only the tests in PATH (or anything else that pytest takes)'
	@echo '  make bench ONLY=twin only the figures whose name contains "twin"; OUT=FILE writes them as JSON too'

install: ## install what the demo needs
	@packaging/install.sh demo

demo: ## the main job on this machine: site, board, pod, device (Ctrl-C ends it and cleans up)
	@packaging/install.sh demo
	@$(PY) -m demo $(if $(ONCE),--once)

demo-down: ## end a demo that was left running and remove all it made
	@if [ -x $(PY) ]; then $(PY) -m demo --down; else echo 'no demo was ever run here'; fi

check: ## format, rules, types, import rules, unit and module tests: under a minute
	@packaging/install.sh test
	@.venv/bin/ruff format --check -q . || { echo 'run: make format'; exit 1; }
	@.venv/bin/ruff check -q .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache
	@$(PY) -m pytest -m 'not system' tests/architecture tests/unit tests/wire tests/contract tests/module

format: ## put the code into its format
	@packaging/install.sh test
	@.venv/bin/ruff format -q . && .venv/bin/ruff check -q --fix .

test: ## install what is missing and run every test: unit, module, contract, wire, system
	@packaging/install.sh test
	@$(PY) -m pytest $(T)

bench: ## print figures, one a line: name value unit
	@packaging/install.sh test
	@$(PY) -m tests.bench $(if $(ONLY),--only '$(ONLY)') $(if $(OUT),--json '$(OUT)')

clean: ## remove what the build and the tests left in this checkout
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache *.egg-info build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
