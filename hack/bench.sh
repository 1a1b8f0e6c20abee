#!/usr/bin/env bash
# Copyright The Steppe Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs the benchmarks of test/bench, keeps the result with machine, commit and
# time, and compares it with the one before.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
data=${TMPDIR:-/tmp}
if [ "$(stat --file-system --format=%T "$data")" = tmpfs ]; then
	echo "The benchmarks write to disk as a server does, but $data is in memory: set TMPDIR to a folder on a disk, with a short path." >&2
	exit 1
fi

results=test/bench/results
mkdir -p "$results"
previous=$(find "$results" -name '*.txt' | LC_ALL=C sort | tail -n 1)
result="$results/$(date -u +%Y-%m-%dT%H%M%SZ).txt"
temp=$(mktemp)
trap 'rm -f "$temp"; rmdir --ignore-fail-on-non-empty "$results"' EXIT
{
	echo "date: $(date -u +%Y-%m-%dT%H:%MZ)"
	echo "commit: $(git describe --always --dirty 2>/dev/null || echo unknown)"
	echo "machine: $(nproc) cores, $(awk '/MemTotal/ {printf "%.0f GiB", $2/1048576}' /proc/meminfo), Linux $(uname -r | cut -d- -f1), load $(cut -d' ' -f1 /proc/loadavg) at start"
	echo "go: $(go version)"
	go test -run='^$' -bench="${BENCH:-.}" -benchtime="${BENCHTIME:-30s}" -timeout=120m -p=1 ./test/bench/...
} | tee "$temp"
install --mode=644 "$temp" "$result"
echo "kept in $result"

if [ -n "$previous" ]; then
	echo
	go tool -modfile=hack/tools/go.mod benchstat -ignore=date,commit,machine,go "$previous" "$result"
fi
