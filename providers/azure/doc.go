// Package azure keeps a vault in a container of Azure Blob Storage or of a
// store that speaks its protocol.
//
// # URL
//
//	azblob://CONTAINER/PREFIX?storage_account=ACCOUNT
//
// The spelling is that of gocloud.dev. PREFIX may be empty. Parameters; any
// other is an error:
//
//	storage_account   the account; default: AZURE_STORAGE_ACCOUNT, or that of a
//	                  connection string
//	domain            where accounts live; default: AZURE_STORAGE_DOMAIN, else
//	                  blob.core.windows.net. Sovereign clouds have their own, such
//	                  as blob.core.chinacloudapi.cn
//	protocol          https (the default) or http; default: AZURE_STORAGE_PROTOCOL
//	cdn               true: the account is no part of the host's name;
//	                  default: AZURE_STORAGE_IS_CDN
//	localemu          true: the account goes into the path, as emulators want it;
//	                  default: AZURE_STORAGE_IS_LOCAL_EMULATOR, or that the domain
//	                  is 127.0.0.1 or localhost
//	endpoint          the URL of the service as a whole, in the place of the four
//	                  before it
//	access_tier       Hot, Cool, Cold or Archive for bulk data; all else stays in
//	                  the account's default tier. What is in Archive can be listed,
//	                  but neither read nor verified before it is rehydrated
//	encryption_scope  the encryption scope of new objects
//	anonymous         true: requests carry no credentials
//	subscription, resource_group
//	                  the id of the subscription and the resource group the account
//	                  is in; lifecycle rules need both, all else neither
//
// # Credentials
//
// Credentials come from the environment, in the order of gocloud.dev: an
// account key (AZURE_STORAGE_ACCOUNT or the URL's storage_account, with
// AZURE_STORAGE_KEY), a shared access signature (AZURE_STORAGE_SAS_TOKEN), a
// connection string (AZURE_STORAGE_CONNECTION_STRING), else Microsoft Entra ID
// as azidentity.DefaultAzureCredential finds it: AZURE_CLIENT_ID and its like,
// workload identity, managed identity, the command line tools. They never stand
// in the URL, and appear in no error and no log. A shared access signature is
// sent to nobody the environment does not name: with one, the URL may not move
// the service.
//
// # Permissions
//
// Writing: the data actions blobs/add/action, which creates and cannot replace,
// and blobs/read. Deleting (prune) alone needs blobs/delete; in an account with
// versioning it leaves the version. A shared access signature needs the
// permissions r, c and l (d to delete) on the container. Lifecycle rules need
// Microsoft Entra ID, whatever credentials the container takes, and the actions
// managementPolicies/read, write and delete on the storage account.
//
// # Limits
//
// An object is one Put Blob, at most 5,000 MiB; snapferry's stay far below. The
// store must honour If-None-Match: * and list names in byte order, which
// accounts with a hierarchical namespace do not. Blobs that somebody took
// snapshots of are not deleted.
package azure
