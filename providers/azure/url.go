package azure

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/snapferry/snapferry/providers"
)

// defaultDomain is that of the public cloud.
const defaultDomain = "blob.core.windows.net"

// location is what a URL and the environment say of a place.
type location struct {
	raw               string // redacted, for errors
	container, prefix string
	account           string
	domain, protocol  string // empty: the default
	cdn, emulator     bool
	endpoint          string // of the URL alone
	moved             bool   // the URL says where the service is
	tier              blob.AccessTier
	scope             string
	anonymous         bool
	subscription      string // where the account is managed; empty: not known
	resourceGroup     string // set if subscription is
}

func parameters() []string {
	return []string{"storage_account", "domain", "protocol", "cdn", "localemu", "endpoint", "access_tier", "encryption_scope", "anonymous",
		"subscription", "resource_group"}
}

func accessTiers() []blob.AccessTier {
	return []blob.AccessTier{blob.AccessTierHot, blob.AccessTierCool, blob.AccessTierCold, blob.AccessTierArchive}
}

var (
	containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`)
	accountName   = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	domainName    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)
	subscription  = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	resourceGroup = regexp.MustCompile(`^[\pL\pN_().-]{0,89}[\pL\pN_()-]$`)
	scopeName     = regexp.MustCompile(`^[A-Za-z0-9-]{3,63}$`)
)

// parse reads a URL, and the environment where the URL says nothing.
func parse(u *url.URL) (location, error) {
	if sasParameter(u) {
		return location{}, providers.InvalidURL(u.String(), "it holds a shared access signature",
			"put the signature into AZURE_STORAGE_SAS_TOKEN and leave it out of the URL")
	}
	if err := providers.CheckQuery(u, parameters()...); err != nil {
		return location{}, err
	}
	q := u.Query()
	l := location{raw: providers.Redact(u.String()), container: u.Host, prefix: strings.Trim(u.Path, "/"),
		account: first(q.Get("storage_account"), os.Getenv("AZURE_STORAGE_ACCOUNT")),
		domain:  first(q.Get("domain"), os.Getenv("AZURE_STORAGE_DOMAIN")), protocol: first(q.Get("protocol"), os.Getenv("AZURE_STORAGE_PROTOCOL")),
		scope: q.Get("encryption_scope"),
		moved: q.Has("domain") || q.Has("protocol") || q.Has("cdn") || q.Has("localemu") || q.Has("endpoint")}
	if !containerName.MatchString(l.container) || len(l.container) > 63 {
		return l, l.invalid("the container's name must have 3 to 63 lower-case letters, digits and single hyphens", "write azblob://CONTAINER/PREFIX")
	}
	if err := providers.CheckPrefix(l.prefix); err != nil {
		return l, l.invalid(err.Error(), "use a-z, 0-9, dot, underscore and hyphen, and slashes between parts")
	}
	if err := l.parseFlags(q); err != nil {
		return l, err
	}
	if err := l.parseObjects(q); err != nil {
		return l, err
	}
	if err := l.parseEndpoint(q); err != nil {
		return l, err
	}
	if err := l.parseManagement(q); err != nil {
		return l, err
	}
	return l, l.checkService()
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// sasParameter reports that the query holds the signature of a shared access
// signature, which nobody means as a parameter.
func sasParameter(u *url.URL) bool {
	for name := range u.Query() {
		if strings.EqualFold(name, "sig") {
			return true
		}
	}
	return false
}

// parseFlags reads what is true or false. As in gocloud.dev, what the
// environment says and nobody understands is no.
func (l *location) parseFlags(q url.Values) error {
	l.cdn, _ = strconv.ParseBool(os.Getenv("AZURE_STORAGE_IS_CDN"))
	l.emulator, _ = strconv.ParseBool(os.Getenv("AZURE_STORAGE_IS_LOCAL_EMULATOR"))
	for name, flag := range map[string]*bool{"cdn": &l.cdn, "localemu": &l.emulator, "anonymous": &l.anonymous} {
		if !q.Has(name) {
			continue
		}
		v, err := strconv.ParseBool(q.Get(name))
		if err != nil {
			return l.invalid(fmt.Sprintf("%s is neither true nor false", name), fmt.Sprintf("write %s=true or %s=false", name, name))
		}
		*flag = v
	}
	return nil
}

// parseObjects reads what new objects get.
func (l *location) parseObjects(q url.Values) error {
	if q.Has("access_tier") {
		i := slices.IndexFunc(accessTiers(), func(t blob.AccessTier) bool { return strings.EqualFold(string(t), q.Get("access_tier")) })
		if i < 0 {
			return l.invalid("the access tier is none of Azure's for block blobs", "write access_tier=Hot, Cool, Cold or Archive")
		}
		l.tier = accessTiers()[i]
	}
	if q.Has("encryption_scope") && !scopeName.MatchString(l.scope) {
		return l.invalid("the encryption scope's name must have 3 to 63 letters, digits and hyphens",
			"`az storage account encryption-scope list` shows what there is")
	}
	return nil
}

// parseManagement reads where the account is managed.
func (l *location) parseManagement(q url.Values) error {
	l.subscription, l.resourceGroup = q.Get("subscription"), q.Get("resource_group")
	switch {
	case q.Has("subscription") != q.Has("resource_group"):
		return l.invalid("subscription and resource_group go together", "write subscription=ID&resource_group=GROUP, or leave out both")
	case q.Has("subscription") && !subscription.MatchString(l.subscription):
		return l.invalid("the subscription is no id of one", "write the id, which `az account show --query id` prints, and not the name")
	case q.Has("resource_group") && !resourceGroup.MatchString(l.resourceGroup):
		return l.invalid("the resource group's name must have 1 to 90 letters, digits and _().-, and not end with a dot",
			"`az storage account show --name ACCOUNT --query resourceGroup` prints it")
	}
	return nil
}

func (l *location) parseEndpoint(q url.Values) error {
	if !q.Has("endpoint") {
		return nil
	}
	const hint = "write endpoint=https://HOST[:PORT], with the account in the path if the store wants it there"
	for _, name := range []string{"domain", "protocol", "cdn", "localemu"} {
		if q.Has(name) {
			return l.invalid("endpoint excludes "+name, "leave out one of them")
		}
	}
	e, err := url.Parse(q.Get("endpoint"))
	if err != nil || e.Host == "" || !isHTTP(e) || e.RawQuery != "" || e.Fragment != "" {
		return l.invalid("the endpoint is not the address of a service", hint)
	}
	if e.User != nil {
		return l.invalid("the endpoint holds credentials", "remove them; credentials come from the environment or the machine's identity")
	}
	l.endpoint = strings.TrimRight(e.String(), "/")
	return nil
}

func (l *location) checkService() error {
	switch {
	case l.account != "" && !accountName.MatchString(l.account):
		return l.invalid("an account's name has 3 to 24 lower-case letters and digits", "check storage_account and AZURE_STORAGE_ACCOUNT")
	case l.domain != "" && !domainName.MatchString(l.domain):
		return l.invalid("the domain is not the name of a host", "write domain="+defaultDomain+" or that of your cloud, without scheme and account")
	case l.protocol != "" && l.protocol != "http" && l.protocol != "https":
		return l.invalid("the protocol is neither http nor https", "write protocol=https")
	}
	return nil
}

// service returns the URL of the service, without a slash at its end, as
// gocloud.dev makes it.
func (l *location) service() (string, error) {
	if l.endpoint != "" {
		return l.endpoint, nil
	}
	domain, protocol := first(l.domain, defaultDomain), first(l.protocol, "https")
	switch {
	case l.cdn && !l.pathStyle():
		return protocol + "://" + domain, nil
	case l.account == "":
		return "", l.invalid("the storage account is not known", "add ?storage_account=ACCOUNT to the URL, or set AZURE_STORAGE_ACCOUNT")
	case l.pathStyle():
		return protocol + "://" + domain + "/" + l.account, nil
	}
	return protocol + "://" + l.account + "." + domain, nil
}

// pathStyle reports that the account goes into the path.
func (l *location) pathStyle() bool {
	return l.emulator || strings.HasPrefix(l.domain, "127.0.0.1") || strings.HasPrefix(l.domain, "localhost")
}

func (l *location) invalid(reason, hint string) error {
	return providers.InvalidURL(l.raw, reason, hint)
}
