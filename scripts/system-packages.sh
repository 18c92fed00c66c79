#!/usr/bin/env bash
# Makes sure that commands which the system packages provide are there.
#
#   system-packages.sh COMMAND[=PACKAGE]...
#
# A missing command is installed where that can be done without asking: as root
# on a Debian-like system. Elsewhere one line names it, and the tests that need
# it skip. With CI=true a missing command is a failure.
set -euo pipefail

missing=()
for want in "$@"; do
	command -v "${want%%=*}" >/dev/null 2>&1 || missing+=("$want")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	packages=("${missing[@]##*=}")
	echo "installing ${packages[*]}" >&2
	export DEBIAN_FRONTEND=noninteractive
	{ apt-get install -qq -y --no-install-recommends "${packages[@]}" ||
		{ apt-get update -qq && apt-get install -qq -y --no-install-recommends "${packages[@]}"; }; } >/dev/null || true
fi

failed=0
for want in "${missing[@]}"; do
	command -v "${want%%=*}" >/dev/null 2>&1 && continue
	echo "note: ${want%%=*} was not found; what needs it is skipped (package: ${want##*=})" >&2
	failed=1
done
[ "$failed" = 0 ] || [ "${CI:-}" != true ]
