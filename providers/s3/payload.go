package s3

import (
	"context"
	"encoding/hex"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// knownPayload signs a request with a hash that is known, where the SDK would
// read the whole body to compute it, or, over TLS, sign none. It takes the
// place of the SDK's step: a hash set on the context of the call would be
// cleared before that step looks for it.
func knownPayload(sum []byte) func(*s3.Options) {
	step := middleware.FinalizeMiddlewareFunc(computePayloadHash, func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		return next.HandleFinalize(v4.SetPayloadHash(ctx, hex.EncodeToString(sum)), in)
	})
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			_, err := stack.Finalize.Swap(computePayloadHash, step)
			return err
		})
	}
}

// computePayloadHash is the name of the SDK's step.
const computePayloadHash = "ComputePayloadHash"
