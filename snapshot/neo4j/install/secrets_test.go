package install_test

import (
	"strings"
	"testing"

	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

func TestWithoutSecrets(t *testing.T) {
	const conf = `# Neo4j
server.bolt.listen_address=:7687
dbms.security.ldap.authorization.system_password=hunter2
dbms.ssl.policy.bolt.private_key_password=$(cat hunter2)
# old: dbms.security.ldap.authorization.system_password=hunter2
dbms.security.key.name=hunter2
server.jvm.additional=-Djavax.net.ssl.trustStorePassword=hunter2
apoc.secret = a \
  hunter2 \
  hunter2
server.memory.heap.max_size=1g
server.jvm.additional=-Da=b \
  -Dpassword=hunter2
db.logs.query.enabled=INFO
`
	const want = `# Neo4j
server.bolt.listen_address=:7687
# removed by snapferry: dbms.security.ldap.authorization.system_password
# removed by snapferry: dbms.ssl.policy.bolt.private_key_password
# removed by snapferry: a line
# removed by snapferry: dbms.security.key.name
# removed by snapferry: server.jvm.additional
# removed by snapferry: apoc.secret
server.memory.heap.max_size=1g
server.jvm.additional=-Da=b \
# removed by snapferry: a line
db.logs.query.enabled=INFO
`
	got := string(install.WithoutSecrets([]byte(conf)))
	if got != want {
		t.Errorf("it is\n%s", got)
	}
	if strings.Contains(got, "hunter2") {
		t.Error("a secret shows")
	}
}
