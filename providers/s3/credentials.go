package s3

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// renewBefore is how long before their end credentials are renewed. Sessions
// last 15 minutes at least, and no request takes as long.
const renewBefore = 5 * time.Minute

func renewEarly(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = renewBefore }

// assume makes cfg use the credentials of a role, which those it has assume.
func (r role) assume(cfg *aws.Config) {
	cfg.Credentials = stscreds.NewAssumeRoleProvider(sts.NewFromConfig(*cfg), r.arn, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "snapferry"
		if r.session != "" {
			o.RoleSessionName = r.session
		}
		if r.externalID != "" {
			o.ExternalID = aws.String(r.externalID)
		}
	})
}

// renewable keeps credentials, renews them before they end, and marks the
// failures of their source, which the SDK reports like any other.
type renewable struct {
	cache *aws.CredentialsCache

	mu    sync.Mutex      // guards what follows
	last  aws.Credentials // what was signed with
	ended string          // the session that was forgotten last
}

func newRenewable(source aws.CredentialsProvider) *renewable {
	cache, ok := source.(*aws.CredentialsCache) // the SDK's own
	if !ok {
		cache = aws.NewCredentialsCache(source, renewEarly)
	}
	return &renewable{cache: cache}
}

// Retrieve returns credentials to sign with.
func (r *renewable) Retrieve(ctx context.Context) (aws.Credentials, error) {
	v, err := r.cache.Retrieve(ctx)
	if err != nil {
		return v, &credentialsError{err}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = v
	return v, nil
}

// renew forgets the session a request was refused for, so that the next
// request gets another. It reports whether there can be another.
func (r *renewable) renew(refused error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.CanExpire {
		return false
	}
	// Many requests learn it at once; the first alone forgets the session.
	if session := sessionOf(refused); session == "" || session != r.ended {
		r.ended = session
		r.cache.Invalidate()
	}
	return true
}

type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// renewOnce is the SDK's retryer. It tries nothing again, which is for the
// decorator around the bucket, but a request whose session the store calls
// expired before its time: once, with a new session if there is one to get.
type renewOnce struct {
	aws.NopRetryer
	credentials *renewable
}

// MaxAttempts is one, and one with new credentials.
func (r renewOnce) MaxAttempts() int { return 2 }

// RetryDelay is none.
func (r renewOnce) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

// IsErrorRetryable reports whether a session has ended and there may be another.
func (r renewOnce) IsErrorRetryable(err error) bool {
	if _, ok := errors.AsType[*credentialsError](err); ok {
		return false // of the source of credentials, which has tried again itself
	}
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && sessionEnded(api.ErrorCode()) && r.credentials.renew(err)
}

func sessionEnded(code string) bool {
	return code == "ExpiredToken" || code == "ExpiredTokenException" || code == "TokenRefreshRequired"
}

// sessionOf returns the session token a refused request was sent with, or
// nothing.
func sessionOf(err error) string {
	re, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok {
		return ""
	}
	if r := re.HTTPResponse(); r != nil && r.Response != nil && r.Request != nil {
		return r.Request.Header.Get("X-Amz-Security-Token")
	}
	return ""
}
