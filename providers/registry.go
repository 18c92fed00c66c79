package providers

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/internal/nearest"
)

// Options is what the caller decides about a store beyond its URL. The zero
// value is usable.
type Options struct {
	// Log takes what is worth telling while a store is opened and used; nil
	// discards it.
	Log *slog.Logger
	// Connections is how many transfers the caller will run at once; pools
	// are sized to it. Zero means 8.
	Connections int
	// UserAgent names the program to a store; empty means "snapferry".
	UserAgent string
	// Attributes says what a new object gets besides its content, by its key;
	// nil gives nothing. It is called once for each Put.
	Attributes func(key string) Attributes
	// Transport, if set, wraps the HTTP transport of a store. Tests inject
	// faults with it.
	Transport func(http.RoundTripper) http.RoundTripper
}

// Logger returns o.Log, or a logger that discards.
func (o Options) Logger() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

// AttributesOf returns what the new object key gets besides its content.
func (o Options) AttributesOf(key string) Attributes {
	if o.Attributes == nil {
		return Attributes{}
	}
	return o.Attributes(key)
}

// Opener opens the store a URL names and returns it with the prefix, without
// slashes at its ends, below which all keys of the vault live. It fails with
// an *Error; ErrInvalidURL if the URL is not one of its own.
type Opener func(ctx context.Context, u *url.URL, o Options) (Bucket, string, error)

// Registry maps URL schemes to the providers that open them.
type Registry map[string]Opener

// SchemeFile is the scheme a plain path stands for.
const SchemeFile = "file"

// Open opens the vault at rawURL: a URL of a registered scheme or a plain path.
// It returns the store and the prefix of the vault in it, and fails with an
// *Error that names the URL without credentials.
func (r Registry) Open(ctx context.Context, rawURL string, o Options) (Bucket, string, error) {
	u, err := r.parse(rawURL)
	if err != nil {
		return nil, "", err
	}
	open, ok := r[u.Scheme]
	if !ok {
		return nil, "", r.unknownScheme(rawURL, u.Scheme)
	}
	return open(ctx, u, o)
}

// Check refuses what Open would refuse before it asks a provider.
func (r Registry) Check(rawURL string) error {
	u, err := r.parse(rawURL)
	if err != nil {
		return err
	}
	if _, ok := r[u.Scheme]; !ok {
		return r.unknownScheme(rawURL, u.Scheme)
	}
	return nil
}

func (r Registry) parse(rawURL string) (*url.URL, error) {
	if rawURL == "" {
		return nil, InvalidURL(rawURL, "it is empty", "give a path, or a URL such as s3://BUCKET/PREFIX")
	}
	scheme, rest, found := strings.Cut(rawURL, ":")
	if !found || !IsScheme(scheme) {
		return &url.URL{Scheme: SchemeFile, Path: rawURL}, nil
	}
	if !strings.HasPrefix(rest, "//") {
		if _, known := r[strings.ToLower(scheme)]; known {
			return nil, InvalidURL(rawURL, "the slashes after the scheme are missing",
				fmt.Sprintf("write %s://…, or ./%s:… for a path of that name", scheme, scheme))
		}
		return &url.URL{Scheme: SchemeFile, Path: rawURL}, nil
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		// What url.Parse says repeats parts of the URL, and a password with a
		// slash in it looks like a port: its text must not be shown.
		return nil, InvalidURL(rawURL, "it cannot be parsed", "percent-encode special characters, and keep credentials out of it")
	}
	place, _, _ := strings.Cut(rest, "?")
	if u.User != nil || !strings.EqualFold(scheme, SchemeFile) && strings.Contains(place, "@") {
		// No bucket or prefix has an @; a password with a slash looks like one.
		return nil, InvalidURL(rawURL, "it holds credentials",
			"remove them; credentials come from the environment, a profile or the machine's role")
	}
	if u.Fragment != "" {
		return nil, InvalidURL(rawURL, "it has a part after #", "give the URL of the vault alone")
	}
	return u, nil
}

// IsScheme tells a URL scheme from a Windows drive letter and from a path
// that happens to hold a colon.
func IsScheme(s string) bool {
	if len(s) < 2 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		if 'a' <= c && c <= 'z' || i > 0 && ('0' <= s[i] && s[i] <= '9' || strings.IndexByte("+-.", s[i]) >= 0) {
			continue
		}
		return false
	}
	return true
}

func (r Registry) unknownScheme(rawURL, scheme string) error {
	known := slices.Sorted(maps.Keys(r))
	hint := "use a plain path or one of the schemes " + strings.Join(known, ", ")
	if near := nearest.Word(scheme, known); near != "" {
		hint = fmt.Sprintf("did you mean %s://? Known schemes: %s", near, strings.Join(known, ", "))
	}
	return InvalidURL(rawURL, fmt.Sprintf("unknown scheme %q", scheme), hint)
}

// InvalidURL makes the error of a URL that cannot be opened, with the URL
// redacted. It wraps ErrInvalidURL.
func InvalidURL(rawURL, reason, hint string) error {
	return &Error{Op: "open", Key: Redact(rawURL), Err: fmt.Errorf("%w: %s", ErrInvalidURL, reason), Hint: hint}
}

// FilePath returns the path of a file URL in the form of this system. It
// fails with ErrInvalidURL for a host other than localhost.
func FilePath(u *url.URL) (string, error) {
	if u.Host != "" && u.Host != "localhost" {
		return "", InvalidURL(u.String(), fmt.Sprintf("a file URL has no host, this one has %q", u.Host),
			"write file:///DIR with three slashes, or the plain path")
	}
	p := u.Path
	// file:///C:/dir has the path "/C:/dir".
	if len(p) > 2 && p[0] == '/' && p[2] == ':' && filepath.VolumeName(p[1:]) != "" {
		p = p[1:]
	}
	if p == "" {
		return "", InvalidURL(u.String(), "it has no path", "write file:///DIR, or the plain path")
	}
	if strings.ContainsRune(p, 0) {
		return "", InvalidURL("file:", "its path holds a zero byte", "")
	}
	return filepath.FromSlash(p), nil
}
