#!/bin/sh
# Makes the man page and the completions that packages carry.
set -eu
out=packaging/generated
rm -rf "$out"
mkdir -p "$out"
CGO_ENABLED=0 go build -trimpath -o "$out/gonicorn" ./cmd/gonicorn
"$out/gonicorn" man | gzip -9n > "$out/gonicorn.1.gz"
"$out/gonicorn" completion bash > "$out/gonicorn.bash"
"$out/gonicorn" completion zsh > "$out/_gonicorn"
"$out/gonicorn" completion fish > "$out/gonicorn.fish"
rm "$out/gonicorn"
