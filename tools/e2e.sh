#!/bin/sh
# Runs the tests from outside; see tools/e2e. Arguments go to go test.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"${GO:-go}" build -o "$dir/e2e" ./tools/e2e && "$dir/e2e" "$@"
