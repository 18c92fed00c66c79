// Package config reads what a user says about vaults and jobs: the file
// snapferry.yaml, and where secrets are kept.
//
// A secret is never in the file: the file says where it is, and Secret fetches
// it when it is needed. No error, no log line and no printed configuration
// holds any of it.
package config
