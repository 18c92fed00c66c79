package gcs

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/snapferry/snapferry/internal/nearest"
	"github.com/snapferry/snapferry/providers"
)

// defaultUniverse is the domain of Google's public cloud.
const defaultUniverse = "googleapis.com"

// location is what a URL says.
type location struct {
	raw             string // redacted, for errors
	bucket, prefix  string
	endpoint        string // URL without a slash at its end; empty: Google's
	universe        string
	anonymous       bool
	credentialsFile string
	impersonate     string
	userProject     string
	storageClass    string
	kmsKey          string
}

func parameters() []string {
	return []string{"credentials_file", "impersonate", "anonymous", "user_project", "storage_class", "kms_key", "universe_domain", "endpoint"}
}

func storageClasses() []string { return []string{"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"} }

var (
	// bucketName accepts what GCS does; only names of domains are longer than
	// 63 characters.
	bucketName     = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$`)
	serviceAccount = regexp.MustCompile(`^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+$`)
	projectName    = regexp.MustCompile(`^[a-z0-9][a-z0-9.:-]{1,62}$`)
	keyName        = regexp.MustCompile(`^projects/[^/?#]+/locations/[^/?#]+/keyRings/[^/?#]+/cryptoKeys/[^/?#]+$`)
	domainName     = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)
)

func parse(u *url.URL) (location, error) {
	if err := providers.CheckQuery(u, parameters()...); err != nil {
		return location{}, err
	}
	q := u.Query()
	l := location{raw: providers.Redact(u.String()), bucket: u.Host, prefix: strings.Trim(u.Path, "/"),
		credentialsFile: q.Get("credentials_file"), impersonate: q.Get("impersonate"), userProject: q.Get("user_project"),
		storageClass: strings.ToUpper(q.Get("storage_class")), kmsKey: q.Get("kms_key"), universe: q.Get("universe_domain")}
	if !bucketName.MatchString(l.bucket) {
		return l, l.invalid("the bucket's name must have 3 to 222 of a-z, 0-9, dots, underscores and hyphens", "write gs://BUCKET/PREFIX")
	}
	if err := providers.CheckPrefix(l.prefix); err != nil {
		return l, l.invalid(err.Error(), "use a-z, 0-9, dot, underscore and hyphen, and slashes between parts")
	}
	if q.Has("anonymous") {
		v, err := strconv.ParseBool(q.Get("anonymous"))
		if err != nil {
			return l, l.invalid("anonymous is neither true nor false", "write anonymous=true or anonymous=false")
		}
		l.anonymous = v
	}
	if l.anonymous && (l.credentialsFile != "" || l.impersonate != "") {
		return l, l.invalid("anonymous excludes credentials_file and impersonate", "leave out one of them")
	}
	if err := l.checkValues(q); err != nil {
		return l, err
	}
	if l.universe == "" {
		l.universe = os.Getenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN")
	}
	if l.universe == "" {
		l.universe = defaultUniverse
	}
	return l, l.parseEndpoint(q)
}

// checkValues finds values that cannot mean anything before a request with
// them fails for a reason that is harder to read.
func (l *location) checkValues(q url.Values) error {
	for _, name := range parameters() {
		if q.Has(name) && q.Get(name) == "" {
			return l.invalid("the parameter "+name+" is empty", "give it a value or leave it out")
		}
	}
	if l.storageClass != "" {
		near := nearest.Word(l.storageClass, storageClasses())
		if near != l.storageClass {
			hint := "known classes: " + strings.Join(storageClasses(), ", ")
			if near != "" {
				hint = fmt.Sprintf("did you mean %s? %s", near, hint)
			}
			return l.invalid("the storage class is not known", hint)
		}
	}
	for _, v := range []struct {
		value, reason, hint string
		form                *regexp.Regexp
	}{
		{l.impersonate, "impersonate is no e-mail address of a service account", "write impersonate=NAME@PROJECT.iam.gserviceaccount.com", serviceAccount},
		{l.userProject, "user_project is no project", "write the id or the number of a project", projectName},
		{l.kmsKey, "kms_key is no resource name of a key", "write kms_key=projects/P/locations/L/keyRings/R/cryptoKeys/K", keyName},
		{l.universe, "universe_domain is no domain", "leave it out for Google's public cloud", domainName},
	} {
		if v.value != "" && !v.form.MatchString(v.value) {
			return l.invalid(v.reason, v.hint)
		}
	}
	return nil
}

// parseEndpoint takes the endpoint of the URL, else the emulator of the
// environment.
func (l *location) parseEndpoint(q url.Values) error {
	hint, raw, scheme := "write endpoint=HOST:PORT or endpoint=https://HOST:PORT", q.Get("endpoint"), "https://"
	if raw == "" {
		if raw = os.Getenv("STORAGE_EMULATOR_HOST"); raw == "" {
			return nil
		}
		hint, scheme, l.anonymous = "set STORAGE_EMULATOR_HOST to HOST:PORT", "http://", true
	}
	if !strings.Contains(raw, "://") {
		raw = scheme + raw
	}
	e, err := url.Parse(raw)
	if err != nil || e.Host == "" || e.Scheme != "http" && e.Scheme != "https" || e.RawQuery != "" || e.Fragment != "" {
		return l.invalid("the endpoint is not the address of a server", hint)
	}
	if e.User != nil {
		return l.invalid("the endpoint holds credentials", "remove them; credentials come from the environment, a file or the machine's service account")
	}
	if e.Scheme == "http" && !l.anonymous && !loopback(e.Hostname()) {
		return l.invalid("credentials would cross the network in clear",
			"write an https endpoint, or add anonymous=true for an emulator")
	}
	l.endpoint = strings.TrimSuffix(e.String(), "/")
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// base is the address of the service, without a slash at its end.
func (l *location) base() string {
	if l.endpoint != "" {
		return l.endpoint
	}
	return "https://storage." + l.universe
}

func (l *location) invalid(reason, hint string) error {
	return providers.InvalidURL(l.raw, reason, hint)
}
