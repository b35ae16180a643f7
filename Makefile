# `make` prints this help.
PY := .venv/bin/python
# Three at once for each core, since many tests wait; an idle worker takes over what a busy one has not begun.
QUICK_TESTS := $(PY) -m pytest -n $(shell expr $$(nproc) \* 3) --dist worksteal -m 'not system'
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install demo demo-down check check-rules check-unit check-unit-edgecore check-module format test deb test-deb test-update containers test-containers test-cluster test-vm test-hardware test-armhf image test-image \
	fuzz faults bench clean

help: ## this list
	@echo 'Bramble. On a fresh Debian or Raspberry Pi OS machine, as root or with sudo:'
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-15s %s\n", $$1, $$2}'
	@echo
	@echo '  make demo ONCE=1     run the main job to its end without a person, check every step, clean up'
	@echo '  make test T=PATH     only the tests in PATH (or anything else that pytest takes)'
	@echo '  make bench ONLY=twin only the figures whose name contains "twin"; OUT=FILE writes them as JSON too'
	@echo '  make faults ONLY=off  only the profiles whose name contains "off"; SHORT=1 a few rounds of each, and no row is written'

install: ## install what the demo needs
	@packaging/install.sh demo

demo: ## the main job on this machine: site, board, pod, device (Ctrl-C ends it and cleans up)
	@packaging/install.sh demo
	@$(PY) -m demo $(if $(ONCE),--once)

demo-down: ## end a demo that was left running and remove all it made
	@if [ -x $(PY) ]; then $(PY) -m demo --down; else echo 'no demo was ever run here'; fi

# Side by side: unit tests share nothing out (a message for each of thousands costs more than the test) and are two runs, since some wait; module
# tests wait much, so several processes of them fit beside these.
CHECK_TESTS := $(PY) -m pytest -q -m 'not system' --hypothesis-profile=brief
check: ## format, rules, types, import rules, unit and module tests: under a minute
	@packaging/install.sh test
	@$(MAKE) --no-print-directory --keep-going --output-sync=target -j4 check-rules check-unit check-unit-edgecore check-module

check-rules:
	@.venv/bin/ruff format --check -q . || { echo 'run: make format'; exit 1; }
	@.venv/bin/ruff check -q .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache

check-unit:
	@$(CHECK_TESTS) -p no:xdist tests/unit tests/architecture --ignore tests/unit/edgecore

check-unit-edgecore:
	@$(CHECK_TESTS) -p no:xdist tests/unit/edgecore

check-module:
	@$(CHECK_TESTS) -n $(shell expr $$(nproc) \* 3) --dist worksteal tests/module

format: ## put the code into its format
	@packaging/install.sh test
	@.venv/bin/ruff format -q . && .venv/bin/ruff check -q --fix .

test: ## install what is missing and run every test: the quick ones side by side, then system, one by one
	@packaging/install.sh test
	@$(if $(T),$(PY) -m pytest $(T),$(QUICK_TESTS) && $(PY) -m pytest -m system)

deb: ## build the Debian packages into dist/
	@packaging/deb.sh

test-deb: ## install them in fresh Debian 12 and 13 trees, boot, join, upgrade, purge (root, network, five minutes; not part of make test)
	@tests/packages/run.sh $(SUITES)

containers: ## build the container images into dist/: ARCHES="amd64 arm64 armhf", this machine's alone where none is named
	@packaging/containers/build.sh

test-containers: ## run them in Podman, non-root and read-only, and the Helm chart by a real helm (root, network, minutes; not part of make test)
	@packaging/install.sh test
	@tests/containers/run.sh $(if $(T),-k '$(T)')

test-update: ## updates with real dpkg and systemd in a Debian tree: from the cloud, by hand, broken versions, killed, CUTS=6 power cuts (root, network, 35 minutes)
	@CUTS='$(CUTS)' tests/packages/update.sh $(SUITES)

test-cluster: ## CloudCore and a board at a real Kubernetes API server, built from Debian's source (root, network, half an hour; not part of make test)
	@packaging/install.sh test
	@tests/cluster/run.sh $(if $(T),-k '$(T)')

test-vm: ## the packages on a virtual machine: install, pods, limits, reboot, power cuts, upgrade, downgrade, purge: CUTS=3, KEEP=1 and then FROM=STEP (root, network, an hour emulated)
	@packaging/install.sh demo
	@CUTS='$(or $(CUTS),3)' KEEP='$(KEEP)' FROM='$(FROM)' TO='$(TO)' $(PY) -m tests.vm.board

test-hardware: ## the mappers on the kernel's simulated pins and buses, in a virtual machine (root, network, minutes)
	@packaging/install.sh demo
	@$(PY) -m tests.vm.hardware

test-armhf: ## the unit tests in a 32-bit userland, emulated, on Debian's own libraries (root, network)
	@tests/armhf/run.sh $(T)

image: ## the image of an SD card: ARCH=arm64 or armhf, MIRROR= a snapshot of Debian's archive (root, network, a quarter of an hour)
	@packaging/install.sh demo
	@$(PY) -m images.sdcard.build $(or $(ARCH),arm64) $(if $(MIRROR),--mirror '$(MIRROR)') $(if $(SECURITY_MIRROR),--security-mirror '$(SECURITY_MIRROR)') $(if $(BASE),--base '$(BASE)') $(if $(SUITE_ONLY),--suite-only)

test-image: ## boot it on an emulated board, from a bramble.yaml to a pod, without a login: ARCH=arm64 (root, after make image)
	@packaging/install.sh demo
	@ARCH=$(or $(ARCH),arm64) $(if $(IMAGE),IMAGE='$(IMAGE)') $(PY) -m tests.image.card

fuzz: ## hostile input, other than last time: SECONDS=180
	@packaging/install.sh test
	@$(PY) -m tests.fuzz $(or $(SECONDS),180)

bench: ## print figures, one a line: name value unit
	@packaging/install.sh test
	@$(PY) -m tests.bench $(if $(ONLY),--only '$(ONLY)') $(if $(OUT),--json '$(OUT)')

faults: ## shake board, link and cloud, count every message, write docs/reliability.md (about an hour)
	@packaging/install.sh test
	@$(PY) -m tests.faults $(if $(SHORT),--short,--write) $(if $(ONLY),--only '$(ONLY)')

clean: ## remove what the build and the tests left in this checkout
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache *.egg-info build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
