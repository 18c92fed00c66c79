package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

const (
	readRules  = "read rules"
	writeRules = "write rules"

	// maxRules bounds a document. S3 has at most 1,000 rules, which is far less.
	maxRules = 8 << 20
)

// Rules reads the lifecycle configuration of the bucket. The SDK's types drop
// what they do not know; so the document is what came over the wire.
func (b *Bucket) Rules(ctx context.Context) (providers.RulesDocument, error) {
	doc := b.rulesDocument()
	if err := ctx.Err(); err != nil {
		return doc, &providers.Error{Op: readRules, Key: b.bucket, Err: err}
	}
	var body []byte
	out, err := b.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &b.bucket}, keepAnswer(&body))
	if isCode(err, "NoSuchLifecycleConfiguration") {
		return doc, nil
	}
	if err != nil {
		return doc, b.explainRules(ctx, readRules, err)
	}
	if err := checkConfiguration(body); err != nil {
		return doc, &providers.Error{Op: readRules, Key: b.bucket, Err: err, Hint: noRulesHint}
	}
	doc.Body, doc.Header = body, string(out.TransitionDefaultMinimumObjectSize)
	return doc, nil
}

// SetRules replaces the lifecycle configuration of the bucket, or removes it
// if there is no document. S3 has no condition for that.
func (b *Bucket) SetRules(ctx context.Context, doc providers.RulesDocument) error {
	if err := ctx.Err(); err != nil {
		return &providers.Error{Op: writeRules, Key: b.bucket, Err: err}
	}
	if doc.Body == nil {
		_, err := b.client.DeleteBucketLifecycle(ctx, &s3.DeleteBucketLifecycleInput{Bucket: &b.bucket})
		return b.explainRules(ctx, writeRules, err)
	}
	sum := sha256.Sum256(doc.Body)
	in := &s3.PutBucketLifecycleConfigurationInput{Bucket: &b.bucket, ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		TransitionDefaultMinimumObjectSize: types.TransitionDefaultMinimumObjectSize(doc.Header)}
	_, err := b.client.PutBucketLifecycleConfiguration(ctx, in, b.sendBody(doc.Body, sum), knownPayload(sum[:]))
	return b.explainRules(ctx, writeRules, err)
}

// rulesDocument is a document without rules.
func (b *Bucket) rulesDocument() providers.RulesDocument {
	doc := providers.RulesDocument{Store: lifecycle.S3, Scope: "bucket " + b.bucket}
	if b.compatible() {
		doc.Store = lifecycle.S3Compatible
	}
	return doc
}

// compatible reports that somebody named the address of the store. It may be
// another one of AWS; but only the addresses that the SDK itself finds are
// sure to be.
func (b *Bucket) compatible() bool { return b.client.Options().BaseEndpoint != nil }

// keepAnswer stores the body of a good answer as it comes, before the SDK reads
// it.
func keepAnswer(body *[]byte) func(*s3.Options) {
	step := middleware.DeserializeMiddlewareFunc("KeepAnswer", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		answer, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok || answer.StatusCode != http.StatusOK {
			return out, metadata, err
		}
		got, err := io.ReadAll(io.LimitReader(answer.Body, maxRules+1))
		_ = answer.Body.Close() // was read
		if err == nil && len(got) > maxRules {
			err = errors.New("the document of rules is too large")
		}
		if err != nil {
			return out, metadata, fmt.Errorf("read the rules: %w", err)
		}
		*body = got
		answer.Body = io.NopCloser(bytes.NewReader(got))
		return out, metadata, nil
	})
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Deserialize.Add(step, middleware.After) // next to the wire
		})
	}
}

// sendBody puts body in the place of what the SDK has made of its types. S3
// wants one checksum of it, and has the one it is signed with; stores that are
// older than that insist on another.
func (b *Bucket) sendBody(body []byte, sum [sha256.Size]byte) func(*s3.Options) {
	step := middleware.SerializeMiddlewareFunc("SendBody", func(
		ctx context.Context, in middleware.SerializeInput, next middleware.SerializeHandler,
	) (middleware.SerializeOutput, middleware.Metadata, error) {
		request, ok := in.Request.(*smithyhttp.Request)
		if !ok {
			return middleware.SerializeOutput{}, middleware.Metadata{}, fmt.Errorf("unexpected request %T", in.Request)
		}
		request, err := request.SetStream(bytes.NewReader(body))
		if err != nil {
			return middleware.SerializeOutput{}, middleware.Metadata{}, err
		}
		request.Header.Set("Content-Type", "application/xml")
		request.Header.Set("X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(sum[:]))
		if b.compatible() {
			older := md5.Sum(body)
			request.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(older[:]))
		}
		in.Request = request
		return next.HandleSerialize(ctx, in)
	})
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Serialize.Add(step, middleware.After)
		})
	}
}

const noRulesHint = "this store has no lifecycle rules: remove old backups with `snapferry prune`, or use another store"

// checkConfiguration refuses what is no lifecycle configuration: the answer of
// a proxy, or of a store that passes over the question. To take it for one
// would make somebody write it back.
func checkConfiguration(body []byte) error {
	var root struct{ XMLName xml.Name }
	if err := xml.Unmarshal(body, &root); err != nil {
		return errors.New("the answer is no XML, or not all of it")
	}
	if root.XMLName.Local != "LifecycleConfiguration" {
		return fmt.Errorf("%w: the answer is a %s and no LifecycleConfiguration", providers.ErrUnsupported, providers.Scrub(root.XMLName.Local))
	}
	return nil
}

// explainRules is explain for what is different with rules: a store without
// them, and a document that it does not take.
func (b *Bucket) explainRules(ctx context.Context, op string, err error) error {
	a, _ := parseAnswer(err)
	err = b.explain(ctx, op, b.bucket, err)
	e, ok := errors.AsType[*providers.Error](err)
	if !ok || ctx.Err() != nil {
		return err
	}
	switch {
	case a.status == http.StatusNotImplemented || a.status == http.StatusMethodNotAllowed:
		e.Hint = noRulesHint
	case op == writeRules && slices.Contains(refusedDocument(), a.code):
		e.Err = fmt.Errorf("%w: %s", providers.ErrUnsupported, a.text())
		e.Hint = "the store does not take the rules as they are, and keeps those it had: its words say which part it refuses"
	}
	return e
}

// refusedDocument are the answers to rules that a store does not take.
func refusedDocument() []string {
	return []string{"MalformedXML", "InvalidArgument", "InvalidRequest", "InvalidStorageClass", "EntityTooLarge"}
}
