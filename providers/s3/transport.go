package s3

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/snapferry/snapferry/providers/internal/transport"
)

// newTransport makes a pool for n transfers at once.
func newTransport(cfg aws.Config, n int) *http.Transport {
	// The SDK's own client knows the certificates of AWS_CA_BUNDLE.
	builder, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		builder = awshttp.NewBuildableClient()
	}
	t := builder.GetTransport()
	transport.Tune(t, n)
	return t
}
