// Package neo4j captures Neo4j databases with the neo4j-admin of their own
// installation, and restores them into one.
//
// URLs:
//
//	neo4j+dump:///DB?home=DIR[&scratch=DIR][&stop=yes]
//	neo4j+copy:///DB?home=DIR&scratch=DIR[&stop=yes]
//	neo4j+snapshot:///DB?home=DIR&via=WAY&scratch=DIR
//	neo4j+online://HOST/DB?home=DIR&scratch=DIR
//	neo4j+load:///DB?home=DIR[&stop=yes]
//
// docs/neo4j.md has all parameters.
//
// DB is one database. home is the NEO4J_HOME; without it the environment
// variable of that name. neo4j-admin is taken from its bin folder, else from
// PATH. Neo4j 3.5, 4.x, 5 and the calendar versions after it are supported; what
// differs between them, package install knows. 3.5 writes dumps to files alone,
// and so needs scratch.
//
// # Without scratch
//
// The dump is read from neo4j-admin's standard output. A dump cannot be
// trusted for its exit code: neo4j-admin exits 0 also if its output went
// nowhere, and when it is killed half way its output merely ends. So the
// stream is decoded while it passes (see artifact.Verify), and its reader returns
// io.EOF only after the archive was whole, held what its own header promised,
// and neo4j-admin had exited with 0.
//
// # With scratch
//
// The dump is written to a folder of ours below DIR, verified, and offered as
// a file that can be read again, so that a broken backup can be resumed. The
// file stays until Check has passed and the capture is closed; a later run that
// finds it, and finds the store unchanged since, offers it again with the same
// fingerprint.
//
// # Servers that run
//
// With stop=yes a server is stopped for the dump, and package guard sees to it
// that it is started again; of the Enterprise edition the database alone is
// stopped, under the same guard. A snapshot stops nothing: package clone takes an
// atomic copy of the file system, for which package freeze may keep all from
// writing for a moment, and a scratch server of package home recovers it.
//
// A copy is the files themselves, as a tar, of a server that is stopped or of a
// clone. A restore loads beside the database, and package swap puts it in place.
//
// # Processes
//
// neo4j-admin is a launcher that forks the JVM which does the work and holds
// the lock of the database. Both run in a process group of their own, end
// together, and are gone when Close returns. If snapferry itself is killed,
// they are not: the JVM notices the closed pipe, goes through the rest of the
// store in vain, exits, and holds the lock until then.
//
// # Permissions
//
// The user must be able to write to the store's folder, as neo4j-admin takes a
// lock there: run as the user that owns it. neo4j-admin gets our environment
// without the credentials of cloud providers.
package neo4j
