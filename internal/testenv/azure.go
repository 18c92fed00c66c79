package testenv

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
)

// The account every emulator knows. Its key is public.
const (
	azureAccount = "devstoreaccount1"
	azureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// AzureServer is an Azurite process that keeps everything in memory.
type AzureServer struct {
	Endpoint string // http://127.0.0.1:PORT/ACCOUNT
	Account  string
	Key      string

	t      testing.TB
	client *azblob.Client
}

// Azure starts an Azure Blob Storage emulator on a free loopback port. It
// answers when Azure returns and is killed at the end of the test. Any number
// can run at once.
func Azure(t testing.TB) *AzureServer {
	t.Helper()
	// The SDK is newer than the emulator's list of versions.
	endpoint := startServer(t, Tool(t, "azurite-blob"), nil, func(host, port string) []string {
		return []string{"--skipApiVersionCheck", "--silent", "--disableTelemetry", "--inMemoryPersistence",
			"--extentMemoryLimit", "4096", "--blobHost", host, "--blobPort", port}
	})
	s := &AzureServer{Account: azureAccount, Key: azureKey, Endpoint: endpoint + "/" + azureAccount, t: t}
	credential, err := azblob.NewSharedKeyCredential(s.Account, s.Key)
	if err != nil {
		t.Fatal(err)
	}
	if s.client, err = azblob.NewClientWithSharedKeyCredential(s.Endpoint, credential, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// MakeBucket creates a container of at least three characters.
func (s *AzureServer) MakeBucket(name string) {
	s.t.Helper()
	if _, err := s.client.CreateContainer(context.Background(), name, nil); err != nil {
		s.t.Fatal(err)
	}
}

// RemoveBucket removes a container with all that is in it.
func (s *AzureServer) RemoveBucket(name string) {
	s.t.Helper()
	if _, err := s.client.DeleteContainer(context.Background(), name, nil); err != nil {
		s.t.Fatal(err)
	}
}

// URL returns the vault URL of a prefix, which may be empty, in a container.
func (s *AzureServer) URL(container, prefix string) string {
	u := url.URL{Scheme: "azblob", Host: container, Path: "/" + prefix,
		RawQuery: url.Values{"endpoint": {s.Endpoint}, "storage_account": {s.Account}}.Encode()}
	return u.String()
}

// Env returns the AZURE_* variables with which programs use the server, and
// which keep them from the configuration of the user who runs the test.
func (s *AzureServer) Env() []string {
	return append(AzureNoEnv(), "AZURE_STORAGE_ACCOUNT="+s.Account, "AZURE_STORAGE_KEY="+s.Key)
}

// AzureNoEnv returns empty values for all variables that say who asks Azure.
func AzureNoEnv() []string {
	var out []string
	for _, name := range []string{
		"AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING",
		"AZURE_STORAGEBLOB_CONNECTIONSTRING", "AZURE_STORAGE_DOMAIN", "AZURE_STORAGE_PROTOCOL", "AZURE_STORAGE_IS_CDN",
		"AZURE_STORAGE_IS_LOCAL_EMULATOR", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE",
		"AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME", "AZURE_PASSWORD", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT",
	} {
		out = append(out, name+"=")
	}
	return out
}

// Setenv sets Env in the process of the test.
func (s *AzureServer) Setenv(t testing.TB) {
	t.Helper()
	for _, pair := range s.Env() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

// Object returns what is stored, past everything under test.
func (s *AzureServer) Object(container, key string) []byte {
	s.t.Helper()
	r, err := s.client.DownloadStream(context.Background(), container, key, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }() // read to its end
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// SetObject stores something, also in the place of what is there.
func (s *AzureServer) SetObject(container, key string, content []byte) {
	s.t.Helper()
	if _, err := s.client.UploadBuffer(context.Background(), container, key, content, nil); err != nil {
		s.t.Fatal(err)
	}
}

// RemoveObject removes an object that is there.
func (s *AzureServer) RemoveObject(container, key string) {
	s.t.Helper()
	if _, err := s.client.DeleteBlob(context.Background(), container, key, nil); err != nil {
		s.t.Fatal(err)
	}
}

// Keys returns the keys of all objects, sorted.
func (s *AzureServer) Keys(container string) []string {
	s.t.Helper()
	var out []string
	for pages := s.client.NewListBlobsFlatPager(container, nil); pages.More(); {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			s.t.Fatal(fmt.Errorf("list %s: %w", container, err))
		}
		for _, item := range page.Segment.BlobItems {
			out = append(out, *item.Name)
		}
	}
	return out
}

// Client returns a client of the SDK for what tests do past everything else:
// snapshots, leases, tiers, signatures.
func (s *AzureServer) Client() *azblob.Client { return s.client }
