#!/usr/bin/env bash
# Assembles the Neo4j Community homes of the tests under .tools/neo4j, one for
# each version below that a Java on this machine can run. A version that cannot
# be had is named and left out: the tests that need it skip, or fail with
# CI=true.
set -euo pipefail
cd "$(dirname "$0")/.."

# version and the lowest Java that runs it; 3.5 and 4.4 run on 17 alone
versions=('3.5.35 17' '4.4.44 17' '5.26.31 17' '2026.09.0 21')

# newest_java prints the major version of the newest JDK that is found.
newest_java() {
	local java best=0 major
	for java in "${JAVA_HOME:-/nonexistent}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
		[ -x "$java" ] || continue
		major=$("$java" -version 2>&1 | sed -nE 's/.* version "(1\.)?([0-9]+).*/\2/p' | head -n 1)
		[ "${major:-0}" -le "$best" ] || best=$major
	done
	echo "$best"
}

if ! command -v mvn >/dev/null 2>&1; then
	echo "note: mvn was not found; the tests with a real Neo4j are skipped" >&2
	exit 0
fi
java=$(newest_java)
for entry in "${versions[@]}"; do
	read -r version lowest <<<"$entry"
	if [ "$java" -lt "$lowest" ]; then
		echo "note: Neo4j $version needs Java $lowest or newer; its tests are skipped" >&2
		continue
	fi
	scripts/neo4j-home.sh "$version" ".tools/neo4j/$version" && continue
	echo "note: Neo4j $version could not be assembled; its tests are skipped" >&2
	[ "${CI:-}" != true ]
done
