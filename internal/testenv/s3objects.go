package testenv

import (
	"bytes"
	"errors"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// This file reaches objects past the code under test, by the plain SDK.

// Object returns the content of an object.
func (s *S3Server) Object(bucket, key string) []byte {
	s.t.Helper()
	out, err := s.client.GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		s.t.Fatalf("get %s/%s: %v", bucket, key, err)
	}
	defer func() { _ = out.Body.Close() }() // was read
	b, err := io.ReadAll(out.Body)
	if err != nil {
		s.t.Fatalf("get %s/%s: %v", bucket, key, err)
	}
	return b
}

// Head returns what the store tells of an object.
func (s *S3Server) Head(bucket, key string) *s3.HeadObjectOutput {
	s.t.Helper()
	out, err := s.client.HeadObject(s.t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		s.t.Fatalf("head %s/%s: %v", bucket, key, err)
	}
	return out
}

// SetObject creates or overwrites an object.
func (s *S3Server) SetObject(bucket, key string, content []byte) {
	s.t.Helper()
	_, err := s.client.PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(content)})
	if err != nil {
		s.t.Fatalf("put %s/%s: %v", bucket, key, err)
	}
}

// RemoveObject removes an object; in a versioned bucket it puts a delete
// marker before its versions.
func (s *S3Server) RemoveObject(bucket, key string) {
	s.t.Helper()
	if _, err := s.client.DeleteObject(s.t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		s.t.Fatalf("delete %s/%s: %v", bucket, key, err)
	}
}

// RemoveVersion tries to remove one version for good and returns the code
// with which the store refuses it, or nothing.
func (s *S3Server) RemoveVersion(bucket, key, version string) string {
	s.t.Helper()
	_, err := s.client.DeleteObject(s.t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &key, VersionId: &version})
	if err == nil {
		return ""
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		s.t.Fatalf("delete %s/%s: %v", bucket, key, err)
	}
	return api.ErrorCode()
}

// SetPolicy gives a bucket a policy, as JSON, or returns why the store does
// not take it.
func (s *S3Server) SetPolicy(bucket, policy string) error {
	_, err := s.client.PutBucketPolicy(s.t.Context(), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy})
	return err
}

// Keys returns the keys of all objects of a bucket, sorted.
func (s *S3Server) Keys(bucket string) []string {
	s.t.Helper()
	var out []string
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.t.Context())
		if err != nil {
			s.t.Fatalf("list %s: %v", bucket, err)
		}
		for _, o := range page.Contents {
			out = append(out, aws.ToString(o.Key))
		}
	}
	return out
}
