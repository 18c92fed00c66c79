package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/api/googleapi"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// answer is the part of a store's refusal that decides what it means.
type answer struct {
	status          int
	reason, message string // of the API; of others empty, or a line of text
}

// explain turns an error of a request into one of ours; nil stays nil. It
// keeps the text short and free of URLs and headers, and wraps no context
// error that is not the caller's, which would look like the end of all trying.
func (b *Bucket) explain(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	if cerr := ctx.Err(); cerr != nil {
		return &providers.Error{Op: op, Key: key, Err: cerr}
	}
	if c, ok := errors.AsType[*credentialsError](err); ok {
		return explainCredentials(op, key, c.err)
	}
	if f, ok := errors.AsType[*finding](err); ok {
		return &providers.Error{Op: op, Key: key, Err: f.err}
	}
	a, answered := parseAnswer(err)
	if !answered {
		return &providers.Error{Op: op, Key: key, Err: transport.Unreachable(err)}
	}
	out := b.classify(op, a)
	if a.status == http.StatusNotFound && out.Err == nil {
		out = b.missing(ctx, op, a)
	}
	out.Op, out.Key = op, key
	if out.Err == nil {
		out.Err = errors.New(a.text())
	} else {
		out.Err = fmt.Errorf("%w: %s", out.Err, a.text())
	}
	return out
}

func parseAnswer(err error) (answer, bool) {
	e, ok := errors.AsType[*googleapi.Error](err)
	if !ok {
		return answer{}, false
	}
	if e.Message == "" && len(e.Errors) == 0 {
		// The library does not look into the refusal of a download.
		again := googleapi.CheckResponseWithBody(&http.Response{StatusCode: e.Code, Header: e.Header}, []byte(e.Body))
		e, ok = errors.AsType[*googleapi.Error](again)
		if !ok {
			return answer{}, false
		}
	}
	a := answer{status: e.Code, message: e.Message}
	if len(e.Errors) > 0 {
		a.reason = e.Errors[0].Reason
	}
	// It may be a line of text, too, or a little XML.
	if body := strings.TrimSpace(e.Body); a.reason == "" && a.message == "" && !strings.HasPrefix(body, "<") {
		a.message = body
	}
	return a, true
}

func (a answer) text() string {
	s := providers.Scrub(a.reason)
	if m := providers.Scrub(a.message); m != "" {
		if s != "" {
			s += ": "
		}
		s += m
	}
	if s == "" {
		s = "no reason given"
	}
	return fmt.Sprintf("%s (HTTP status %d)", s, a.status)
}

// says reports whether the message holds a text, whatever its case.
func (a answer) says(text string) bool {
	return strings.Contains(strings.ToLower(a.message), strings.ToLower(text))
}

const retryHint = "then run the same command again: what is stored already is kept"

// classify finds the sentinel and the hint of a refusal; without a sentinel it
// is a passing fault. The reasons are those of the JSON API.
func (b *Bucket) classify(op string, a answer) *providers.Error {
	switch a.reason {
	case "rateLimitExceeded", "userRateLimitExceeded":
		return refuse(providers.ErrThrottled, "")
	case "quotaExceeded", "dailyLimitExceeded":
		return refuse(providers.ErrThrottled, "raise the project's quota in the Google Cloud console, "+retryHint)
	case "accountDisabled", "billingDisabled", "billingNotEnabled", "userProjectAccountProblem":
		return refuse(providers.ErrDenied, "enable billing for the project of the bucket, or of ?user_project=, "+retryHint)
	case "userProjectMissing":
		return refuse(providers.ErrDenied, "the requester pays for this bucket: add ?user_project=PROJECT to the URL")
	case "userProjectInconsistent", "userProjectAccessDenied", "userProjectInvalid":
		return refuse(providers.ErrDenied, "check the project of ?user_project=, and allow serviceusage.services.use on it to the identity in use")
	case "retentionPolicyNotMet", "objectUnderActiveHold":
		return refuse(providers.ErrDenied, "the object is locked; it can be removed when the lock or hold has ended")
	case "vpcServiceControls":
		return refuse(providers.ErrDenied, "a VPC service perimeter keeps this network or identity out; ask who manages the organisation")
	}
	switch {
	case a.status == http.StatusTooManyRequests:
		return refuse(providers.ErrThrottled, "")
	case a.says("crc32c") || a.says("md5 hash"):
		return refuse(providers.ErrChecksum, "")
	case a.says("cloud kms") || a.says("kms key") || a.says("kmsKeyName"):
		return refuse(providers.ErrDenied, "check ?kms_key= or the bucket's default key and its location, that it is enabled, and grant "+
			"roles/cloudkms.cryptoKeyEncrypterDecrypter on it to the service agent of the bucket's project")
	case a.status == http.StatusBadRequest && a.says("retention"):
		return refuse(providers.ErrUnsupported, "enable object retention on the bucket, or leave out the lock")
	case a.says("violates constraint"):
		return refuse(providers.ErrDenied, "a policy of the organisation forbids it; ask who manages the organisation")
	}
	return b.classifyStatus(op, a)
}

func (b *Bucket) classifyStatus(op string, a answer) *providers.Error {
	switch a.status {
	case http.StatusPreconditionFailed:
		if op == "put" || op == "copy" {
			return refuse(providers.ErrExists, "")
		}
		if op == writeRules {
			return refuse(providers.ErrChanged, "somebody changed the bucket's settings meanwhile: read the rules again and look at the change")
		}
	case http.StatusUnauthorized:
		hint := "the credentials have expired, were revoked, or are not for this store: sign in again or make a new key, " + retryHint
		if b.location.anonymous {
			hint = "the bucket is not public: leave out ?anonymous=true and give credentials"
		}
		return refuse(providers.ErrCredentials, hint)
	case http.StatusForbidden:
		return refuse(providers.ErrDenied, permissionHint(op))
	case http.StatusRequestedRangeNotSatisfiable:
		return refuse(providers.ErrRange, "")
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
		http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return refuse(providers.ErrUnsupported, "check the endpoint: what answers is no Google Cloud Storage")
	case http.StatusRequestEntityTooLarge:
		return refuse(providers.ErrUnsupported, "a proxy or the endpoint limits the size of requests; segments need 33 MiB")
	case http.StatusServiceUnavailable:
		return refuse(providers.ErrThrottled, "")
	case http.StatusInsufficientStorage:
		return refuse(providers.ErrNoSpace, "free space in the store, "+retryHint)
	}
	return &providers.Error{}
}

func refuse(sentinel error, hint string) *providers.Error {
	return &providers.Error{Err: sentinel, Hint: hint}
}

func permissionHint(op string) string {
	permission := map[string]string{"put": "storage.objects.create", "overwrite": "storage.objects.create and storage.objects.delete",
		"get": "storage.objects.get", "list": "storage.objects.list", "delete": "storage.objects.delete",
		"copy": "storage.objects.get and storage.objects.create", "hold": "storage.objects.update", writeRules: "storage.buckets.update"}[op]
	if permission == "" {
		permission = "storage.buckets.get"
	}
	return "allow " + permission + " on the bucket to the identity in use"
}

// missing finds out what was not found. GCS gives one reason for an object and
// for a bucket, and to take the page of a wrong server, or a bucket that is
// gone, for a missing key would make backups vanish. Who asks for objects may
// list them, too, and a listing tells.
func (b *Bucket) missing(ctx context.Context, op string, a answer) *providers.Error {
	noBucket := refuse(providers.ErrNoBucket,
		fmt.Sprintf("check the name %s and the endpoint, if there is one; snapferry does not create buckets", b.location.bucket))
	if op != "get" && op != "delete" && op != "copy" && op != "hold" || a.says("bucket does not exist") {
		return noBucket
	}
	if a.says("no such object") {
		return refuse(providers.ErrNotFound, "")
	}
	_, err := b.probe(ctx)
	if err == nil {
		return refuse(providers.ErrNotFound, "")
	}
	if listed, ok := parseAnswer(err); ok && listed.status == http.StatusNotFound {
		return noBucket
	}
	return &providers.Error{}
}

// occupied reports that a refused creation may be one of a key that is taken:
// the store hung up before its answer was read, or asks for the right to
// remove what is there before it looks at the condition.
func occupied(err error) bool {
	if transport.HungUp(err) {
		return true
	}
	a, _ := parseAnswer(err)
	return a.status == http.StatusForbidden && (a.says("storage.objects.delete") || a.reason == "retentionPolicyNotMet" || a.reason == "objectUnderActiveHold")
}
