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

# The first Java that runs the version; 3.5 and 4.4 were made for older ones and
# run on 17 all the same. A boot check exists for 5.x alone.
startup=org.neo4j.server.startup
case $version in
3.5.[0-9]*) java_min=17 java_max=17 boot='' admin_main=org.neo4j.commandline.admin.AdminTool server_main=org.neo4j.server.CommunityEntryPoint ;;
4.4.[0-9]*) java_min=17 java_max=17 boot='' admin_main=$startup.Neo4jAdminCommand server_main=$startup.Neo4jCommand ;;
5.[0-9]*) java_min=17 java_max=99 boot=neo4j-bootcheck admin_main=$startup.Neo4jAdminBoot server_main=$startup.Neo4jBoot ;;
20[0-9][0-9].[0-9]*) java_min=21 java_max=99 boot='' admin_main=$startup.Neo4jAdminCommand server_main=$startup.Neo4jCommand ;;
*) fail "version $version is not one of 3.5.x, 4.4.x, 5.x, 2025.x or later" ;;
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
		if [ -n "$major" ] && [ "$major" -ge "$java_min" ] && [ "$major" -le "$java_max" ]; then
			echo "$home"
			return
		fi
	done
	return 1
}

java_home=$(find_java) || fail "Neo4j $version needs Java $java_min to $java_max: none in JAVA_HOME, on PATH or in /usr/lib/jvm"

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
opens="java.lang java.util java.util.concurrent java.nio java.io sun.nio.ch"
jvm_options() {
	for package in $opens; do echo "$1--add-opens=java.base/$package=ALL-UNNAMED"; done
	echo "$1-XX:+UseSerialGC"
	echo "$1-XX:TieredStopAtLevel=1"
}
bolt=127.0.0.1:${NEO4J_BOLT_PORT:-7687}
http=127.0.0.1:${NEO4J_HTTP_PORT:-7474}
case $version in
3.5.*)
	cat <<CONF
dbms.connectors.default_listen_address=127.0.0.1
dbms.connector.bolt.enabled=true
dbms.connector.bolt.listen_address=$bolt
dbms.connector.http.enabled=true
dbms.connector.http.listen_address=$http
dbms.connector.https.enabled=false
dbms.memory.heap.max_size=${NEO4J_HEAP:-256m}
dbms.memory.pagecache.size=${NEO4J_PAGECACHE:-32m}
dbms.security.auth_enabled=false
dbms.udc.enabled=false
CONF
	;;
4.4.*)
	cat <<CONF
dbms.default_listen_address=127.0.0.1
dbms.connector.bolt.listen_address=$bolt
dbms.connector.bolt.advertised_address=$bolt
dbms.connector.http.listen_address=$http
dbms.connector.http.advertised_address=$http
dbms.memory.heap.initial_size=${NEO4J_HEAP:-256m}
dbms.memory.heap.max_size=${NEO4J_HEAP:-256m}
dbms.memory.pagecache.size=${NEO4J_PAGECACHE:-32m}
dbms.security.auth_enabled=false
dbms.tx_log.preallocate=false
CONF
	jvm_options dbms.jvm.additional=
	;;
*)
	cat <<CONF
server.default_listen_address=127.0.0.1
server.default_advertised_address=127.0.0.1
server.bolt.listen_address=$bolt
server.bolt.advertised_address=$bolt
server.http.listen_address=$http
server.http.advertised_address=$http
server.memory.heap.initial_size=${NEO4J_HEAP:-256m}
server.memory.heap.max_size=${NEO4J_HEAP:-256m}
server.memory.pagecache.size=${NEO4J_PAGECACHE:-32m}
dbms.security.auth_enabled=false
dbms.usage_report.enabled=false
db.tx_log.preallocate=false
server.jvm.additional=--enable-native-access=ALL-UNNAMED
CONF
	jvm_options server.jvm.additional=
	;;
esac >"$dir/conf/neo4j.conf"

# The launchers choose Java and report a wrong one as those of the official
# distribution do, but fall back to the Java found above.
install_launcher() {
	chmod +x "$dir/bin/$1.new"
	mv "$dir/bin/$1.new" "$dir/bin/$1"
}
launcher_head() {
	cat <<LAUNCHER
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
LAUNCHER
}
launcher() {
	{
		launcher_head
		cat <<LAUNCHER
exec "\$JAVACMD" -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 $3 -cp "\$BASEDIR/lib/*" \\
	-Dapp.name=$1 "-Dapp.repo=\$BASEDIR/lib" "-Dapp.home=\$BASEDIR" "-Dbasedir=\$BASEDIR" \\
	$2 "\$@"
LAUNCHER
	} >"$dir/bin/$1.new"
	install_launcher "$1"
}
# In 3.5 neo4j is a shell script, with the same commands and codes as this one.
launcher_35() {
	{
		launcher_head
		cat <<LAUNCHER
pid_file=\$NEO4J_HOME/run/neo4j.pid
server() {
	exec "\$JAVACMD" -Xmx${NEO4J_HEAP:-256m} $(jvm_options '' | tr '\n' ' ')-cp "\$BASEDIR/lib/*" $server_main "--home-dir=\$NEO4J_HOME" "--config-dir=\$NEO4J_CONF"
}
running() {
	pid=\$(cat "\$pid_file" 2>/dev/null) && kill -0 "\$pid" 2>/dev/null
}
case \${1:-} in
console) server ;;
start)
	if running; then echo "Neo4j is already running (pid \$pid)." && exit 0; fi
	mkdir -p "\$NEO4J_HOME/run" "\$NEO4J_HOME/logs"
	(server) >>"\$NEO4J_HOME/logs/neo4j.log" 2>&1 </dev/null &
	echo \$! >"\$pid_file"
	echo "Started neo4j (pid \$!)."
	;;
stop)
	if ! running; then echo "Neo4j not running" && exit 0; fi
	kill "\$pid"
	while kill -0 "\$pid" 2>/dev/null; do sleep 0.1; done
	rm -f "\$pid_file"
	;;
status)
	if running; then echo "Neo4j is running at pid \$pid" && exit 0; fi
	echo "Neo4j is not running"
	exit 3
	;;
*)
	echo "Usage: neo4j { console | start | stop | status }" >&2
	exit 1
	;;
esac
LAUNCHER
	} >"$dir/bin/neo4j.new"
	install_launcher neo4j
}
case $version in
3.5.*)
	launcher neo4j-admin "$admin_main" "$(jvm_options '' | tr '\n' ' ')"
	launcher_35
	;;
*)
	launcher neo4j-admin "$admin_main" ''
	launcher neo4j "$server_main" ''
	;;
esac
