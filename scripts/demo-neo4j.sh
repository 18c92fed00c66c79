# shellcheck shell=bash
# The part of the demo with a real Neo4j Community. Sourced by demo.sh.
# shellcheck disable=SC2154 # bin, vault and work are set by demo.sh

neo4j_version=5.26.31
neo4j_people=5000

# cypher PORT STATEMENT prints the answer's JSON; it fails if there is an error.
# Bash speaks HTTP well enough to need no other program.
cypher() {
	local body answer
	body="{\"statement\":\"$2\"}"
	exec 4<>"/dev/tcp/127.0.0.1/$1" || return 1
	printf 'POST /db/neo4j/query/v2 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: application/json\r\nContent-Length: %d\r\n\r\n%s' \
		"${#body}" "$body" >&4
	answer=$(cat <&4)
	exec 4>&-
	case $answer in
	*'"errors"'* | HTTP/1.1\ [45]*) return 1 ;;
	esac
	printf '%s\n' "$answer"
}

# count PORT STATEMENT prints the single number that the statement returns.
count() { cypher "$1" "$2" | sed -nE 's/.*"values":\[\[([0-9]+)\]\].*/\1/p'; }

# neo4j_start HOME PORT starts the server of a home; its group is $neo4j_group.
neo4j_start() {
	NEO4J_HOME=$1 NEO4J_CONF=$1/conf "$1/bin/neo4j" console >"$1/logs/console.log" 2>&1 &
	neo4j_group=$!
	groups+=("$neo4j_group")
	# "Started." comes before the database answers, so the answer is awaited.
	wait_for 120 "an answer of Neo4j (see $1/logs)" cypher "$2" 'RETURN 1'
}

neo4j_stop() {
	kill -TERM -- "-$neo4j_group"
	wait_for 120 "the end of Neo4j" ended "$neo4j_group"
}

neo4j_part() {
	say "7. A real Neo4j Community: write a graph, stop, dump and ship, load elsewhere, count"
	if [ ! -d ".tools/neo4j/$neo4j_version/lib" ]; then
		note "skipped: it takes Java 17 or newer and Maven"
		return
	fi
	local live=$work/neo4j-live spare=$work/neo4j-spare port spare_port people knows status=0
	port=$(free_port)
	spare_port=$(free_port)
	NEO4J_HTTP_PORT=$port NEO4J_BOLT_PORT=$(free_port) scripts/neo4j-home.sh "$neo4j_version" "$live"
	NEO4J_HTTP_PORT=$spare_port NEO4J_BOLT_PORT=$(free_port) scripts/neo4j-home.sh "$neo4j_version" "$spare"

	neo4j_start "$live" "$port"
	cypher "$port" "UNWIND range(1, $neo4j_people) AS i CREATE (:Person {id: i, name: 'person ' + i})" >/dev/null || fail "the graph could not be written"
	cypher "$port" 'MATCH (a:Person) MATCH (b:Person {id: a.id % 100 + 1}) CREATE (a)-[:KNOWS {since: a.id}]->(b)' >/dev/null || fail "the graph could not be written"
	people=$(count "$port" 'MATCH (p:Person) RETURN count(p)')
	knows=$(count "$port" 'MATCH ()-[k:KNOWS]->() RETURN count(k)')
	[ "$people" = "$neo4j_people" ] || fail "the graph has $people people"
	note "the graph has $people people who know each other $knows times"

	local source="neo4j+dump:///neo4j?home=$live"
	"$bin" backup "$source" "$vault" --job graph >"$work/running.log" 2>&1 || status=$?
	[ "$status" != 0 ] || fail "a running database was dumped"
	grep -q '^hint:' "$work/running.log" || fail "no hint what to do about a running database: $(cat "$work/running.log")"
	grep -E '^(error|hint):' "$work/running.log" | sed 's/^/    /'
	proved "a running database is refused, with a hint what to do"

	neo4j_stop
	run "$bin" backup "$source" "$vault" --job graph
	run "$bin" verify --deep "$vault#graph/latest"
	mkdir "$work/dumps"
	run "$bin" restore "$vault#graph/latest" "$work/dumps/neo4j.dump"
	note "neo4j-admin loads it into another home, and the server starts on it"
	NEO4J_HOME=$spare NEO4J_CONF=$spare/conf "$spare/bin/neo4j-admin" database load neo4j --from-path="$work/dumps" --overwrite-destination=true \
		>"$work/load.log" 2>&1 || fail "neo4j-admin refused the dump: $(tail -n 3 "$work/load.log")"
	neo4j_start "$spare" "$spare_port"
	[ "$(count "$spare_port" 'MATCH (p:Person) RETURN count(p)')" = "$people" ] || fail "people are missing after the restore"
	[ "$(count "$spare_port" 'MATCH ()-[k:KNOWS]->() RETURN count(k)')" = "$knows" ] || fail "relationships are missing after the restore"
	[ "$(count "$spare_port" 'MATCH (p:Person) RETURN sum(p.id)')" = $((neo4j_people * (neo4j_people + 1) / 2)) ] || fail "properties differ after the restore"
	proved "a Neo4j $neo4j_version that was restored from the bucket has the same $people nodes and $knows relationships"
}
