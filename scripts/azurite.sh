#!/usr/bin/env bash
# Puts Azurite, the Azure Storage emulator of the tests, into .tools/azurite
# and its command into .tools/bin. Without Node.js it says so: the tests that
# need it skip. With CI=true that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

version=3.37.0
package=.tools/azurite/node_modules/azurite/package.json
command=.tools/bin/azurite-blob

if [ -x "$command" ] && grep -q "\"version\": \"$version\"" "$package" 2>/dev/null; then
	exit 0
fi
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
	echo "note: node and npm were not found; the tests with Azure Blob Storage are skipped" >&2
	[ "${CI:-}" != true ]
	exit
fi
# It asks for a newer Node.js than it needs, and no script of its packages has
# anything to do.
if npm install --prefix .tools/azurite --no-save --no-audit --no-fund --ignore-scripts --loglevel=error "azurite@$version" >/dev/null; then
	mkdir -p .tools/bin
	ln -sf ../azurite/node_modules/.bin/azurite-blob "$command"
	exit 0
fi
echo "note: azurite $version could not be installed; the tests with Azure Blob Storage are skipped" >&2
[ "${CI:-}" != true ]
