#!/bin/sh
# Builds the sources twice, in two folders and with two caches, and compares.
set -eu
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
for n in one two; do
    mkdir -p "$tmp/$n/src"
    git archive HEAD | tar -x -C "$tmp/$n/src"
    (cd "$tmp/$n/src" && GOCACHE="$tmp/$n/cache" CGO_ENABLED=0 go build -trimpath -buildvcs=false \
        -ldflags "-s -w -buildid= -X github.com/gonicorn/gonicorn/internal/version.commit=check" -o "$tmp/$n/gonicorn" ./cmd/gonicorn)
done
cmp "$tmp/one/gonicorn" "$tmp/two/gonicorn"
if grep -q "$tmp" "$tmp/one/gonicorn"; then
    echo "the binary has a path of this machine inside" >&2
    exit 1
fi
echo "the same bytes twice: $(sha256sum < "$tmp/one/gonicorn")"
