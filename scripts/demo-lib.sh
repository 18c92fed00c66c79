# shellcheck shell=bash
# What the parts of the demo share. Sourced, not run.

# Each background job gets a process group of its own, so that a server and all
# that it started can be ended together.
set -m

groups=()  # process groups to end
folders=() # folders to remove

say() { printf '\n%s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
proved() {
	proofs+=("$*")
	printf '    ok: %s\n' "$*"
}
fail() {
	printf '\nTHE DEMO FAILED: %s\n' "$*" >&2
	exit 1
}

# run shows a command and runs it.
run() {
	printf '    $ %s\n' "$(plain "$*")"
	"$@" | sed 's/^/      /' || fail "exit code $? from: $(plain "$*")"
}

# plain shortens what only this machine knows.
plain() {
	local text=$1
	text=${text//"$bin"/snapferry}
	text=${text//"${vault:-$work/none}"/\$VAULT}
	printf '%s' "${text//"$work"/.}"
}

# wait_for LIMIT WHAT COMMAND... polls until the command succeeds.
wait_for() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || fail "$what did not happen in time"
		sleep 0.05
	done
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
ended() { ! kill -0 -- "-$1" 2>/dev/null; }

# free_port prints a port on which nothing answers now. Whoever uses it has to
# notice if somebody else was faster.
free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		answers "$port" 2>/dev/null || break
	done
	echo "$port"
}

cleanup() {
	local status=$? group folder
	trap - EXIT INT TERM HUP
	for group in ${groups[@]+"${groups[@]}"}; do kill -KILL -- "-$group" 2>/dev/null || true; done
	wait 2>/dev/null || true
	for folder in ${folders[@]+"${folders[@]}"}; do rm -rf "$folder"; done
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
