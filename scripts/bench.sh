#!/usr/bin/env bash
# Measures snapferry beside other programs; see internal/bench. The arguments
# are its flags: bench.sh -rounds 5 -only compare
set -euo pipefail
cd "$(dirname "$0")/.."

go build -o .tools/bin/snapferry-bench ./internal/bench
exec .tools/bin/snapferry-bench "$@"
