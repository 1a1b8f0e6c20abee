#!/usr/bin/env bash
# Copyright The Steppe Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Generates deep copies, defaults and conversions beside the API types, and the
# OpenAPI definitions and the SDK under generated/. The generators are pinned as
# tools in go.mod; with a filled module cache no network is needed.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
module=github.com/steppe-io/steppe
header=hack/boilerplate.go.txt
export GOFLAGS="${GOFLAGS:-} -mod=readonly"

# One line per API group: its folder under apis/ and its versions, oldest first.
groups=(
	"apps v1alpha1 v1beta1 v1beta2"
)

hubs=() versions=() inputs=""
for group in "${groups[@]}"; do
	read -r folder names <<<"$group"
	hubs+=("$module/apis/$folder")
	for version in $names; do
		versions+=("$module/apis/$folder/$version")
		inputs+="${inputs:+,}$folder/$version"
	done
done

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
go build -o "$tools" tool

find apis -name 'zz_generated.*' -delete
rm -rf generated

"$tools/deepcopy-gen" --go-header-file "$header" --output-file zz_generated.deepcopy.go "${hubs[@]}" "${versions[@]}"
"$tools/defaulter-gen" --go-header-file "$header" --output-file zz_generated.defaults.go "${versions[@]}"
"$tools/conversion-gen" --go-header-file "$header" --output-file zz_generated.conversion.go "${versions[@]}"

# The definitions of Kubernetes' own types are ours to generate, as no module
# has them; its folders are in the module cache and stay as they are.
kubernetes=(
	k8s.io/api/core/v1
	k8s.io/apimachinery/pkg/api/resource
	k8s.io/apimachinery/pkg/apis/meta/v1
	k8s.io/apimachinery/pkg/runtime
	k8s.io/apimachinery/pkg/util/intstr
	k8s.io/apimachinery/pkg/version
)
"$tools/openapi-gen" --go-header-file "$header" \
	--output-dir generated/openapi --output-pkg "$module/generated/openapi" \
	--output-file zz_generated.openapi.go --output-model-name-file zz_generated.model_name.go \
	"${kubernetes[@]/#/--readonly-pkg=}" \
	--report-filename /dev/null "${versions[@]}" "${kubernetes[@]}"

# A pool's server serves Kubernetes' own resources too. Their definitions are
# apart, as no other program is to carry them.
builtin=(
	k8s.io/api/admissionregistration/v1
	k8s.io/api/apps/v1
	k8s.io/api/authentication/v1
	k8s.io/api/authorization/v1
	k8s.io/api/autoscaling/v1
	k8s.io/api/autoscaling/v2
	k8s.io/api/batch/v1
	k8s.io/api/certificates/v1
	k8s.io/api/coordination/v1
	k8s.io/api/core/v1
	k8s.io/api/discovery/v1
	k8s.io/api/events/v1
	k8s.io/api/networking/v1
	k8s.io/api/node/v1
	k8s.io/api/policy/v1
	k8s.io/api/rbac/v1
	k8s.io/api/resource/v1
	k8s.io/api/scheduling/v1
	k8s.io/api/storage/v1
	k8s.io/metrics/pkg/apis/metrics/v1beta1
)
"$tools/openapi-gen" --go-header-file "$header" \
	--output-dir generated/openapi/builtin --output-pkg "$module/generated/openapi/builtin" \
	--output-file zz_generated.openapi.go --output-model-name-file zz_generated.model_name.go \
	"${builtin[@]/#/--readonly-pkg=}" "${kubernetes[@]/#/--readonly-pkg=}" \
	--report-filename /dev/null "${builtin[@]}" "${kubernetes[@]:1}"

schema="$tools/openapi-schema.json"
go run ./hack/openapi-schema >"$schema"
"$tools/applyconfiguration-gen" --go-header-file "$header" --openapi-schema "$schema" \
	--external-applyconfigurations k8s.io/api/core/v1.Taint:k8s.io/client-go/applyconfigurations/core/v1 \
	--output-dir generated/applyconfiguration --output-pkg "$module/generated/applyconfiguration" "${versions[@]}"
"$tools/client-gen" --go-header-file "$header" --clientset-name versioned \
	--input-base "$module/apis" --input "$inputs" \
	--apply-configuration-package "$module/generated/applyconfiguration" \
	--output-dir generated/clientset --output-pkg "$module/generated/clientset"
"$tools/lister-gen" --go-header-file "$header" \
	--output-dir generated/listers --output-pkg "$module/generated/listers" "${versions[@]}"
"$tools/informer-gen" --go-header-file "$header" \
	--versioned-clientset-package "$module/generated/clientset/versioned" \
	--listers-package "$module/generated/listers" \
	--output-dir generated/informers --output-pkg "$module/generated/informers" "${versions[@]}"

# A pool's server defaults the types of k8s.io/api. Pods are in templates and
# volumes in claims, so other groups need what core defaults.
defaulting=()
for dir in pkg/shadow/defaulting/*/v*/; do
	defaulting+=("$module/${dir%/}")
done
find pkg/shadow/defaulting -name 'zz_generated.*' -delete
"$tools/defaulter-gen" --go-header-file "$header" --output-file zz_generated.defaults.go \
	--extra-peer-dirs "$module/pkg/shadow/defaulting/core/v1" "${defaulting[@]}"

# Which values and tags its validation goes by.
hack/update-validation.sh
