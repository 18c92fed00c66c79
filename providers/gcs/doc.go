// Package gcs keeps a vault in a bucket of Google Cloud Storage.
//
// # URL
//
//	gs://BUCKET/PREFIX
//
// PREFIX may be empty. Parameters; any other is an error:
//
//	credentials_file  a JSON file of credentials: the key of a service account,
//	                  workload identity federation, or what gcloud writes
//	impersonate       the e-mail address of a service account to act as
//	anonymous         true: requests carry no credentials
//	user_project      the project that pays, for a bucket where the requester does
//	storage_class     STANDARD, NEARLINE, COLDLINE or ARCHIVE, for data alone: what
//	                  else belongs to a backup stays in the bucket's default class
//	kms_key           projects/…/locations/…/keyRings/…/cryptoKeys/…: the key that
//	                  encrypts new objects instead of the bucket's default
//	universe_domain   of a cloud other than googleapis.com; default:
//	                  GOOGLE_CLOUD_UNIVERSE_DOMAIN
//	endpoint          HOST[:PORT] or URL of a private endpoint or an emulator;
//	                  without a scheme https. Credentials go over http to the own
//	                  machine alone
//
// Without an endpoint STORAGE_EMULATOR_HOST is honoured as Google's libraries do:
// requests go there, without credentials.
//
// # Credentials
//
// Credentials are found as every Google tool finds them (Application Default
// Credentials): GOOGLE_APPLICATION_CREDENTIALS, what `gcloud auth
// application-default login` wrote, the machine's service account. They never
// stand in the URL, and appear in no error and no log.
//
// # Permissions
//
// Writing: storage.objects.create, storage.objects.get and storage.objects.list;
// with locks storage.objects.setRetention too. Reading: storage.objects.get and
// storage.objects.list. Deleting (prune) alone needs storage.objects.delete.
// Inspecting the bucket needs storage.buckets.get, and storage.buckets.getIamPolicy
// to see who may read it. Reading lifecycle rules needs storage.buckets.get,
// writing them storage.buckets.update as well.
//
// # Limits
//
// An object is one request, at most 5 TiB; snapferry's stay far below. There are
// no resumable sessions, no composed objects and no temporary ones, so that a
// writer needs no right to delete.
//
// Google's client certificates (mTLS) are not used.
//
// The stall watchdog sees bytes as the store receives them on Linux. Elsewhere
// it sees what the system takes to send, so that a link that needs longer than
// the stall timeout for one send buffer looks stalled.
package gcs
