#!/usr/bin/env bash
# Copyright The Steppe Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs the end-to-end tests, and leaves no cluster behind however they end:
# they take theirs down themselves unless they panic or are killed. With
# STEPPE_E2E_KEEP=1 a cluster stays on which tests failed.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "$(id -u)" != 0 ]; then
	echo 'The end-to-end tests were NOT run: they need root. Run them with: sudo env "PATH=$PATH" make test-e2e'
	exit 0
fi

tests=
log=$PWD/bin/e2e.log
finish() {
	status=$?
	if [ -e /var/lib/steppe-local/e2e ] && [ -z "${STEPPE_E2E_KEEP:-}${STEPPE_E2E_CLUSTER:-}" ]; then
		echo 'The tests ended without taking their cluster down; this does.' >&2
		localcluster save-logs >&2 || true
		localcluster down || status=1
	fi
	if [ "$status" != 0 ] && [ -s "$log" ]; then
		failures
	fi
	exit "$status"
}
# What failed, once more: logs of the cluster have buried it.
failures() {
	echo
	if ! grep -q '^--- FAIL' "$log"; then
		echo "No test failed, but the tests did not end well (status $status). The last they said, of all that $log has:"
		tail -n 60 "$log"
		return
	fi
	echo "What failed, of all that $log has:"
	awk '
		/^=== RUN   [^\/]*$/ { block = "" }
		{ block = block $0 "\n" }
		/^--- FAIL/ { printf "%s", block }
		/^--- / { block = "" }
	' "$log" | tail -n 200
}
interrupted() {
	[ -n "$tests" ] || exit 130
	kill -TERM "$tests" 2>/dev/null || true
}
trap finish EXIT
trap interrupted INT TERM

localcluster() { CGO_ENABLED=0 go run ./hack/localcluster/cmd/localcluster --name=e2e "$@"; }
localcluster deps --for=cluster,tests --install
localcluster binaries >/dev/null # apart, as it is not to count as the tests' time
# Not `go test`, which dies of a SIGTERM without telling the tests.
go test -race -c -o bin/e2e.test ./test/e2e
rm -f "$log"
(cd test/e2e && exec ../../bin/e2e.test -test.v -test.timeout=40m) > >(tee "$log") 2>&1 &
tests=$!
status=0
wait "$tests" || status=$?
# A signal ends the wait, but not the tests: they take their cluster down first.
while kill -0 "$tests" 2>/dev/null; do
	status=0
	wait "$tests" || status=$?
done
exit "$status"
