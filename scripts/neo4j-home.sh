#!/bin/sh
# Assembles a Neo4j Community home for tests and demos out of the artifacts that
# Neo4j publishes to Maven Central. It is not a supported distribution: no
# plugins, no cypher-shell, no services.
#
#   scripts/neo4j-home.sh VERSION DIR
#
# The jars are fetched once into .tools/neo4j/VERSION/lib; every other home links
# to them, so a second home costs a few files. Running it again only rewrites
# bin/ and conf/. Everything listens on 127.0.0.1, without a password.
#
# Environment, all optional:
#   NEO4J_BOLT_PORT  default 7687
#   NEO4J_HTTP_PORT  default 7474
#   NEO4J_HEAP       default 256m
#   NEO4J_PAGECACHE  default 32m
#   JAVA_HOME        taken first if it is new enough; then java on PATH, then /usr/lib/jvm/*
set -eu

fail() {
	echo "neo4j-home: $*" >&2
	exit 1
}

[ $# -eq 2 ] || fail "usage: $0 VERSION DIR"
version=$1
[ -n "$2" ] || fail "DIR is empty"
mkdir -p "$2"
dir=$(cd "$2" && pwd -P)
repo=$(cd "$(dirname "$0")/.." && pwd -P)
cache=$repo/.tools/neo4j/$version

# The first Java that runs the version. A boot check exists for 5.x alone.
case $version in
5.[0-9]*) java_min=17 boot=neo4j-bootcheck admin_main=Neo4jAdminBoot server_main=Neo4jBoot ;;
20[0-9][0-9].[0-9]*) java_min=21 boot='' admin_main=Neo4jAdminCommand server_main=Neo4jCommand ;;
*) fail "version $version is not one of 5.x, 2025.x or later" ;;
esac

java_major() {
	"$1" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1
}

find_java() {
	on_path=$(command -v java || true)
	[ -z "$on_path" ] || on_path=$(dirname "$(dirname "$(readlink -f "$on_path")")")
	for home in "${JAVA_HOME:-}" "$on_path" /usr/lib/jvm/*; do
		if [ -z "$home" ] || [ ! -x "$home/bin/java" ]; then continue; fi
		major=$(java_major "$home/bin/java")
		if [ -n "$major" ] && [ "$major" -ge "$java_min" ]; then
			echo "$home"
			return
		fi
	done
	return 1
}

java_home=$(find_java) || fail "Neo4j $version needs Java $java_min or newer: none in JAVA_HOME, on PATH or in /usr/lib/jvm"

# Fetch into a folder of our own and move it into place when it is whole, so
# that an interrupted run leaves nothing that looks complete.
fetch_jars() {
	command -v mvn >/dev/null || fail "mvn (Apache Maven) is needed to fetch the jars of Neo4j $version"
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/fetch.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	{
		cat <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.github.snapferry</groupId>
  <artifactId>neo4j-home</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
POM
		for artifact in org.neo4j:neo4j org.neo4j.app:neo4j-server ${boot:+org.neo4j:$boot}; do
			echo "    <dependency><groupId>${artifact%%:*}</groupId><artifactId>${artifact##*:}</artifactId><version>$version</version></dependency>"
		done
		echo "  </dependencies>"
		echo "</project>"
	} >"$work/pom.xml"
	mvn -q -B -Dstyle.color=never -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
		-DincludeScope=runtime "-DoutputDirectory=$work/lib" >&2 || fail "maven could not fetch Neo4j $version"
	[ -n "$(find "$work/lib" -name "neo4j-server-$version.jar")" ] || fail "maven left no neo4j-server-$version.jar"
	# A run beside this one may have been faster; then its jars stay.
	[ -d "$cache/lib" ] || mv "$work/lib" "$cache/lib"
	rm -rf "$work"
	trap - EXIT HUP INT TERM
}

[ -d "$cache/lib" ] || fetch_jars

mkdir -p "$dir/bin" "$dir/conf" "$dir/data" "$dir/import" "$dir/logs" "$dir/plugins" "$dir/run"
[ -e "$dir/lib" ] || ln -s "$cache/lib" "$dir/lib"

# Serial GC and the first compiler tier halve the start of the short-lived
# processes that tests are made of.
cat >"$dir/conf/neo4j.conf" <<CONF
server.default_listen_address=127.0.0.1
server.default_advertised_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:${NEO4J_BOLT_PORT:-7687}
server.bolt.advertised_address=127.0.0.1:${NEO4J_BOLT_PORT:-7687}
server.http.listen_address=127.0.0.1:${NEO4J_HTTP_PORT:-7474}
server.http.advertised_address=127.0.0.1:${NEO4J_HTTP_PORT:-7474}
server.memory.heap.initial_size=${NEO4J_HEAP:-256m}
server.memory.heap.max_size=${NEO4J_HEAP:-256m}
server.memory.pagecache.size=${NEO4J_PAGECACHE:-32m}
dbms.security.auth_enabled=false
dbms.usage_report.enabled=false
db.tx_log.preallocate=false
server.jvm.additional=--add-opens=java.base/java.nio=ALL-UNNAMED
server.jvm.additional=--add-opens=java.base/java.io=ALL-UNNAMED
server.jvm.additional=--add-opens=java.base/sun.nio.ch=ALL-UNNAMED
server.jvm.additional=--add-opens=java.base/java.util.concurrent=ALL-UNNAMED
server.jvm.additional=--enable-native-access=ALL-UNNAMED
server.jvm.additional=-XX:+UseSerialGC
server.jvm.additional=-XX:TieredStopAtLevel=1
CONF

# The launchers choose Java and report a wrong one as those of the official
# distribution do, but fall back to the Java found above.
launcher() {
	cat >"$dir/bin/$1.new" <<LAUNCHER
#!/bin/sh
BASEDIR=\$(cd "\$(dirname "\$(readlink -f "\$0")")/.." && pwd -P)
NEO4J_HOME=\${NEO4J_HOME:-\$BASEDIR}
NEO4J_CONF=\${NEO4J_CONF:-\$NEO4J_HOME/conf}
export NEO4J_HOME NEO4J_CONF
JAVACMD=\${JAVA_HOME:-$java_home}/bin/java
if [ ! -x "\$JAVACMD" ]; then
	echo "Error: JAVA_HOME is not defined correctly." >&2
	echo "  We cannot execute \$JAVACMD" >&2
	exit 1
fi
exec "\$JAVACMD" -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "\$BASEDIR/lib/*" \\
	-Dapp.name=$1 "-Dapp.repo=\$BASEDIR/lib" "-Dapp.home=\$BASEDIR" "-Dbasedir=\$BASEDIR" \\
	org.neo4j.server.startup.$2 "\$@"
LAUNCHER
	chmod +x "$dir/bin/$1.new"
	mv "$dir/bin/$1.new" "$dir/bin/$1"
}
launcher neo4j-admin "$admin_main"
launcher neo4j "$server_main"
