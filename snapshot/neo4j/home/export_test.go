package home

import (
	"os"
	"path/filepath"
	"strings"
)

// Address is where the server can be asked.
func (h *Home) Address() string { return h.address }

// MoveTo lets the home have another address than the free one that it has chosen.
func (h *Home) MoveTo(address string) error {
	conf := filepath.Join(h.own.Conf, "neo4j.conf")
	text, err := os.ReadFile(conf)
	if err != nil {
		return err
	}
	changed := strings.ReplaceAll(string(text), h.address, address)
	h.address = address
	return os.WriteFile(conf, []byte(changed), 0o600)
}
