package s3

import (
	"encoding/json"
	"strings"
)

// statement is one of a policy document, its members in the order in which
// they are read.
type statement struct {
	Sid       string
	Effect    string
	Principal string
	Action    []string
	Resource  []string
	Condition map[string]map[string]string
}

// OverwritePolicy returns a bucket policy, as JSON, that refuses every upload
// below prefix without If-None-Match, for which S3 takes the value * alone: so
// that nobody replaces an object, whatever else they may. It refuses
// multipart uploads and copies, too.
func (b *Bucket) OverwritePolicy(prefix string) string {
	resource := "arn:" + partition(b.client.Options().Region) + ":s3:::" + b.bucket + "/*"
	if prefix != "" {
		resource = strings.TrimSuffix(resource, "*") + prefix + "/*"
	}
	out, _ := json.MarshalIndent(struct { // strings always marshal
		Version   string
		Statement []statement
	}{"2012-10-17", []statement{{
		Sid: "CreateOnly", Effect: "Deny", Principal: "*", Action: []string{"s3:PutObject"}, Resource: []string{resource},
		Condition: map[string]map[string]string{"Null": {"s3:if-none-match": "true"}},
	}}}, "", "  ")
	return string(out)
}

// partition is the part of AWS a region is in.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
