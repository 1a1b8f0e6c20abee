# Copyright The Steppe Authors.
# SPDX-License-Identifier: Apache-2.0

# `make` alone lists the targets with the sentence behind ##.
.DEFAULT_GOAL := help
.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

# Only help works without Go, which sudo may have taken out of the path.
ifneq ($(filter-out help,$(MAKECMDGOALS)),)
ifeq ($(shell command -v go 2>/dev/null),)
$(error There is no go in the PATH. If there is in yours without sudo: sudo env "PATH=$$PATH" make $(MAKECMDGOALS))
endif
# Go would ask git about the checkout, and fail where it belongs to another user.
export GOFLAGS := $(strip $(shell go env GOFLAGS) -buildvcs=false)
endif

# ---- Local cluster -----------------------------------------------------------
# A Kubernetes cluster with edge nodes on this machine, see hack/localcluster.
# For what has no target here, such as cutting links:
#   go run ./hack/localcluster/cmd/localcluster --help

# Name of the cluster; several can run side by side.
CLUSTER ?= steppe
# Edge nodes, and the node pools that they are spread over. Empty means 2 of
# each, or as many as the cluster has.
NODES ?=
POOLS ?=

# It runs without a C compiler, which it may be asked to install.
LOCALCLUSTER = CGO_ENABLED=0 go run ./hack/localcluster/cmd/localcluster --name=$(CLUSTER)

.PHONY: up down kubeconfig deps binaries
up: ## Bring up a local cluster with Steppe (as root; NODES=2 POOLS=2).
	@$(LOCALCLUSTER) deps --install
	@$(LOCALCLUSTER) up $(if $(NODES),--nodes=$(NODES)) $(if $(POOLS),--pools=$(POOLS))

down: ## Remove the local cluster and all it left on this machine (as root).
	@$(LOCALCLUSTER) down

kubeconfig: ## Print the path of the local cluster's kubeconfig (as root).
	@$(LOCALCLUSTER) kubeconfig

deps: ## Install the Debian packages that the local cluster and tests need (as root).
	@$(LOCALCLUSTER) deps --for=cluster,tests --install

binaries: ## Build Kubernetes, etcd, containerd and CNI plugins into the cache.
	@$(LOCALCLUSTER) binaries

# ---- Images ------------------------------------------------------------------
REGISTRY ?= steppe.local
ARCH ?= $(shell go env GOARCH)

.PHONY: images
images: ## Build the container images for a cluster of yours (VERSION=v0.1.0).
	go run ./hack/image/cmd/images --registry=$(REGISTRY) --version=$(VERSION) --arch=$(ARCH)

# ---- Tests and checks --------------------------------------------------------
# The packages that need nothing but Go, a C compiler for the race detector and the
# built binaries, and those that need a local cluster, so root.
REST = $$(go list ./... | grep -v -e /test/e2e -e /test/bench -e /generated/)

.PHONY: test test-unit test-e2e
test: binaries test-unit test-e2e ## Run all tests: unit, integration, and end to end as root.

test-unit: ## Run unit and integration tests, with the race detector.
	@$(LOCALCLUSTER) deps --for=tests --check
	go test -race -timeout=30m $(REST)

test-e2e: ## Run the end-to-end tests on a local cluster of their own (as root).
	@hack/test-e2e.sh

.PHONY: verify vet lint verify-codegen verify-modules vulncheck
verify: vet lint verify-codegen verify-modules vulncheck ## Run all checks of the code.

vet:
	go vet ./...

lint: ## Run the linters.
	go tool -modfile=hack/tools/go.mod golangci-lint run

verify-codegen: ## Check that generated code is up to date.
	hack/verify-codegen.sh

verify-modules: ## Check that go.mod and go.sum list what is used.
	go mod tidy -diff

vulncheck: ## Look for known vulnerabilities, where their database can be reached.
	hack/vulncheck.sh

.PHONY: generate
generate: ## Regenerate deep copies, conversions, OpenAPI and the SDK.
	hack/update-codegen.sh

# ---- Benchmarks --------------------------------------------------------------
BENCH ?= .
BENCHTIME ?= 30s

.PHONY: bench
bench: ## Compare with the alternatives; results are kept in test/bench/results.
	BENCH='$(BENCH)' BENCHTIME='$(BENCHTIME)' hack/bench.sh
