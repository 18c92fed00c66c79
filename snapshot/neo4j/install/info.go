package install

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
)

// StoreInfo is what neo4j-admin tells of a store. What a version does not tell
// is empty.
type StoreInfo struct {
	InUse            bool
	RecoveryRequired bool
	Format           string // record-aligned-1.1
	// LastTransaction is a number; -1 while the store is in use.
	LastTransaction string
}

// Facts are the fields that are shown to people, by the names that neo4j-admin
// gives them.
func (i StoreInfo) Facts() map[string]string {
	facts := map[string]string{}
	for name, value := range map[string]string{FactFormat: i.Format, FactTransaction: i.LastTransaction} {
		if value != "" {
			facts[name] = value
		}
	}
	return facts
}

// The names of facts.
const (
	FactRecovery    = "recovery" // of a copy that was not recovered: "required"
	FactFormat      = "storeFormat"
	FactTransaction = "lastCommittedTransaction"
)

// ParseInfo reads what the command of Info printed.
func (v Version) ParseInfo(out []byte) (StoreInfo, error) {
	if v.Major < 4 {
		if m := regexp.MustCompile(`(?m)^Store format version:\s+(\S+)`).FindSubmatch(out); m != nil {
			return StoreInfo{Format: string(m[1])}, nil
		}
		return StoreInfo{}, nil
	}
	// Warnings of a JVM may come first.
	if at := bytes.IndexByte(out, '{'); at >= 0 {
		out = out[at:]
	}
	var answer struct {
		InUse            string `json:"inUse"`
		StoreFormat      string `json:"storeFormat"`
		LastTransaction  string `json:"lastCommittedTransaction"`
		RecoveryRequired string `json:"recoveryRequired"`
	}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&answer); err != nil {
		return StoreInfo{}, fmt.Errorf("read what neo4j-admin tells of the store: %w", err)
	}
	return StoreInfo{InUse: answer.InUse == "true", RecoveryRequired: answer.RecoveryRequired == "true",
		Format: answer.StoreFormat, LastTransaction: answer.LastTransaction}, nil
}
