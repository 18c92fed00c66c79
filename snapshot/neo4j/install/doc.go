// Package install knows Neo4j installations: where their files are, what their
// settings are called, and how each task is spelt on the command line of each
// version. Nothing else in snapferry knows about versions.
//
// The spellings were taken from the usage texts of 3.5.35, 4.4.44, 5.26.31 and
// 2026.09.0 where Community has the command, else from the manual.
package install
