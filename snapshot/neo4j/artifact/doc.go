// Package artifact reads what Neo4j makes of a database, without a JVM: dumps of
// neo4j-admin 3.5 and later, and .backup files, full and differential, of the
// online backup of 5 and later. It tells what their headers say, and proves that
// they are whole.
//
// The formats are those of Neo4j's published source. Dumps of 3.5, 4.4, 5.26 and
// 2026.09 are among the tests. The online backup belongs to Enterprise; .backup files
// were written for the tests by the classes that Community has of it, in 5.26 and
// 2026.09, and those of format BZV3, which neither has, to the layout of the source.
package artifact
