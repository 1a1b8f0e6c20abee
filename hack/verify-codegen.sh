#!/usr/bin/env bash
# Copyright The Steppe Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Fails if generated code is not what hack/update-codegen.sh makes. It works on a
# copy, so the checkout stays as it is.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# Not what git lists: it may be absent, or refuse a checkout of another user's.
cp -r go.mod go.sum apis generated hack "$copy"
mkdir -p "$copy/pkg/shadow"
cp -r pkg/shadow/defaulting pkg/shadow/validation "$copy/pkg/shadow"

"$copy/hack/update-codegen.sh"
for dir in apis generated pkg/shadow/defaulting pkg/shadow/validation; do
	if ! diff --recursive --unified --new-file "$dir" "$copy/$dir"; then
		echo "Generated code is out of date: run hack/update-codegen.sh" >&2
		exit 1
	fi
done
