#!/usr/bin/env bash
# Fuzzes every fuzz target of the module, one after the other.
#
#   fuzz.sh TIME        e.g. 30s or 2m for each target
set -euo pipefail
cd "$(dirname "$0")/.."

fuzztime=${1:?usage: fuzz.sh TIME}
count=0
while IFS=: read -r file line; do
	package=$(dirname "$file")
	target=${line#func }
	target=${target%%(*}
	echo "fuzzing $package $target for $fuzztime"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" -fuzzminimizetime 10x "$package"
	count=$((count + 1))
done < <(grep -rE --include="*_test.go" --exclude-dir=.tools "^func Fuzz[A-Za-z0-9_]*\(" ./*/ | sort)
echo "$count fuzz targets ran for $fuzztime each, none failed"
[ "$count" -gt 0 ]
