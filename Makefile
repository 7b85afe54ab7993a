# Everything a person or a pipeline does with this repository, one word each.
# The programs these need are installed where they are missing (tools/need says which).

.DEFAULT_GOAL := help
.PHONY: help demo test lint conformance bench soak

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

demo: ## Deploy, break, undo and flip a small app under load, on this machine alone
	@tools/need build
	cargo build --package shunt-proxy --package shunt-controller
	@tools/run shuntctl demo

test: ## All checks and all tests, with real etcd, Docker, registry, systemd and clients
	@tools/need build check etcd docker registry ssh image clients prometheus
	@tools/test

lint: ## The checks alone: format, clippy, documentation, dependencies
	@tools/need build check
	@tools/lint

conformance: ## Raw bytes in, raw bytes out: shunt, nginx and HAProxy side by side
	@tools/need build conformance
	cargo build --package shunt-proxy --package shunt-conformance
	@PATH="$$PATH:/usr/sbin:/sbin" tools/run conformance

bench: ## CPU per request and flip times, side by side with other proxies
	@tools/need build etcd bench
	@bench/run $(BENCH)

soak: ## The long versions of the end-to-end tests, with their figures, and ten minutes of each fuzz target
	@tools/need build check etcd docker registry ssh image clients prometheus
	@SHUNT_SOAK=1 tools/test
	@tools/fuzz $${SHUNT_FUZZ_SECONDS:-600}
