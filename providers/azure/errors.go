package azure

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// answer is the part of a store's refusal that decides what it means.
type answer struct {
	code    string
	message string // its first line
	// detail is why a request was not authenticated. It may hold signatures
	// and is never shown.
	detail    string
	status    int
	date      string // of the answer
	signedAt  string // x-ms-date of the request
	requestID string
}

// explain turns an error of the SDK into one of ours; nil and *Error values
// stay what they are. It keeps the text short and free of URLs and headers,
// and wraps no context error that is not the caller's, which would look like
// the end of all trying.
func (b *Bucket) explain(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*providers.Error](err); ok {
		return e
	}
	if cerr := ctx.Err(); cerr != nil {
		return &providers.Error{Op: op, Key: key, Err: cerr}
	}
	if c, ok := errors.AsType[*credentialsError](err); ok {
		return explainCredentials(op, key, c)
	}
	a, answered := parseAnswer(err)
	if !answered {
		return unanswered(op, key, err)
	}
	out := b.classify(op, a)
	out.Op, out.Key = op, key
	if out.Err == nil {
		out.Err = errors.New(a.text())
	} else {
		out.Err = fmt.Errorf("%w: %s", out.Err, a.text())
	}
	return out
}

// unanswered is the error of a request that got no answer, or an answer that
// asks for other credentials than there are.
func unanswered(op, key string, err error) error {
	if _, final := errors.AsType[interface {
		error
		NonRetriable()
	}](err); final {
		return credentialsFailed(op, key, providers.Scrub(err.Error()), credentialsHint)
	}
	return &providers.Error{Op: op, Key: key, Err: transport.Unreachable(err)}
}

func parseAnswer(err error) (answer, bool) {
	re, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok || re.StatusCode < 300 {
		return answer{}, false // an answer of 2xx that could not be read is a fault on the way
	}
	a := answer{code: re.ErrorCode, status: re.StatusCode}
	r := re.RawResponse
	if r == nil {
		return a, true
	}
	a.date, a.requestID = r.Header.Get("Date"), r.Header.Get("X-Ms-Request-Id")
	if r.Request != nil {
		a.signedAt = headerValue(r.Request.Header, "x-ms-date")
	}
	if body, err := runtime.Payload(r); err == nil { // the SDK has read it
		a.message, a.detail = parseBody(body)
	}
	return a, true
}

// headerValue finds a header that the SDK has set in lower case.
func headerValue(h http.Header, name string) string {
	for k, v := range h {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// parseBody returns what Azure says for people, without the lines on request
// and time, and what it says of authentication. Another page gives nothing.
func parseBody(body []byte) (message, detail string) {
	var e struct {
		XMLName xml.Name `xml:"Error"`
		Message string   `xml:"Message"`
		Detail  string   `xml:"AuthenticationErrorDetail"`
	}
	body = []byte(strings.TrimPrefix(string(body), "\ufeff")) // Azure begins with it
	if err := xml.Unmarshal(body, &e); err != nil {
		return "", ""
	}
	message, _, _ = strings.Cut(strings.TrimSpace(e.Message), "\n")
	return strings.TrimSpace(message), strings.TrimSpace(e.Detail)
}

func (a answer) text() string {
	s := providers.Scrub(a.code)
	if s == "" {
		s = "no reason given"
	}
	if a.message != "" && a.message != a.code {
		s += ": " + providers.Scrub(a.message)
	}
	s += fmt.Sprintf(" (HTTP status %d", a.status)
	if a.requestID != "" {
		s += ", request " + providers.Scrub(a.requestID)
	}
	return s + ")"
}

// mayHideObject reports that a create was refused for a reason Azure looks at
// before it looks whether the blob is there: rights that only create, a lock,
// a lease.
func mayHideObject(err error) bool {
	return bloberror.HasCode(err, bloberror.AuthorizationPermissionMismatch, bloberror.AuthorizationFailure, bloberror.BlobImmutableDueToPolicy,
		bloberror.BlobArchived, bloberror.LeaseIDMissing)
}

// creates reports whether an operation makes an object that must not be there.
func creates(op string) bool { return op == "put" || op == "copy" }

// classify finds the sentinel and the hint of a refusal; without a sentinel it
// is a passing fault.
func (b *Bucket) classify(op string, a answer) *providers.Error {
	if e := classifyAccess(op, a, b.sas); e != nil {
		return e
	}
	switch code := bloberror.Code(a.code); code {
	case bloberror.BlobAlreadyExists, bloberror.ConditionNotMet, bloberror.TargetConditionNotMet:
		return refuse(creates(op), providers.ErrExists, "")
	case bloberror.UnauthorizedBlobOverwrite:
		if creates(op) { // rights that only create
			return refuse(true, providers.ErrExists, "")
		}
		return refuse(true, providers.ErrDenied, permissionHint(op))
	case bloberror.BlobNotFound:
		return refuse(true, providers.ErrNotFound, "")
	case bloberror.ContainerNotFound, bloberror.ContainerBeingDeleted, bloberror.ContainerDisabled:
		return refuse(true, providers.ErrNoBucket,
			fmt.Sprintf("check the name %s and the storage account; snapferry does not create containers", b.name))
	case bloberror.ResourceNotFound:
		if b.anonymous { // the answer for all that is not public
			return refuse(true, providers.ErrNoBucket, fmt.Sprintf("check that the container %s exists and is public, or leave out ?anonymous=true", b.name))
		}
		return refuse(true, providers.ErrNoBucket, fmt.Sprintf("check the name %s and the storage account", b.name))
	case bloberror.InvalidRange:
		return refuse(true, providers.ErrRange, "")
	case bloberror.MD5Mismatch, bloberror.CRC64Mismatch, bloberror.InvalidMD5:
		return refuse(true, providers.ErrChecksum, "")
	case bloberror.ServerBusy, "TooManyRequests", "EgressIsOverAccountLimit", "IngressIsOverAccountLimit", "TpsOverAccountLimit", "OperationsOverAccountLimit":
		return refuse(true, providers.ErrThrottled, "")
	case bloberror.BlobArchived, bloberror.BlobBeingRehydrated:
		return refuse(true, providers.ErrFrozen, frozenHint)
	case bloberror.BlobImmutableDueToPolicy:
		return refuse(true, providers.ErrDenied, "the object is locked: wait until its lock ends, or lift an unlocked policy with "+
			"`az storage blob immutability-policy delete`")
	case bloberror.LeaseIDMissing, bloberror.LeaseIDMismatchWithBlobOperation:
		return refuse(true, providers.ErrDenied, "somebody holds a lease on the object: end it with `az storage blob lease break`")
	case bloberror.SnapshotsPresent:
		return refuse(true, providers.ErrUnsupported, "somebody took snapshots of the object, which would go with it: delete them first")
	case bloberror.InternalError, bloberror.OperationTimedOut, bloberror.SystemInUse, bloberror.BlobOverwritten:
		return &providers.Error{}
	}
	return classifyRest(op, a)
}

// classifyRest judges answers on features that are not there.
func classifyRest(op string, a answer) *providers.Error {
	switch a.code {
	case string(bloberror.InvalidBlobTier), string(bloberror.BlobTierInadequateForContentLength), "AccessTierNotSupportedForAccountType":
		return refuse(true, providers.ErrUnsupported, "the account does not have this access tier: leave out ?access_tier=")
	case string(bloberror.UnsupportedHeader), string(bloberror.InvalidHeaderValue), string(bloberror.FeatureVersionMismatch),
		string(bloberror.RequestBodyTooLarge), string(bloberror.InvalidBlobType), "APINotImplemented":
		if strings.Contains(a.message, "API version") {
			return refuse(true, providers.ErrUnsupported, "the store is older than this program: start Azurite with --skipApiVersionCheck")
		}
		return refuse(true, providers.ErrUnsupported,
			"the store must take single Put Blob requests with If-None-Match; locks need a container with version-level immutability")
	}
	switch {
	case strings.Contains(a.code, "EncryptionScope"):
		return refuse(true, providers.ErrUnsupported, "check ?encryption_scope= and whether the container lets others than its own be used")
	case strings.HasPrefix(a.code, "KeyVault"):
		return refuse(true, providers.ErrDenied,
			"the storage account cannot use its key in Key Vault: check that the key exists, is enabled, and the account's identity may use it")
	case strings.Contains(a.code, "HierarchicalNamespace"):
		return refuse(true, providers.ErrUnsupported, "use a storage account without hierarchical namespace")
	}
	return classifyStatus(op, a)
}

// classifyStatus judges answers without a known code: of HEAD requests,
// proxies and other stores.
func classifyStatus(op string, a answer) *providers.Error {
	switch a.status {
	case http.StatusPreconditionFailed:
		return refuse(op == "put", providers.ErrExists, "")
	case http.StatusUnauthorized:
		return refuse(true, providers.ErrCredentials, credentialsHint)
	case http.StatusForbidden:
		return refuse(true, providers.ErrDenied, permissionHint(op))
	case http.StatusNotFound:
		// Azure always says what it has not found. To take the page of a wrong
		// server for a missing key would make backups vanish.
		return refuse(a.code == "", providers.ErrNoBucket, "check storage_account, domain and endpoint: what answers is not Azure Blob Storage")
	case http.StatusRequestedRangeNotSatisfiable:
		return refuse(true, providers.ErrRange, "")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return refuse(true, providers.ErrThrottled, "")
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
		http.StatusNotImplemented, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge:
		return refuse(true, providers.ErrUnsupported, "check storage_account, domain and endpoint: what answers may not be Azure Blob Storage")
	case http.StatusInsufficientStorage:
		return refuse(true, providers.ErrNoSpace, "free space in the store, then run the same command again: what is stored already is kept")
	}
	return &providers.Error{}
}

func refuse(definite bool, sentinel error, hint string) *providers.Error {
	if !definite {
		return &providers.Error{Hint: hint}
	}
	return &providers.Error{Err: sentinel, Hint: hint}
}

var (
	expired  = regexp.MustCompile(`(?i)time ?frame|expir`)
	wrongDay = regexp.MustCompile(`(?i)date header`)
)

// classifyAccess judges who was not let in, and why; nil if that is not it.
func classifyAccess(op string, a answer, sas string) *providers.Error {
	switch bloberror.Code(a.code) {
	case bloberror.AuthenticationFailed, bloberror.InvalidAuthenticationInfo, bloberror.NoAuthenticationInformation:
		return classifyAuthentication(a, sas)
	case bloberror.AuthorizationFailure:
		if strings.Contains(a.message, "failed to authenticate") { // Azurite has one code for both
			return classifyAuthentication(a, sas)
		}
		return refuse(true, providers.ErrDenied, permissionHint(op)+", and let this machine through the account's firewall")
	case bloberror.AuthorizationPermissionMismatch, bloberror.InsufficientAccountPermissions, bloberror.AuthorizationResourceTypeMismatch,
		bloberror.AuthorizationServiceMismatch:
		return refuse(true, providers.ErrDenied, permissionHint(op))
	case bloberror.AuthorizationSourceIPMismatch, bloberror.AuthorizationProtocolMismatch:
		return refuse(true, providers.ErrDenied, "the shared access signature is for other addresses or for https alone: make one for this machine")
	case bloberror.AccountIsDisabled:
		return refuse(true, providers.ErrDenied, "the storage account is disabled: look at the state of its subscription")
	case "KeyBasedAuthenticationNotPermitted":
		return refuse(true, providers.ErrCredentials, "the account takes no keys: unset AZURE_STORAGE_KEY and sign in with Microsoft Entra ID")
	case "PublicAccessNotPermitted":
		return refuse(true, providers.ErrDenied, "the account allows no public access: leave out ?anonymous=true")
	}
	return nil
}

func classifyAuthentication(a answer, sas string) *providers.Error {
	told := a.message + " " + a.detail
	switch {
	case wrongDay.MatchString(told):
		return refuse(true, clocks(a), "set this machine's clock, for instance with chrony or systemd-timesyncd")
	case sas != "":
		if end := expiry(sas, a.date); end != "" {
			return refuse(true, fmt.Errorf("%w: the shared access signature has expired at %s", providers.ErrCredentials, end),
				"make a new one, put it into AZURE_STORAGE_SAS_TOKEN, and run the same command again: what is stored already is kept")
		}
		if expired.MatchString(told) {
			return refuse(true, fmt.Errorf("%w: the shared access signature is not valid now", providers.ErrCredentials),
				"look at its st= and se= parts and at this machine's clock, or make a new one")
		}
		return refuse(true, providers.ErrCredentials, "check AZURE_STORAGE_SAS_TOKEN: copied as a whole, for this account, its key not rotated since")
	case expired.MatchString(told):
		return refuse(true, fmt.Errorf("%w: the token has expired", providers.ErrCredentials),
			"sign in again, or use an identity that renews itself; then run the same command again: what is stored already is kept")
	}
	return refuse(true, providers.ErrCredentials, "check AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, the connection string, or the identity; "+
		"they may belong to another account or tenant")
}

// expiry returns when a shared access signature has ended, if that was before
// date, the time of an answer.
func expiry(sas, date string) string {
	q, err := url.ParseQuery(sas)
	if err != nil {
		return ""
	}
	now, err := http.ParseTime(date)
	if err != nil {
		return ""
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04Z", time.DateOnly} {
		if end, err := time.Parse(form, q.Get("se")); err == nil && end.Before(now) {
			return end.UTC().Format(time.RFC3339)
		}
	}
	return ""
}

func clocks(a answer) error {
	if a.date != "" && a.signedAt != "" {
		return fmt.Errorf("%w: here %s, there %s", providers.ErrClockSkew, a.signedAt, a.date)
	}
	return providers.ErrClockSkew
}

func permissionHint(op string) string {
	const blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/"
	action := map[string]string{"put": blobs + "add/action (c in a shared access signature)", "overwrite": blobs + "write (w)",
		"get": blobs + "read (r)", "copy": blobs + "read (r) and " + blobs + "add/action (c)", "thaw": blobs + "write (w)",
		"hold": "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/immutableStorage/runAsSuperUser/action (i)",
		"list": blobs + "read (l)", "delete": blobs + "delete (d)"}[op]
	if action == "" {
		action = "Microsoft.Storage/storageAccounts/blobServices/containers/read"
	}
	return "allow " + action + " to the identity in use"
}

// explainCredentials tells a source of credentials that has none from one
// that cannot be reached for the moment.
func explainCredentials(op, key string, c *credentialsError) error {
	text := credentialsText(c.err)
	if c.passing() {
		return &providers.Error{Op: op, Key: key, Err: errors.New("get credentials: " + text)}
	}
	hint := credentialsHint
	if failed, ok := errors.AsType[*azidentity.AuthenticationFailedError](c.err); ok && failed.RawResponse != nil {
		hint = "the identity was refused: check AZURE_CLIENT_ID and its like, or sign in again; then run the same command again: what is stored already is kept"
	}
	return credentialsFailed(op, key, text, hint)
}
