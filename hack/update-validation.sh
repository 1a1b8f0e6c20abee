#!/usr/bin/env bash
# Copyright The Steppe Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Generates what pkg/shadow/validation takes from the sources of k8s.io/api: the
# values of enumerated types, and what the types of resource.k8s.io declare by tags.
# With a filled module cache no network is needed.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export GOFLAGS="${GOFLAGS:-} -mod=readonly"
package=pkg/shadow/validation
# The package cannot be compiled while its table is half written.
table=$(mktemp)
trap 'rm -f "$table"' EXIT

go run ./hack/validation-enums >"$table"
cp "$table" "$package/zz_generated.enums.go"

readonly_packages=(
	k8s.io/api/core/v1
	k8s.io/apimachinery/pkg/api/resource
	k8s.io/apimachinery/pkg/apis/meta/v1
	k8s.io/apimachinery/pkg/runtime
	k8s.io/apimachinery/pkg/types
	k8s.io/apimachinery/pkg/util/intstr
	time
)
go run k8s.io/code-generator/cmd/validation-gen --go-header-file hack/boilerplate.go.txt \
	--output-file zz_generated.validations.go "${readonly_packages[@]/#/--readonly-pkg=}" "./$package/declared"
