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
//	disable_https     true: plain http; the content is as safe as its encryption
//	profile           a profile of the AWS configuration files
//	role              the ARN of a role to assume; role_session names its
//	                  sessions, external_id is what its owner demands
//	anonymous         true: requests are not signed
//	fips, dualstack, accelerate
//	                  true: other addresses of AWS
//	requester_pays    true: every request agrees to pay
//	ssetype           AES256, aws:kms or aws:kms:dsse; default: as the bucket says
//	kmskeyid          the KMS key; alone it means ssetype=aws:kms
//	bucket_key        true or false: use an S3 Bucket Key
//	kms_context       NAME=VALUE,NAME=VALUE or a JSON object of strings
//	storage_class     the class of data, Attributes.Bulk, alone
//
// # Credentials
//
// Credentials are found as every AWS tool finds them: environment, profile,
// web identity, the container's or the machine's role. They never stand in the
// URL, and appear in no error and no log. A session the store calls expired is
// renewed and its request sent once more, where it can be renewed.
//
// # Permissions
//
// Writing: s3:PutObject and s3:GetObject below PREFIX, s3:ListBucket on the
// bucket (its prefix may be limited to PREFIX). With SSE-KMS also
// kms:GenerateDataKey and kms:Decrypt. Deleting (prune) alone needs
// s3:DeleteObject; in a versioned bucket it leaves a delete marker. Locks need
// s3:PutObjectRetention, reading them s3:GetObjectRetention; old versions need
// s3:ListBucketVersions and s3:GetObjectVersion. Reading lifecycle rules needs
// s3:GetLifecycleConfiguration, writing them s3:PutLifecycleConfiguration.
// docs/vaults.md has policies.
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
