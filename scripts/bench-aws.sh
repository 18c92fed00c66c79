#!/usr/bin/env bash
# Puts the AWS command line client into .tools/venv, for make bench, unless one
# is installed already. Without Python it says so and leaves it out.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.46.3
venv=.tools/venv
command -v aws >/dev/null 2>&1 && aws --version >/dev/null 2>&1 && exit 0
[ -x "$venv/bin/aws" ] && exit 0
if ! command -v python3 >/dev/null 2>&1; then
	echo "note: python3 was not found; make bench leaves the aws client out" >&2
	exit 0
fi
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check "awscli==$version"
