#!/bin/sh
# Writes what a binary is made of; run from any folder: sbom.sh BINARY DOCUMENT
set -eu
binary=$(realpath "$1")
document=$(realpath -m "$2")
cd "$(dirname "$0")/../tools/sbom"
exec go run . "$binary" "$document"
