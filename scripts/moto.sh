#!/usr/bin/env bash
# Puts moto, a simulation of AWS that tests use as one more S3 store, into
# .tools/moto, and its command into .tools/bin. Without Python it says so, and
# the tests that need it skip; with CI=true that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

version=5.2.1
venv=.tools/moto
if [ "$(cat "$venv/version" 2>/dev/null)" != "$version" ]; then
	if ! command -v python3 >/dev/null 2>&1; then
		echo "note: python3 was not found; what needs moto is skipped" >&2
		[ "${CI:-}" != true ]
		exit 0
	fi
	rm -rf "$venv"
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check "moto[server]==$version"
	echo "$version" >"$venv/version"
fi
mkdir -p .tools/bin
# The scripts of a virtual environment hold the path it was made at, and the
# checkout may move.
rm -f .tools/bin/moto_server
cat >.tools/bin/moto_server <<'EOF'
#!/usr/bin/env bash
exec "$(dirname "$(readlink -f "$0")")/../moto/bin/python3" -m moto.server "$@"
EOF
chmod +x .tools/bin/moto_server
