#!/usr/bin/env bash
# Checks the Terraform modules: format, validity, and their own tests, all
# without a cloud and without a registry. Terraform is on few machines, so its
# absence is said and is no failure.
set -euo pipefail
cd "$(dirname "$0")/../terraform"

if ! command -v terraform >/dev/null 2>&1; then
	echo "note: terraform was not found; the modules are not checked"
	exit 0
fi
export TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1
terraform fmt -check -diff -recursive
for module in modules/*/; do
	echo "terraform: $module"
	terraform -chdir="$module" init -backend=false -input=false >/dev/null
	terraform -chdir="$module" validate -no-color
	terraform -chdir="$module" test -no-color
	# The README is written by hand; nothing it should name may be missing.
	while read -r name; do
		grep -q "| \`$name\` |" "$module/README.md" || {
			echo "$module/README.md does not list $name"
			exit 1
		}
	done < <(sed -nE 's/^(variable|output) "([^"]+)".*/\2/p' "$module"/*.tf)
done
