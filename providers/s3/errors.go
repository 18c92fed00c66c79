package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// answer is the part of a store's refusal that decides what it means.
type answer struct {
	code, message string
	status        int
	header        http.Header // of the answer; never nil
	signedAt      string      // X-Amz-Date of the request
	requestID     string
	operation     string // as the SDK calls it
}

// explain turns an error of the SDK into one of ours; nil stays nil. It keeps
// the text short and free of URLs and headers, and wraps no context error that
// is not the caller's, which would look like the end of all trying.
func (b *Bucket) explain(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	if cerr := ctx.Err(); cerr != nil {
		return &providers.Error{Op: op, Key: key, Err: cerr}
	}
	a, answered := parseAnswer(err)
	if c, ok := errors.AsType[*credentialsError](err); ok {
		return b.explainCredentials(op, key, c.err, a)
	}
	if !answered {
		return &providers.Error{Op: op, Key: key, Err: transport.Unreachable(err)}
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

func parseAnswer(err error) (answer, bool) {
	a := answer{header: http.Header{}}
	api, hasCode := errors.AsType[smithy.APIError](err)
	if hasCode {
		a.code, a.message = api.ErrorCode(), api.ErrorMessage()
	}
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		a.operation = op.OperationName
	}
	re, hasStatus := errors.AsType[*awshttp.ResponseError](err)
	if hasStatus {
		a.status, a.requestID = re.HTTPStatusCode(), re.ServiceRequestID()
		if r := re.HTTPResponse(); r != nil && r.Response != nil {
			a.header = r.Header
			if r.Request != nil {
				a.signedAt = r.Request.Header.Get("X-Amz-Date")
			}
		}
	}
	// An answer of 2xx that could not be read is a fault on the way.
	return a, hasCode || hasStatus && a.status >= 300
}

func (a answer) text() string {
	s := providers.Scrub(a.code)
	if s == "" {
		s = "no reason given"
	}
	if m := strings.TrimSpace(a.message); m != "" && m != a.code {
		s += ": " + providers.Scrub(m)
	}
	s += fmt.Sprintf(" (HTTP status %d", a.status)
	if a.requestID != "" {
		s += ", request " + providers.Scrub(a.requestID)
	}
	return s + ")"
}

// classify finds the sentinel and the hint of a refusal; without a sentinel it
// is a passing fault.
func (b *Bucket) classify(op string, a answer) *providers.Error {
	switch a.code {
	case "PreconditionFailed":
		return refuse(creates(op), providers.ErrExists, "")
	case "ConditionalRequestConflict", "OperationAborted":
		// Another writer of this key is at work; the next answer is definite.
		return &providers.Error{}
	case "NoSuchKey", "NoSuchVersion":
		return refuse(true, providers.ErrNotFound, "")
	case "NoSuchBucket":
		return refuse(true, providers.ErrNoBucket, fmt.Sprintf("check the name %s, the region and the account; snapferry does not create buckets", b.bucket))
	case "InvalidRange":
		return refuse(true, providers.ErrRange, "")
	case "InvalidAccessKeyId", "XAdminUserNotFound", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity":
		return refuse(true, providers.ErrCredentials,
			"check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or the profile; they may belong to another account or store")
	case "ExpiredToken", "TokenRefreshRequired", "ExpiredTokenException":
		return refuse(true, providers.ErrCredentials, "the session has expired: sign in again, or use a role that renews itself")
	case "RequestTimeTooSkewed":
		return refuse(true, clocks(a), "set this machine's clock, for instance with chrony or systemd-timesyncd")
	case "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InvalidDigest":
		return refuse(true, providers.ErrChecksum, "")
	case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return b.wrongRegion(a)
	case "QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "XMinioAdminBucketQuotaExceeded", "AdminBucketQuotaExceeded":
		return refuse(true, providers.ErrNoSpace, "free space in the store or raise its quota, then run the same command again: what is stored already is kept")
	case "NotImplemented", "EntityTooLarge", "MethodNotAllowed":
		return refuse(true, providers.ErrUnsupported, "the store must take single PUT requests with If-None-Match; see its documentation")
	case "ExistingObjectIsDirectory", "ObjectParentIsFile", "XMinioObjectExistsAsDirectory", "XMinioParentIsObject":
		return refuse(true, providers.ErrUnsupported,
			"this store cannot hold both an object and objects below its name: choose another prefix or series name")
	case "InvalidObjectState", "ObjectNotInActiveTierError":
		return refuse(true, providers.ErrFrozen, "snapferry restore --thaw asks the store for it, as does verify --deep --thaw")
	case "RequestTimeout", "InternalError":
		return &providers.Error{}
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "Throttling", "ThrottlingException", "ThrottledException",
		"RequestThrottled", "RequestLimitExceeded", "TooManyRequests", "TooManyRequestsException", "BandwidthLimitExceeded", "KMS.ThrottlingException":
		return refuse(true, providers.ErrThrottled, "")
	}
	if e := b.classifyRequest(a); e != nil {
		return e
	}
	return b.classifyStatus(op, a)
}

// classifyRequest finds what is wrong with what a request asks for beside its
// content, a storage class, a key of KMS or a lock, for which there are few
// codes and many texts; nil is none of that.
func (b *Bucket) classifyRequest(a answer) *providers.Error {
	text := strings.ToLower(a.message)
	switch {
	case a.code == "InvalidStorageClass":
		return refuse(true, providers.ErrUnsupported, "this store does not have that storage class: change storage_class in the URL, or leave it out")
	case a.code == "KMS.NotFoundException", a.code == "KMS.InvalidArnException":
		return refuse(true, fmt.Errorf("%w: there is no such KMS key", providers.ErrInvalidURL),
			"check kmskeyid in the URL, or the key in the bucket's default encryption: it must be in the bucket's region, and of another account it must be an ARN")
	case a.code == "KMS.KMSInternalException", a.code == "KMS.DependencyTimeoutException":
		return &providers.Error{}
	case strings.HasPrefix(a.code, "KMS."):
		return refuse(true, providers.ErrDenied, "the KMS key cannot be used: enable it, cancel its deletion, or name another with kmskeyid")
	case a.status == http.StatusForbidden && (strings.Contains(text, "kms:") || strings.Contains(text, "kms key")):
		return refuse(true, providers.ErrDenied, "allow kms:GenerateDataKey and kms:Decrypt to the identity in use, in its policy and in the policy of the key")
	case a.status < http.StatusBadRequest || a.status >= http.StatusInternalServerError && a.status != http.StatusNotImplemented:
		return nil
	case strings.Contains(text, "object lock") || strings.Contains(text, "objectlock") || strings.Contains(text, "retain until"):
		return refuse(true, providers.ErrUnsupported, lockHint)
	case strings.Contains(text, "kms") || strings.Contains(text, "encryption"):
		return refuse(true, providers.ErrUnsupported, "check ssetype, kmskeyid and kms_context in the URL against what the store and the key take")
	}
	return nil
}

// classifyStatus judges answers without a known code: of HEAD requests,
// proxies, and stores with codes of their own.
func (b *Bucket) classifyStatus(op string, a answer) *providers.Error {
	switch a.status {
	case http.StatusPreconditionFailed:
		return refuse(creates(op), providers.ErrExists, "")
	case http.StatusUnauthorized, http.StatusForbidden:
		return refuse(true, providers.ErrDenied, permissionHint(a.operation))
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return refuse(true, providers.ErrThrottled, "")
	case http.StatusNotFound:
		// S3 always says what it has not found. To take the page of a wrong
		// server for a missing key would make backups vanish.
		return refuse(a.code == "" || strings.ReplaceAll(http.StatusText(a.status), " ", "") == a.code, providers.ErrNoBucket,
			"check the endpoint: what answers is no S3 store, or none that knows the bucket")
	case http.StatusRequestedRangeNotSatisfiable:
		return refuse(true, providers.ErrRange, "")
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return b.wrongRegion(a)
	case http.StatusNotImplemented, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge:
		return refuse(true, providers.ErrUnsupported, "check that the endpoint is that of an S3 store")
	case http.StatusInsufficientStorage:
		return refuse(true, providers.ErrNoSpace, "free space in the store, then run the same command again: what is stored already is kept")
	}
	return &providers.Error{}
}

// creates reports whether an operation makes an object that must not be there.
func creates(op string) bool { return op == "put" || op == "copy" }

func refuse(definite bool, sentinel error, hint string) *providers.Error {
	if !definite {
		return &providers.Error{Hint: hint}
	}
	return &providers.Error{Err: sentinel, Hint: hint}
}

// permissionHint names the permission of an operation of the SDK. Most are
// called like it.
func permissionHint(operation string) string {
	action, named := map[string]string{
		"ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket", "ListObjectVersions": "ListBucketVersions", "HeadObject": "GetObject",
		"GetObjectLockConfiguration": "GetBucketObjectLockConfiguration", "GetBucketEncryption": "GetEncryptionConfiguration",
		"GetPublicAccessBlock": "GetBucketPublicAccessBlock", "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
		"PutBucketLifecycleConfiguration": "PutLifecycleConfiguration", "DeleteBucketLifecycle": "PutLifecycleConfiguration",
		"PutObject":  "PutObject (and s3:PutObjectRetention for a locked vault)",
		"CopyObject": "GetObject and s3:PutObject", "GetObjectLegalHold": "GetObjectLegalHold", "PutObjectLegalHold": "PutObjectLegalHold",
		"GetObject": "GetObject (and s3:GetObjectVersion for older versions)",
	}[operation]
	if !named {
		action = operation
	}
	return "allow s3:" + action + " to the identity in use, in its policy and the bucket's, and the use of the bucket's KMS key if it has one"
}

// isCode reports whether the store answered with one of the codes.
func isCode(err error, codes ...string) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(codes, api.ErrorCode())
}

// wrongRegion is permanent; the store tells the right region in a header or
// in its text.
func (b *Bucket) wrongRegion(a answer) *providers.Error {
	hint := "name the bucket's region with ?region=, or the right endpoint with ?endpoint="
	region := a.header.Get("X-Amz-Bucket-Region")
	if region == "" {
		if m := expectedRegion.FindStringSubmatch(a.message); m != nil {
			region = m[1]
		}
	}
	if regionName.MatchString(region) {
		hint = "the bucket is in " + region + ": write ?region=" + region
	}
	return refuse(true, fmt.Errorf("%w: the bucket %s is in another region", providers.ErrInvalidURL, b.bucket), hint)
}

var (
	expectedRegion = regexp.MustCompile(`expecting '([a-z0-9-]+)'`)
	regionName     = regexp.MustCompile(`^[a-z0-9-]{2,40}$`)
)

func clocks(a answer) error {
	if server := a.header.Get("Date"); server != "" && a.signedAt != "" {
		return fmt.Errorf("%w: here %s, there %s", providers.ErrClockSkew, a.signedAt, server)
	}
	return providers.ErrClockSkew
}

// explainCredentials tells a source of credentials that has none from one
// that cannot be reached for the moment.
func (b *Bucket) explainCredentials(op, key string, err error, a answer) error {
	text := providers.Scrub(err.Error())
	if a.status >= 500 || a.status == http.StatusTooManyRequests {
		return &providers.Error{Op: op, Key: key, Err: errors.New("get credentials: " + text)}
	}
	return credentialsFailed(op, key, text,
		"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with ?profile=, or give the machine a role; ?anonymous=true for a public bucket")
}

func credentialsFailed(op, key, reason, hint string) error {
	return &providers.Error{Op: op, Key: key, Err: fmt.Errorf("%w: %s", providers.ErrCredentials, reason), Hint: hint}
}
