package s3

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/snapferry/snapferry/providers"
)

// defaultRegion is what stores other than AWS take when they do not care.
const defaultRegion = "us-east-1"

// location is what a URL says.
type location struct {
	raw            string // redacted, for errors
	bucket, prefix string
	region         string
	endpoint       string // URL; empty: AWS
	pathStyle      *bool  // nil: decided by the endpoint
	profile, role  string
	anonymous      bool
	plainHTTP      bool
}

func parameters() []string {
	return []string{"region", "endpoint", "use_path_style", "s3ForcePathStyle", "profile", "role", "anonymous", "disable_https"}
}

// bucketName accepts what S3 does, and the underscores and capitals of older
// buckets and other stores.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$`)

func parse(u *url.URL) (location, error) {
	if err := providers.CheckQuery(u, parameters()...); err != nil {
		return location{}, err
	}
	q := u.Query()
	l := location{raw: providers.Redact(u.String()), bucket: u.Host, prefix: strings.Trim(u.Path, "/"),
		region: q.Get("region"), profile: q.Get("profile"), role: q.Get("role")}
	if !bucketName.MatchString(l.bucket) {
		return l, l.invalid("the bucket's name must have 3 to 63 letters, digits, dots, underscores and hyphens", "write s3://BUCKET/PREFIX")
	}
	if err := providers.CheckPrefix(l.prefix); err != nil {
		return l, l.invalid(err.Error(), "use a-z, 0-9, dot, underscore and hyphen, and slashes between parts")
	}
	if err := l.parseFlags(q); err != nil {
		return l, err
	}
	if l.role != "" && !strings.HasPrefix(l.role, "arn:") {
		return l, l.invalid("the role is no ARN", "write role=arn:aws:iam::ACCOUNT:role/NAME")
	}
	if l.anonymous && (l.profile != "" || l.role != "") {
		return l, l.invalid("anonymous excludes profile and role", "leave out one of them")
	}
	return l, l.parseEndpoint(q)
}

func (l *location) parseFlags(q url.Values) error {
	for name, set := range map[string]func(bool){
		"use_path_style":   func(v bool) { l.pathStyle = &v },
		"s3ForcePathStyle": func(v bool) { l.pathStyle = &v },
		"anonymous":        func(v bool) { l.anonymous = v },
		"disable_https":    func(v bool) { l.plainHTTP = v },
	} {
		if !q.Has(name) {
			continue
		}
		v, err := strconv.ParseBool(q.Get(name))
		if err != nil {
			return l.invalid(fmt.Sprintf("%s is neither true nor false", name), fmt.Sprintf("write %s=true or %s=false", name, name))
		}
		set(v)
	}
	if q.Has("use_path_style") && q.Has("s3ForcePathStyle") {
		return l.invalid("use_path_style and s3ForcePathStyle mean the same", "leave out s3ForcePathStyle")
	}
	return nil
}

func (l *location) parseEndpoint(q url.Values) error {
	const hint = "write endpoint=HOST:PORT or endpoint=https://HOST:PORT"
	raw := q.Get("endpoint")
	if raw == "" {
		if q.Has("endpoint") {
			return l.invalid("the endpoint is empty", hint)
		}
		return nil
	}
	if !strings.Contains(raw, "://") {
		scheme := "https://"
		if l.plainHTTP {
			scheme = "http://"
		}
		raw = scheme + raw
	}
	e, err := url.Parse(raw)
	if err != nil || e.Host == "" || e.Scheme != "http" && e.Scheme != "https" || e.RawQuery != "" || e.Fragment != "" {
		return l.invalid("the endpoint is not the address of a server", hint)
	}
	if e.User != nil {
		return l.invalid("the endpoint holds credentials", "remove them; credentials come from the environment, a profile or the machine's role")
	}
	if e.Scheme == "https" && l.plainHTTP {
		return l.invalid("disable_https contradicts the endpoint's https", "leave out one of them")
	}
	l.endpoint = strings.TrimSuffix(e.String(), "/")
	return nil
}

func (l *location) invalid(reason, hint string) error {
	return providers.InvalidURL(l.raw, reason, hint)
}
