#!/usr/bin/env bash
# Copyright The Steppe Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs the benchmarks of test/bench and keeps the result with machine and date.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p test/bench/results
result="test/bench/results/$(date -u +%Y-%m-%d).txt"
{
	echo "date: $(date -u +%Y-%m-%dT%H:%MZ)"
	echo "commit: $(git describe --always --dirty)"
	echo "machine: $(nproc) cores, $(awk '/MemTotal/ {printf "%.0f GiB", $2/1048576}' /proc/meminfo), Linux $(uname -r | cut -d- -f1), load $(cut -d' ' -f1 /proc/loadavg) at start"
	echo "$(go version)"
	go test -run='^$' -bench="${BENCH:-.}" -benchtime="${BENCHTIME:-1000x}" -timeout=60m ./test/bench
} | tee "$result.tmp"
mv "$result.tmp" "$result"
