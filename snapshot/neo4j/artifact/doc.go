// Package artifact reads what Neo4j makes of a database, without a JVM: dumps of
// neo4j-admin 3.5 and later, and .backup files, full and differential, of the
// online backup of 5 and later. It tells what their headers say, and proves that
// they are whole.
//
// The formats are those of Neo4j's published source. Dumps of 3.5, 4.4, 5.26 and
// 2026.09 are among the tests; the online backup belongs to Enterprise, so .backup
// files were made for the tests to the layout of the source.
package artifact
