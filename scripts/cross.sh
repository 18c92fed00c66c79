#!/usr/bin/env bash
# Compiles and vets every package, tests included, for other systems.
#
#   cross.sh GOOS/GOARCH...
set -euo pipefail
cd "$(dirname "$0")/.."

export CGO_ENABLED=0
for platform in "$@"; do
	echo "checking ${platform}"
	GOOS=${platform%/*} GOARCH=${platform#*/} go vet ./...
	GOOS=${platform%/*} GOARCH=${platform#*/} go build -o /dev/null ./cmd/snapferry
done
