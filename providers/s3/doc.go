// Package s3 keeps a vault in a bucket of Amazon S3 or of a store that speaks
// its protocol.
//
// # URL
//
//	s3://BUCKET/PREFIX?region=eu-west-1
//
// PREFIX may be empty. Parameters; any other is an error:
//
//	region            the bucket's region; default: AWS_REGION or the profile's.
//	                  With an endpoint it may be left out: us-east-1
//	endpoint          HOST[:PORT] or URL of another store; without a scheme https
//	use_path_style    true: BUCKET goes into the path instead of the host name;
//	                  default: true with an endpoint, else false. The older name
//	                  s3ForcePathStyle is known too
//	profile           a profile of the AWS configuration files
//	role              the ARN of a role to assume
//	anonymous         true: requests are not signed
//	disable_https     true: plain http; the content is as safe as its encryption
//
// # Credentials
//
// Credentials are found as every AWS tool finds them: environment, profile,
// web identity, the container's or the machine's role. They never stand in the
// URL, and appear in no error and no log.
//
// # Permissions
//
// Writing: s3:PutObject and s3:GetObject below PREFIX, s3:ListBucket on the
// bucket (its prefix may be limited to PREFIX). With SSE-KMS also
// kms:GenerateDataKey and kms:Decrypt. Deleting (prune) alone needs
// s3:DeleteObject; in a versioned bucket it leaves a delete marker.
//
// # Limits
//
// An object is one PUT, at most 5 GiB; snapferry's stay far below. The store
// must honour If-None-Match: * (S3 since 2024, MinIO, Ceph, R2 and versitygw do),
// since nothing else keeps two writers apart, must list keys in byte order
// (directory buckets do not), and must verify x-amz-content-sha256 for a
// checksum from end to end.
//
// The stall watchdog sees bytes as the store receives them on Linux. Elsewhere
// it sees what the system takes to send, so that a link that needs longer than
// the stall timeout for one send buffer looks stalled.
package s3
