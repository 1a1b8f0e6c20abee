# Copyright The Steppe Authors.
# SPDX-License-Identifier: Apache-2.0

# `make` alone lists the targets with the sentence behind ##.
.DEFAULT_GOAL := help
.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

# ---- Local cluster -----------------------------------------------------------
# A Kubernetes cluster with edge nodes on this machine, see hack/localcluster.
# For what has no target here, such as cutting links:
#   go run ./hack/localcluster/cmd/localcluster --help

# Name of the cluster; several can run side by side.
CLUSTER ?= steppe
# Edge nodes, and the node pools that they are spread over.
NODES ?= 2
POOLS ?= 2

LOCALCLUSTER = go run ./hack/localcluster/cmd/localcluster --name=$(CLUSTER)

.PHONY: up down kubeconfig deps binaries
up: deps ## Bring up a local cluster with Steppe (as root; NODES=2 POOLS=2).
	@$(LOCALCLUSTER) up --nodes=$(NODES) --pools=$(POOLS)

down: ## Remove the local cluster and all it left on this machine (as root).
	@$(LOCALCLUSTER) down

kubeconfig: ## Print the path of the local cluster's kubeconfig (as root).
	@$(LOCALCLUSTER) kubeconfig

deps: ## Install the Debian packages that the local cluster needs (as root).
	@$(LOCALCLUSTER) deps --install

binaries: ## Build Kubernetes, etcd, containerd and CNI plugins into the cache.
	@$(LOCALCLUSTER) binaries
