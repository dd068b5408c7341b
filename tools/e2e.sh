#!/bin/sh
# Runs the tests from outside, several at a time. Some of them measure time, and
# a machine of two cores is busy then: one that failed is run once more, alone,
# and fails for good if it fails again. Arguments go to go test.
go=${GO:-go}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
$go test -timeout 30m "$@" ./e2e >"$log" 2>&1
code=$?
cat "$log"
[ $code -eq 0 ] && exit 0
failed=$(sed -n 's/^--- FAIL: \(Test[A-Za-z0-9_]*\) .*/\1/p' "$log" | sort -u | paste -sd '|' -)
if [ -z "$failed" ] || [ "$(printf '%s' "$failed" | tr '|' '\n' | grep -c .)" -gt 8 ] || grep -q '^panic: ' "$log"; then
	exit $code
fi
echo "== once more, alone: $failed"
exec $go test -count=1 -timeout 20m -parallel 1 -run "^($failed)\$" ./e2e
