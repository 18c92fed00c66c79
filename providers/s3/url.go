package s3

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

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
	anonymous      bool
	plainHTTP      bool
	fips           bool
	dualstack      bool
	accelerate     bool
	requesterPays  bool
	profile        string
	role           role
	encryption     encryption
	storageClass   types.StorageClass // of data; empty: the bucket's default
}

// role is a role to assume; zero: none.
type role struct {
	arn, session, externalID string
}

func parameters() []string {
	return []string{"region", "endpoint", "use_path_style", "s3ForcePathStyle", "profile", "role", "role_session", "external_id", "anonymous",
		"disable_https", "fips", "dualstack", "accelerate", "requester_pays", "ssetype", "kmskeyid", "bucket_key", "kms_context", "storage_class"}
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
		region: q.Get("region"), profile: q.Get("profile")}
	if !bucketName.MatchString(l.bucket) {
		return l, l.invalid("the bucket's name must have 3 to 63 letters, digits, dots, underscores and hyphens", "write s3://BUCKET/PREFIX")
	}
	if err := providers.CheckPrefix(l.prefix); err != nil {
		return l, l.invalid(err.Error(), "use a-z, 0-9, dot, underscore and hyphen, and slashes between parts")
	}
	for _, part := range []func(url.Values) error{l.parseFlags, l.parseRole, l.parseEndpoint, l.parseRoute, l.parseEncryption, l.parseStorageClass} {
		if err := part(q); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (l *location) parseFlags(q url.Values) error {
	for name, set := range map[string]func(bool){
		"use_path_style":   func(v bool) { l.pathStyle = &v },
		"s3ForcePathStyle": func(v bool) { l.pathStyle = &v },
		"anonymous":        func(v bool) { l.anonymous = v },
		"disable_https":    func(v bool) { l.plainHTTP = v },
		"fips":             func(v bool) { l.fips = v },
		"dualstack":        func(v bool) { l.dualstack = v },
		"accelerate":       func(v bool) { l.accelerate = v },
		"requester_pays":   func(v bool) { l.requesterPays = v },
		"bucket_key":       func(v bool) { l.encryption.bucketKey = &v },
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

// Grammars of the AssumeRole operation.
var (
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalID  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`) // and at most 1,224
)

func (l *location) parseRole(q url.Values) error {
	l.role = role{arn: q.Get("role"), session: q.Get("role_session"), externalID: q.Get("external_id")}
	switch {
	case l.role.arn == "" && (q.Has("role_session") || q.Has("external_id")):
		return l.invalid("role_session and external_id are for a role", "add role=arn:aws:iam::ACCOUNT:role/NAME, or leave them out")
	case l.role.arn != "" && !strings.HasPrefix(l.role.arn, "arn:"):
		return l.invalid("the role is no ARN", "write role=arn:aws:iam::ACCOUNT:role/NAME")
	case q.Has("role_session") && !sessionName.MatchString(l.role.session):
		return l.invalid("role_session must have 2 to 64 letters, digits and _+=,.@-", "write %2B for a plus sign")
	case q.Has("external_id") && (!externalID.MatchString(l.role.externalID) || len(l.role.externalID) > 1224):
		return l.invalid("external_id must have 2 to 1,224 letters, digits and _+=,.@:/-", "write %2B for a plus sign")
	case l.anonymous && (l.profile != "" || l.role.arn != ""):
		return l.invalid("anonymous excludes profile and role", "leave out one of them")
	case l.anonymous && l.requesterPays:
		return l.invalid("anonymous excludes requester_pays: somebody must be known to pay", "leave out one of them")
	}
	return nil
}

// parseRoute refuses what the addresses of AWS do not offer together.
func (l *location) parseRoute(url.Values) error {
	switch {
	case l.endpoint != "" && (l.fips || l.dualstack || l.accelerate):
		return l.invalid("fips, dualstack and accelerate choose an address of AWS, and the endpoint is another", "leave out the endpoint, or them")
	case l.accelerate && l.fips:
		return l.invalid("accelerated addresses are not FIPS ones", "leave out accelerate or fips")
	case l.accelerate && l.pathStyle != nil && *l.pathStyle:
		return l.invalid("accelerated addresses hold the bucket in the host name", "leave out use_path_style")
	case l.accelerate && strings.Contains(l.bucket, "."):
		return l.invalid("S3 does not accelerate buckets with a dot in their name", "leave out accelerate")
	case l.fips && l.plainHTTP:
		return l.invalid("disable_https contradicts fips", "leave out one of them")
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
