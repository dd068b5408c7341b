#!/bin/sh
# Runs a tool that is a Go module, given with its version, with the arguments
# that follow. Where it cannot be fetched for want of a network, that is said and
# is no failure, unless FETCHED=required.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tool=$1
shift
if ! out=$(GOBIN="$dir" "${GO:-go}" install "$tool" 2>&1); then
	printf '%s\n' "$out" >&2
	if printf '%s\n' "$out" | grep -q -e 'dial ' -e 'lookup ' -e 'i/o timeout' -e 'no such host' -e 'connection refused' -e 'TLS handshake' -e 'module lookup disabled'; then
		echo "NOT CHECKED with $tool: it cannot be fetched." >&2
		[ "$FETCHED" = required ] && exit 1
		exit 0
	fi
	exit 1
fi
"$dir"/* "$@"
