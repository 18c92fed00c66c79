package job

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/snapferry/snapferry/snapshot"
)

// Seed is a backup of Neo4j whose files lie where a server of the Enterprise
// edition can make a database of them.
type Seed struct {
	Database string `json:"database"`
	URI      string `json:"uri"`    // of the file, or of the last of a chain
	Cypher   string `json:"cypher"` // the statement that makes the database
}

// stageOf checks that a backup can be staged into the folder that the request
// names, and says how a database is made of it.
func (req *RestoreRequest) stageOf(parts []part) (*Seed, error) {
	if !req.Stage {
		return nil, nil //nolint:nilnil // nothing is staged
	}
	last := parts[len(parts)-1]
	m := last.backup.Manifest
	im := m.Images[last.image]
	database := cmp.Or(m.Facts["database"], strings.TrimSuffix(im.Title, ".dump"))
	if ext := filepath.Ext(im.Title); im.Form == snapshot.FormTar || ext != ".dump" && ext != ".backup" || !localName(database) || !localName(im.Title) {
		return nil, usage(last.backup.Name.String(), fmt.Errorf("%q is no dump and no backup of Neo4j", im.Title), "leave out --stage, and restore it to a TARGET")
	}
	folder, err := filepath.Abs(req.Target)
	if err != nil {
		return nil, err
	}
	if req.Target == "" || req.Target == "-" {
		return nil, usage("--stage", errors.New("it names no folder"), "give a folder that the server's user can read")
	}
	req.Target = folder + string(filepath.Separator)
	place := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(folder, im.Title))}
	name := "`" + strings.ReplaceAll(database, "`", "``") + "`"
	uri := strings.ReplaceAll(place.String(), "'", "%27")
	return &Seed{Database: database, URI: uri,
		Cypher: fmt.Sprintf("CREATE DATABASE %s OPTIONS {existingData: 'use', seedURI: '%s'}", name, uri)}, nil
}
