#!/bin/sh
# Runs every fuzz target of the repository for the given time each; FUZZ, a
# regular expression, chooses some. It goes on after one that fails, and ends
# with 1 then.
time=${1:-10s}
go=${GO:-go}
targets=$(grep -rn --include='*_test.go' '^func Fuzz' . | sed -n 's|^\./\(.*\)/[^/]*_test\.go:[0-9]*:func \(Fuzz[A-Za-z0-9_]*\)(.*|\1 \2|p' | grep -E "${FUZZ:-.}" | sort -u)
[ -n "$targets" ] || { echo "no fuzz target found" >&2; exit 1; }
failed=
while read -r folder name; do
	echo "== $name in $folder for $time"
	out=$($go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 10x "./$folder" 2>&1) && code=0 || code=$?
	printf '%s\n' "$out"
	# A target that go test does not find passes in silence: the engine's own lines tell.
	if [ $code -ne 0 ] || ! printf '%s\n' "$out" | grep -q '^fuzz: elapsed'; then
		failed="$failed $name"
	fi
done <<EOF
$targets
EOF
if [ -n "$failed" ]; then
	echo "failed:$failed" >&2
	exit 1
fi
