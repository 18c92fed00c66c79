package s3

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/snapferry/snapferry/internal/nearest"
	"github.com/snapferry/snapferry/providers"
)

// encryption is how the store is asked to encrypt new objects; the zero value
// leaves that to the bucket.
type encryption struct {
	algorithm types.ServerSideEncryption
	key       string // of KMS; empty: the account's own for S3
	bucketKey *bool  // nil: as the bucket says
	context   string // base64 of a JSON object
}

// set asks for it in a request.
func (e encryption) set(in *s3.PutObjectInput) {
	in.ServerSideEncryption = e.algorithm
	in.BucketKeyEnabled = e.bucketKey
	if e.key != "" {
		in.SSEKMSKeyId = aws.String(e.key)
	}
	if e.context != "" {
		in.SSEKMSEncryptionContext = aws.String(e.context)
	}
}

// setCopy asks for it in a copy.
func (e encryption) setCopy(in *s3.CopyObjectInput) {
	var put s3.PutObjectInput
	e.set(&put)
	in.ServerSideEncryption, in.BucketKeyEnabled, in.SSEKMSKeyId, in.SSEKMSEncryptionContext = put.ServerSideEncryption,
		put.BucketKeyEnabled, put.SSEKMSKeyId, put.SSEKMSEncryptionContext
}

// checkAnswer compares what an answer says with what was asked for: there are
// stores that pass over the question and store in clear.
func (e encryption) checkAnswer(key string, told types.ServerSideEncryption) error {
	if e.algorithm == "" || e.algorithm == told {
		return nil
	}
	got := "not at all"
	if told != "" {
		got = "with " + string(told)
	}
	return &providers.Error{Op: "put", Key: key,
		Err:  fmt.Errorf("%w: the object is stored, and encrypted %s where ssetype asks for %s", providers.ErrUnsupported, got, e.algorithm),
		Hint: "leave ssetype out of the URL, and encrypt backups before they leave, or use a store that knows it"}
}

func (l *location) parseEncryption(q url.Values) error {
	e := &l.encryption
	e.algorithm, e.key = types.ServerSideEncryption(q.Get("ssetype")), q.Get("kmskeyid")
	kms := q.Has("kmskeyid") || q.Has("kms_context") || q.Has("bucket_key")
	if kms && !q.Has("ssetype") {
		e.algorithm = types.ServerSideEncryptionAwsKms // nothing else has any of them
	}
	switch e.algorithm {
	case "":
		if q.Has("ssetype") {
			return l.invalid("ssetype is empty", "write ssetype=AES256 or ssetype=aws:kms, or leave it to the bucket")
		}
	case types.ServerSideEncryptionAes256:
		if kms {
			return l.invalid("ssetype=AES256 has no KMS key, context or bucket key", "write ssetype=aws:kms, or leave out kmskeyid, kms_context and bucket_key")
		}
	case types.ServerSideEncryptionAwsKms:
	case types.ServerSideEncryptionAwsKmsDsse:
		if q.Has("bucket_key") {
			return l.invalid("ssetype=aws:kms:dsse knows no bucket key", "leave out bucket_key, or write ssetype=aws:kms")
		}
	default:
		return l.invalid(fmt.Sprintf("the ssetype %q is unknown", e.algorithm), "write AES256, aws:kms or aws:kms:dsse")
	}
	if q.Has("kmskeyid") && (e.key == "" || strings.ContainsAny(e.key, " \t\r\n")) {
		return l.invalid("kmskeyid names no key", "write the ARN of the key; an alias or an id is of the account whose credentials are used")
	}
	if !q.Has("kms_context") {
		return nil
	}
	context, err := parseContext(q.Get("kms_context"))
	if err != nil {
		return l.invalid("kms_context "+err.Error(), `write kms_context=NAME=VALUE,NAME=VALUE or a JSON object of strings, percent-encoded`)
	}
	e.context = base64.StdEncoding.EncodeToString(context)
	return nil
}

// mostContext is the longest context of KMS, in bytes of JSON: 8 KiB of
// header lines hold it with all else.
const mostContext = 4096

// parseContext parses an encryption context, a JSON object of strings or
// NAME=VALUE pairs between commas, into its JSON form, sorted by name. It is
// no secret, but errors do not repeat it.
func parseContext(s string) ([]byte, error) {
	var (
		pairs map[string]string
		err   error
	)
	if strings.HasPrefix(strings.TrimSpace(s), "{") {
		pairs, err = parseJSONContext(s)
	} else {
		pairs, err = parsePairs(s)
	}
	if err != nil {
		return nil, err
	}
	if len(pairs) == 0 {
		return nil, errors.New("is empty")
	}
	for name, value := range pairs {
		if name == "" || !utf8.ValidString(name+value) {
			return nil, errors.New("has an empty name, or is not UTF-8")
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(pairs); err != nil {
		return nil, errors.New("cannot be written as JSON")
	}
	if out.Len() > mostContext {
		return nil, fmt.Errorf("has more than %d bytes", mostContext)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func parseJSONContext(s string) (map[string]string, error) {
	var pairs map[string]string
	if err := json.Unmarshal([]byte(s), &pairs); err != nil {
		return nil, errors.New("is no JSON object of strings")
	}
	return pairs, nil
}

func parsePairs(s string) (map[string]string, error) {
	pairs := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		name, value, found := strings.Cut(pair, "=")
		if _, twice := pairs[name]; !found || twice {
			return nil, errors.New("has a part that is no NAME=VALUE, or a name twice")
		}
		pairs[name] = value
	}
	return pairs, nil
}

// storageClasses are those of AWS that objects of a general purpose bucket can
// have.
func storageClasses() []string {
	return []string{"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE", "REDUCED_REDUNDANCY"}
}

// parseStorageClass takes the classes of AWS, and at an endpoint any name:
// other stores have classes of their own.
func (l *location) parseStorageClass(q url.Values) error {
	if !q.Has("storage_class") {
		return nil
	}
	class := q.Get("storage_class")
	l.storageClass = types.StorageClass(class)
	switch {
	case class == string(types.StorageClassExpressOnezone):
		return l.invalid("EXPRESS_ONEZONE is the class of directory buckets, which do not list in order", "use a general purpose bucket and another class")
	case slices.Contains(storageClasses(), class) || l.endpoint != "" && classOfOthers(class):
		return nil
	}
	hint := "write one of " + strings.Join(storageClasses(), ", ")
	if near := nearest.Word(strings.ToUpper(class), storageClasses()); near != "" {
		hint = fmt.Sprintf("did you mean %s? %s", near, hint)
	}
	return l.invalid("the storage class is unknown", hint)
}

func classOfOthers(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
