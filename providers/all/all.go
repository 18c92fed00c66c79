// Package all knows every provider. It alone imports them all, so that a
// program that needs one store does not carry the SDKs of the others.
package all

import (
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/gcs"
	"github.com/snapferry/snapferry/providers/local"
	"github.com/snapferry/snapferry/providers/s3"
)

// Registry returns the schemes that can be opened: file, gs and s3.
func Registry() providers.Registry {
	return providers.Registry{
		providers.SchemeFile: local.Open,
		"gs":                 gcs.Open,
		"s3":                 s3.Open,
	}
}
