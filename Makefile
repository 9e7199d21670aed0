# The one entry point, for people and for CI. `make` prints this help.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# The first of three ports each, for `up` and `demo`.
export HTTP_PORT ?= 3000
export RAFT_PORT ?= 10008

OURS := $(shell sed -n 's/^name = "\(orchestrator-[a-z0-9]*\)"/\1/p' crds/Cargo.toml operator/Cargo.toml service/*/Cargo.toml)
PACKAGES := $(addprefix -p ,$(OURS))
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
LAB := target/debug/orchestrator-lab
# Doubles come from others' trees; allowances may be ahead of what is used.
DENY_QUIET := -A duplicate -A unused-wrapper -A license-not-encountered
# The stories cut networks and make namespaces: root, or sudo.
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo -E -H)

.PHONY: help
help: ## print this help
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##

.PHONY: up
up: build servers-demo ## build, start three nodes and a small MariaDB topology, print what to try
	@$(LAB) up

.PHONY: down
down: ## end what `up` or `demo` started; leaves nothing
	@if [ -x $(LAB) ]; then $(LAB) down; else echo "nothing was ever built, so nothing is up"; fi

.PHONY: demo
demo: build servers-demo ## as `up`, then kill the primary under a writing client and tell the story
	@$(LAB) demo

.PHONY: demo-election
demo-election: build ## three nodes elect a leader, and again when it is killed, freezes, ends; side by side
	@$(LAB) demo-election

.PHONY: image
image: ## build the service's image (static, from scratch) with docker or buildah: target/container
	@service/image/build

.PHONY: images
images: ## build the images of service and operator, with this version as their tag: target/container/*.tar
	@TAG=orchestrator:$(VERSION) service/image/build
	@TAG=orchestrator-operator:$(VERSION) operator/image/build

.PHONY: demo-docker
demo-docker: image ## three containers on a Docker engine of the demo's own: cut off, replaced, ended; with times
	@$(AS_ROOT) e2e/labs/demo-docker

.PHONY: test-docker
test-docker: image ## the image on a real Docker engine, started with the commands that people know
	@$(AS_ROOT) e2e/labs/mysql-lab install all >/dev/null
	@e2e/labs/test-docker "$(AS_ROOT)"

.PHONY: test-docs
test-docs: build ## do what the pages of docs/ say, command by command, on machines of their own (about 2 min)
	@$(AS_ROOT) e2e/labs/mysql-lab install all >/dev/null
	@$(AS_ROOT) env "PATH=$$PATH" cargo test --locked --no-fail-fast -p orchestrator-e2e --test docs -- --test-threads=4

.PHONY: up-k8s
up-k8s: tools ## a Kubernetes of three nodes on this machine, the operator, a first group; print what to try (IMAGES=debug is sooner)
	@e2e/labs/up-k8s "$(AS_ROOT)"

.PHONY: down-k8s
down-k8s: ## end what `up-k8s` started; leaves nothing
	@$(AS_ROOT) e2e/labs/kube-lab down orchestrator

.PHONY: e2e-k8s
e2e-k8s: tools ## stories on a real Kubernetes, STORIES="e05 e07" alone; with KUBECONFIG set, on that cluster
	@e2e/labs/test-k8s "$(AS_ROOT)" $(STORIES)

.PHONY: test
test: verify ## everything that proves the product: rules, unit tests, stories on real servers
	@e2e/labs/run-tests "$(AS_ROOT)" $(PACKAGES)

.PHONY: verify
verify: tools ## formatting, lints, docs, dependency rules; changes nothing
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
	cargo test -p orchestrator-e2e --test rules --locked --quiet
	@if command -v cargo-deny >/dev/null; then cargo fetch --locked --quiet && cargo deny --offline check $(DENY_QUIET) licenses bans sources; \
	else echo "cargo-deny is not installed: licences were not checked (the import rules were)"; fi

.PHONY: web
web: ## rebuild the web UI's assets from its sources (Node 20 or newer); look at the diff before you commit it
	cd service/web && npm install --no-save --no-audit --no-fund && npm run build

.PHONY: generate
generate: ## write anew what is made of the types in crds and of the charts (helm needed); look at the diff before you commit it
	cargo run --locked --quiet -p orchestrator-crds --bin crdgen
	UPDATE_EXPECT=1 cargo test --locked --quiet -p orchestrator-e2e --test k8s-files -- every_value_is_explained manifests_are

.PHONY: test-charts
test-charts: ## charts, manifests, alerts and the page on Kubernetes, without a cluster (helm, kubectl and promtool needed)
	cargo test --locked -p orchestrator-e2e --test k8s-files

.PHONY: advisories
advisories: ## look for known security advisories (cargo-deny and a way to github.com needed)
	cargo deny check $(DENY_QUIET) advisories

.PHONY: fix
fix: ## apply what clippy can mend, and format
	cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	cargo fmt --all

.PHONY: bless
bless: ## rewrite golden expectations; look at the diff before you commit it
	UPDATE_EXPECT=1 cargo test --workspace --exclude orchestrator-e2e

.PHONY: sim
sim: ## simulate SEEDS=n random histories of recoveries, and as many of raft groups
	cargo run --locked --release -p orchestrator-sim -- --seeds $(or $(SEEDS),1000)

.PHONY: bench-failover
bench-failover: release servers-demo ## print how long failovers take, beside the original's figures (about 15 min)
	@e2e/labs/mysql-lab install mysql-9.7 >/dev/null
	@ORCHESTRATOR_BIN=$(CURDIR)/target/release/orchestrator $(LAB) bench-failover $(RUNS)

.PHONY: bench-k8s
bench-k8s: build ## print how long a group takes to be ready on a real Kubernetes, and to have another leader
	@$(AS_ROOT) e2e/labs/with-k8s $(LAB) bench-k8s $(RUNS)

.PHONY: bench-operator
bench-operator: tools ## print what one operator costs with COUNT=n objects, members simulated, beside STRANGERS=n other pods (about 20 min for 1000)
	@$(AS_ROOT) env "PATH=$$PATH" e2e/labs/bench-operator $(or $(COUNT),1000) $(STRANGERS)

.PHONY: bench-raft
bench-raft: release servers-demo ## print how long a raft group is without a leader, what it costs and carries (about 6 min)
	@e2e/labs/mysql-lab install mysql-9.7 >/dev/null
	@$(AS_ROOT) ORCHESTRATOR_BIN=$(CURDIR)/target/release/orchestrator $(LAB) bench-raft $(RUNS)

.PHONY: soak
soak: release ## kill, freeze and cut a group at random for MINUTES=n (SEED=n plays one again); nothing acknowledged may be lost
	@$(AS_ROOT) ORCHESTRATOR_BIN=$(CURDIR)/target/release/orchestrator nice -n 10 $(LAB) soak $(or $(MINUTES),5) $(SEED)

.PHONY: bench-node
bench-node: release servers-demo ## print what a node costs, beside the original's figures (about 3 min)
	@ORCHESTRATOR_BIN=$(CURDIR)/target/release/orchestrator $(LAB) bench-node

# --- what the above need ---------------------------------------------------------------------------------------

.PHONY: tools
tools:
	@e2e/labs/tools

.PHONY: build
build: tools
	cargo build --locked -p orchestrator-server -p orchestrator-client -p orchestrator-e2e

.PHONY: release
release: build
	cargo build --locked --release -p orchestrator-server

.PHONY: servers-demo
servers-demo: tools
	@e2e/labs/mysql-lab install mariadb-10.11 >/dev/null
