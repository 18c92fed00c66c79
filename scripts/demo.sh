#!/usr/bin/env bash
# Shows on real servers that a backup survives what it is for: it is killed half
# way and resumed, verified, damaged, restored with snapferry, and restored once
# more without it. Stops loudly at the first thing that is not as it should be.
#
# It needs bin/snapferry (make build) and .tools/bin/versitygw (make tools-s3),
# and is run by `make demo`. With Java and Maven a real Neo4j takes part.
set -euo pipefail
cd "$(dirname "$0")/.."
repo=$PWD

bin=$repo/bin/snapferry
proofs=()
work=$(mktemp -d "${TMPDIR:-/tmp}/snapferry-demo.XXXXXX")
# shellcheck source=scripts/demo-lib.sh
. scripts/demo-lib.sh
folders+=("$work")

# start_server starts an S3 server whose buckets are folders in $work/objects.
start_server() {
	export AWS_ACCESS_KEY_ID=demo-user AWS_SECRET_ACCESS_KEY=demo-secret-$RANDOM$RANDOM AWS_EC2_METADATA_DISABLED=true
	unset AWS_SESSION_TOKEN AWS_PROFILE AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3
	local port server
	port=$(free_port)
	mkdir -p "$work/objects/backups" "$work/sidecar"
	ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY .tools/bin/versitygw \
		--port "127.0.0.1:$port" --quiet posix --sidecar "$work/sidecar" "$work/objects" >"$work/server.log" 2>&1 &
	server=$!
	groups+=("$server")
	wait_for 20 "start of the S3 server" answers "$port"
	ended "$server" && fail "the S3 server did not start: $(cat "$work/server.log")"
	vault="s3://backups/demo?endpoint=http://127.0.0.1:$port&region=us-east-1"
	stored=$work/objects/backups/demo
	note "the vault is $vault"
}

# make_data makes a folder of real files, with what copies get wrong most.
make_data() {
	mkdir -p "$work/data/odd names" "$work/data/empty"
	cp -R "$(go env GOROOT)/src/." "$work/data/go-sources"
	chmod -R u+w "$work/data"
	cp "$bin" "$work/data/program"
	ln -s go-sources/fmt/print.go "$work/data/symlink"
	ln -s /nowhere/at-all "$work/data/dangling"
	ln "$work/data/program" "$work/data/hard-link"
	printf 'x' >"$work/data/odd names/"$'line\nbreak, \xc3\xa9, %s, "quotes" and *'
	chmod 0640 "$work/data/odd names/"*
	: >"$work/data/empty-file"
	TZ=UTC touch -t 200102030405.06 "$work/data/empty-file"
	truncate -s 2G "$work/data/sparse.img" 2>/dev/null || : >"$work/data/sparse.img"
	printf 'the only bytes in it' >>"$work/data/sparse.img"
	{
		tar -cf - -C "$(go env GOROOT)" src
		head -c 268435456 /dev/urandom
	} >"$work/disk.img"
	note "a folder: $(find "$work/data" -type f | wc -l | tr -d ' ') files, with links, odd names and a sparse file of 2 GiB"
	note "an image: $(wc -c <"$work/disk.img" | tr -d ' ') bytes, more than half of them noise"
}

# objects lists the data objects of a series: inode, size and name.
objects() { find "$stored/manual/data/$1" -type f -name '*.zst' -exec ls -li {} + 2>/dev/null | awk '{print $1, $6, $NF}' | sort -k 3; }
count_objects() { objects "$1" | wc -l | tr -d ' '; }

# attributes prints all that a restore must keep of each entry of a tree.
attributes() { (cd "$1" && find . -exec ls -ld {} + | awk '$1 ~ /^d/ {$5 = "-"} {$2 = "-"; print}' | LC_ALL=C sort); }

backup_folder() {
	say "1. Back up a folder to the S3 server"
	run "$bin" backup "$work/data" "$vault" --job folder
	run "$bin" verify "$vault#folder/latest"
}

# kill_backup starts a backup of the image and kills it when some of its
# segments are stored and others are not.
kill_backup() {
	say "2. Kill a backup half way, as a power cut would, and run the same command again"
	"$bin" backup "$work/disk.img" "$vault" --job disk --workers 1 --uploads 1 >"$work/killed.log" 2>&1 &
	local pid=$!
	groups+=("$pid")
	until [ "$(count_objects disk)" -ge 4 ]; do
		ended "$pid" && fail "the backup ended before it could be killed: $(cat "$work/killed.log")"
		sleep 0.01
	done
	kill -KILL -- "-$pid"
	wait "$pid" 2>/dev/null || true
	objects disk >"$work/before"
	note "kill -9 after $(wc -l <"$work/before" | tr -d ' ') stored segments"
	if "$bin" show "$vault#disk/latest" >"$work/killed.show" 2>&1; then
		fail "a killed backup is shown as if it existed"
	fi
	"$bin" list "$vault" >"$work/killed.list"
	! grep -qw disk "$work/killed.list" || fail "a killed backup is listed: $(cat "$work/killed.list")"
	run "$bin" list "$vault" --incomplete
	proved "a killed backup is never listed as a backup"

	run "$bin" backup "$work/disk.img" "$vault" --job disk
	objects disk >"$work/after"
	# An inode that is still there was not written again.
	[ "$(comm -12 <(sort "$work/before") <(sort "$work/after") | wc -l)" -eq "$(wc -l <"$work/before")" ] ||
		fail "a segment that was stored before the kill was sent again"
	proved "the second run sent the missing segments only: $(wc -l <"$work/before" | tr -d ' ') of $(wc -l <"$work/after" | tr -d ' ') were there"
}

verify_all() {
	say "3. List, and verify every byte"
	run "$bin" list "$vault"
	run "$bin" verify --deep "$vault#folder/latest"
	run "$bin" verify --deep "$vault#disk/latest"
	proved "every stored byte has the hash that its name promises, and decodes"

	note "now one byte of one object is changed behind snapferry's back"
	local object status=0
	object=$(find "$stored/manual/data/disk" -type f -name '*.zst' | sort | sed -n 2p)
	cp -p "$object" "$work/good"
	# In the middle, whatever was there becomes something else.
	local middle=$(($(wc -c <"$object") / 2)) byte
	byte=$(dd if="$object" bs=1 skip="$middle" count=1 2>/dev/null | od -An -tu1 | tr -d ' ')
	printf '%b' "\\x$(printf '%02x' $((byte ^ 1)))" | dd of="$object" bs=1 seek="$middle" conv=notrunc 2>/dev/null
	"$bin" verify --deep "$vault#disk/latest" >"$work/damaged.log" 2>&1 || status=$?
	[ "$status" = 4 ] || fail "verify of a damaged backup exited $status, not 4: $(cat "$work/damaged.log")"
	grep -q "$(basename "$object" | cut -c 1-20)" "$work/damaged.log" || fail "verify does not name the damaged object: $(cat "$work/damaged.log")"
	status=0
	"$bin" restore "$vault#disk/latest" "$work/never" >"$work/damaged.log" 2>&1 || status=$?
	[ "$status" = 4 ] || fail "restore of a damaged backup exited $status, not 4: $(cat "$work/damaged.log")"
	[ ! -e "$work/never" ] || fail "a damaged backup was restored all the same"
	cat "$work/good" >"$object"
	proved "one changed byte is found and named (exit code 4), and nothing is restored from it"
}

restore_all() {
	say "4. Restore, and compare"
	run "$bin" restore "$vault#folder/latest" "$work/restored"
	run "$bin" restore "$vault#disk/latest" "$work/restored.img"
	cmp "$work/disk.img" "$work/restored.img" || fail "the restored image differs"
	diff -r --no-dereference "$work/data" "$work/restored" || fail "the restored folder differs"
	diff <(attributes "$work/data") <(attributes "$work/restored") || fail "attributes of the restored folder differ"
	proved "the image is the same byte by byte, the folder too, with modes, owners, times and links"
}

# by_hand SERIES runs the commands that the backup of a series carries, on a
# copy of its objects, as any S3 client would fetch them. The result is a file
# in $work/by-hand/SERIES.
by_hand() {
	local catalog out=$work/by-hand/$1
	catalog=$(find "$work/copy/manual/catalog/$1" -name RESTORE.md -exec dirname {} \; | head -n 1)
	[ -n "$catalog" ] || fail "the backup carries no RESTORE.md"
	# shellcheck disable=SC2016 # the backticks are meant
	sed -n '/^```sh$/,/^```$/p' "$catalog/RESTORE.md" | grep -v '^```' >"$work/restore.sh"
	[ -s "$work/restore.sh" ] || fail "RESTORE.md has no commands"
	mkdir -p "$out"
	(cd "$catalog" && out=$out sh "$work/restore.sh") >"$out.log" 2>&1 || fail "the commands of RESTORE.md failed: $(tail -n 5 "$out.log")"
}

restore_by_hand() {
	say "5. Restore once more without snapferry: zstd and a shell, by the commands in RESTORE.md"
	if ! command -v zstd >/dev/null 2>&1 || ! sha256sum --version 2>/dev/null | grep -q GNU; then
		note "skipped: it takes zstd and the GNU tools"
		return
	fi
	mkdir "$work/copy"
	cp -R "$stored/manual" "$work/copy/manual"
	by_hand disk
	sed 's/^/    | /' "$work/restore.sh"
	cmp "$work/disk.img" "$work/by-hand/disk/"* || fail "the image that zstd restored differs"
	by_hand folder
	mkdir "$work/untarred"
	tar -xpf "$work/by-hand/folder/"* -C "$work/untarred"
	# The entries are those of the folder itself, or lie in a folder of its name.
	local root=$work/untarred
	[ ! -d "$root/data" ] || root=$root/data
	diff -r --no-dereference "$work/data" "$root" || fail "the folder that zstd and tar restored differs"
	proved "stock tools alone restore the same bytes"
}

# sealed backs the image up to two vaults at once, encrypted and signed.
sealed() {
	say "6. Encrypt, sign, and ship to two vaults at once"
	if ! command -v age-keygen >/dev/null 2>&1 || ! command -v ssh-keygen >/dev/null 2>&1; then
		note "skipped: it takes age-keygen and ssh-keygen"
		return
	fi
	age-keygen -o "$work/reader.key" 2>/dev/null
	ssh-keygen -q -t ed25519 -N '' -C demo -f "$work/signer"
	local reader bucket=${vault/demo/sealed} folder=$work/second status=0
	reader=$(age-keygen -y "$work/reader.key")
	note "the writer has the public key $reader, and not the private one"
	run "$bin" backup "$work/disk.img" "$bucket" "$folder" --job disk --recipient "$reader" --sign "$work/signer"
	run "$bin" restore "$folder#disk/latest" "$work/opened.img" --identity "$work/reader.key" --signer "$work/signer.pub"
	cmp "$work/disk.img" "$work/opened.img" || fail "the image restored from the second vault differs"
	"$bin" restore "$bucket#disk/latest" "$work/never" >"$work/locked.log" 2>&1 || status=$?
	[ "$status" = 1 ] || fail "restore without a key exited $status, not 1: $(cat "$work/locked.log")"
	grep -q -- --identity "$work/locked.log" || fail "restore without a key does not say what is missing: $(cat "$work/locked.log")"
	[ ! -e "$work/never" ] || fail "an encrypted backup was restored without its key"
	proved "two vaults got the same backup in one run, and only who has the key restores it"

	status=0
	ssh-keygen -q -t ed25519 -N '' -C stranger -f "$work/stranger"
	"$bin" verify "$bucket#disk/latest" --signer "$work/stranger.pub" >"$work/stranger.log" 2>&1 || status=$?
	[ "$status" = 4 ] || fail "a backup signed by another key exited $status, not 4: $(cat "$work/stranger.log")"
	proved "a backup that the wrong key signed is refused (exit code 4)"
}

for needed in "$bin" "$repo/.tools/bin/versitygw"; do
	[ -x "$needed" ] || fail "$needed is missing; run: make demo"
done
say "snapferry demo: $("$bin" version | head -n 1)"
start_server
make_data
backup_folder
kill_backup
verify_all
restore_all
restore_by_hand
sealed
# shellcheck source=scripts/demo-neo4j.sh
. scripts/demo-neo4j.sh
neo4j_part

say "In $SECONDS seconds this was proved, on a real S3 server and with real data:"
for proof in "${proofs[@]}"; do printf '  - %s\n' "$proof"; done
