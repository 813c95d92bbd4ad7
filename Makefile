# The front door. `make` alone lists what it can do.

.DEFAULT_GOAL := help

# Parts of scripts/packages.txt that a target needs; its prerequisites inherit them.
PARTS := run
test check bench setup model soak: PARTS := run test

# What boots no guest runs side by side, and waits as much as it computes; tests/conftest.py keeps the rest apart.
SIDE_BY_SIDE := --numprocesses=3 --dist=loadscope --no-loadscope-reorder

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo '  ARGS=... goes to the command behind a target:  make test ARGS="-k oracle"'

.PHONY: demo
demo: agent venv ## two hosts, two guests, streams, a migration there and back, a verdict
	@.venv/bin/testbed demo $(ARGS)

.PHONY: test
test: agent venv ## every test, real guests and migrations included
	@.venv/bin/pytest $(SIDE_BY_SIDE) $(ARGS)

.PHONY: check
check: agent venv ## style and unit tests only: fast
	@.venv/bin/pytest $(SIDE_BY_SIDE) tests/style tests/unit $(ARGS)

.PHONY: bench
bench: agent venv ## measure, and print the figures
	@.venv/bin/python -m tests.perf.figures $(ARGS)

.PHONY: model
model: agent venv ## search every state of the protocol's model; ARGS="W=1 BREAK" chooses
	@.venv/bin/python -m tests.model.exhaustive $(ARGS)

.PHONY: stress
stress: agent venv ## migrations under load in every mode, each one checked
	@.venv/bin/testbed stress $(ARGS)

.PHONY: soak
soak: agent venv ## hours: random schedules of the protocol (ARGS="--count N"), every long test, every signal
	@$(MAKE) --no-print-directory -C guest-agent SAN=1 BUILD=build-san build-san/tests/test_simulation
	@.venv/bin/python -m tests.agent.schedules $(ARGS)
	@TESTBED_LONG=1 TESTBED_DISKS=1 TESTBED_EVERY_SIGNAL=1 .venv/bin/pytest tests/lab tests/agent

.PHONY: image
image: agent venv ## build a guests' image into the cache: micro, or ARGS=debian
	@.venv/bin/testbed image build $(ARGS)

.PHONY: deb
deb: agent venv ## build the agent's Debian package into build/
	@.venv/bin/testbed image deb $(ARGS)

.PHONY: agent
agent: packages ## compile the guest agent and the workloads
	@$(MAKE) --no-print-directory --directory guest-agent
	@$(MAKE) --no-print-directory --directory workloads

.PHONY: setup
setup: agent venv ## install and build all that the other targets need

.PHONY: clean
clean: ## remove what was built; keeps results/
	rm -rf .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf guest-agent/build guest-agent/build-* workloads/build workloads/build-*
	find harness tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: packages
packages:
	@scripts/setup.sh $(PARTS)

.PHONY: venv
venv: packages
	@scripts/venv.sh $(filter test,$(PARTS))
