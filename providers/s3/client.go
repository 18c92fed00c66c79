package s3

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"gocloud.dev/blob/s3blob"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/internal/transport"
)

// Open is the providers.Opener of s3 URLs. It reads the AWS configuration but
// sends nothing: a bucket that is missing or refuses shows with the first
// operation.
func Open(ctx context.Context, u *url.URL, o providers.Options) (providers.Bucket, string, error) {
	l, err := parse(u)
	if err != nil {
		return nil, "", err
	}
	b, err := newBucket(ctx, l, o)
	if err != nil {
		return nil, "", err
	}
	return b, l.prefix, nil
}

func newBucket(ctx context.Context, l location, o providers.Options) (*Bucket, error) {
	cfg, err := loadConfig(ctx, l)
	if err != nil {
		return nil, err
	}
	pool := newTransport(cfg, o.Connections)
	var rt http.RoundTripper = pool
	if o.Transport != nil {
		rt = o.Transport(rt)
	}
	httpClient := &http.Client{Transport: transport.Observe(rt),
		// A redirect names another region; it is reported, not followed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if l.role.arn != "" {
		l.role.assume(&cfg)
	}
	client := s3.NewFromConfig(cfg, func(so *s3.Options) {
		so.HTTPClient = httpClient
		l.apply(so)
		if so.Credentials != nil && !l.anonymous {
			credentials := newRenewable(cfg.Credentials)
			so.Credentials, so.Retryer = credentials, renewOnce{credentials: credentials}
		}
		name, version, _ := strings.Cut(userAgent(o), "/")
		so.APIOptions = append(so.APIOptions, awsmiddleware.AddUserAgentKeyValue(name, version))
	})
	if client.Options().BaseEndpoint != nil && (l.fips || l.dualstack || l.accelerate) {
		return nil, l.invalid("fips, dualstack and accelerate choose an address of AWS, and AWS_ENDPOINT_URL or the profile names another",
			"unset AWS_ENDPOINT_URL, or leave them out")
	}
	lister, err := s3blob.OpenBucket(ctx, client, l.bucket, nil)
	if err != nil {
		return nil, &providers.Error{Op: "open", Key: l.raw, Err: err}
	}
	return &Bucket{location: l, attributes: o.AttributesOf, client: client, lister: lister, idle: pool}, nil
}

func userAgent(o providers.Options) string {
	if o.UserAgent == "" {
		return "snapferry"
	}
	return o.UserAgent
}

func loadConfig(ctx context.Context, l location) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{}), config.WithCredentialsCacheOptions(renewEarly)}
	if l.region != "" {
		options = append(options, config.WithRegion(l.region))
	}
	if l.profile != "" {
		options = append(options, config.WithSharedConfigProfile(l.profile))
	}
	if l.fips {
		options = append(options, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled)) // of STS, too
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return cfg, credentialsFailed("open", l.raw, missing.Profile+" is no profile of the AWS configuration files",
			"check profile= and AWS_PROFILE; `aws configure list-profiles` shows what there is")
	}
	if err != nil {
		return cfg, credentialsFailed("open", l.raw, "load the AWS configuration: "+providers.Scrub(err.Error()), "check the files in ~/.aws and the AWS_* variables")
	}
	if l.anonymous {
		cfg.Credentials = aws.AnonymousCredentials{}
	}
	if cfg.Region == "" {
		if l.endpoint == "" && cfg.BaseEndpoint == nil {
			return cfg, l.invalid("the bucket's region is not known", "add ?region=REGION to the URL, or set AWS_REGION")
		}
		cfg.Region = defaultRegion
	}
	return cfg, nil
}

// apply sets what the URL says. It runs after the SDK has resolved its own
// settings, among them AWS_ENDPOINT_URL.
func (l *location) apply(o *s3.Options) {
	if l.endpoint != "" {
		o.BaseEndpoint = aws.String(l.endpoint)
	}
	o.UsePathStyle = o.BaseEndpoint != nil
	if l.pathStyle != nil {
		o.UsePathStyle = *l.pathStyle
	}
	o.EndpointOptions.DisableHTTPS = l.plainHTTP
	o.UseAccelerate = l.accelerate
	if l.dualstack {
		o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
	}
	if l.requesterPays {
		o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("X-Amz-Request-Payer", string(types.RequestPayerRequester)))
	}
	// One place retries, logs and counts: the decorator around this bucket.
	o.Retryer = aws.NopRetryer{}
	// The SHA-256 of a body is known; the SDK has nothing to compute.
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.DisableLogOutputChecksumValidationSkipped = true
}
