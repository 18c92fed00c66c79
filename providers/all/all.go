// Package all knows every provider. It alone imports them all, so that a
// program that needs one store does not carry the SDKs of the others.
package all

import (
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/azure"
	"github.com/snapferry/snapferry/providers/gcs"
	"github.com/snapferry/snapferry/providers/local"
	"github.com/snapferry/snapferry/providers/s3"
)

// Registry returns the schemes that can be opened: file, s3, gs and azblob.
func Registry() providers.Registry {
	return providers.Registry{
		providers.SchemeFile: local.Open,
		"s3":                 s3.Open,
		"gs":                 gcs.Open,
		"azblob":             azure.Open,
	}
}
