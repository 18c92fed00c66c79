package azure

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/providers"
)

// Credentials that must never be seen.
const (
	plantedWord = "planted"
	plantedSAS  = "sv=2026-01-01&se=2026-12-01T00:00:00Z&sp=rcl&sr=c&sig=plantedSignature%2Bplanted%3D"
)

var plantedKey = base64.StdEncoding.EncodeToString([]byte("plantedKeyplantedKeyplanted"))

func wantNoSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{plantedWord, plantedKey, "sig=p", url.QueryEscape(plantedKey)} {
		if strings.Contains(text, secret) {
			t.Errorf("%q shows in %q", secret, text)
		}
	}
}

// environment sets variables and keeps the user's own out.
func environment(t *testing.T, pairs ...string) {
	t.Helper()
	for _, pair := range append(testenv.AzureNoEnv(), pairs...) {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

func find(raw string) (access, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return access{}, err
	}
	l, err := parse(u)
	if err != nil {
		return access{}, err
	}
	return findAccess(l)
}

func TestService(t *testing.T) {
	const key, sas, conn = "AZURE_STORAGE_KEY=a2V5", "AZURE_STORAGE_SAS_TOKEN=?sv=1&sig=s", "AZURE_STORAGE_CONNECTION_STRING="
	for _, test := range []struct {
		url  string
		env  []string
		want access
	}{
		{"azblob://vault?storage_account=acme", nil, access{service: "https://acme.blob.core.windows.net", entra: true}},
		{"azblob://vault", []string{"AZURE_STORAGE_ACCOUNT=acme"}, access{service: "https://acme.blob.core.windows.net", entra: true}},
		{"azblob://vault?storage_account=other", []string{"AZURE_STORAGE_ACCOUNT=acme", key}, access{service: "https://other.blob.core.windows.net", account: "other", key: "a2V5"}},
		{"azblob://vault?storage_account=acme&domain=blob.core.chinacloudapi.cn", nil, access{service: "https://acme.blob.core.chinacloudapi.cn", entra: true}},
		{"azblob://vault?storage_account=acme&domain=cdn.example.org&cdn=true", nil, access{service: "https://cdn.example.org", entra: true}},
		{"azblob://vault?storage_account=acme&domain=emu.lan:10000&localemu=true&protocol=http", []string{key}, access{service: "http://emu.lan:10000/acme", account: "acme", key: "a2V5"}},
		{"azblob://vault?storage_account=acme&domain=localhost:10000&protocol=http", []string{key}, access{service: "http://localhost:10000/acme", account: "acme", key: "a2V5"}},
		{"azblob://vault?storage_account=acme&endpoint=http://127.0.0.1:1/acme/", []string{key}, access{service: "http://127.0.0.1:1/acme", account: "acme", key: "a2V5"}},
		{"azblob://vault", []string{"AZURE_STORAGE_ACCOUNT=acme", "AZURE_STORAGE_DOMAIN=blob.example.org", "AZURE_STORAGE_PROTOCOL=http", key}, access{service: "http://acme.blob.example.org", account: "acme", key: "a2V5"}},
		{"azblob://vault", []string{"AZURE_STORAGE_ACCOUNT=acme", "AZURE_STORAGE_DOMAIN=h.lan", "AZURE_STORAGE_IS_LOCAL_EMULATOR=true"}, access{service: "https://h.lan/acme", entra: true}},
		{"azblob://vault?endpoint=https://blob.lan", nil, access{service: "https://blob.lan", entra: true}},
		{"azblob://vault?storage_account=acme&anonymous=true", []string{key, sas}, access{service: "https://acme.blob.core.windows.net"}},
		{"azblob://vault?storage_account=acme", []string{key, sas, conn + "AccountName=x;AccountKey=eA=="}, access{service: "https://acme.blob.core.windows.net", account: "acme", key: "a2V5"}},
		{"azblob://vault?storage_account=acme", []string{sas, conn + "AccountName=acme;AccountKey=eA=="}, access{service: "https://acme.blob.core.windows.net", sas: "sv=1&sig=s"}},
		{"azblob://vault?domain=blob.lan&storage_account=acme", []string{sas, "AZURE_STORAGE_DOMAIN=blob.lan"}, access{service: "https://acme.blob.lan", sas: "sv=1&sig=s"}},
		{"azblob://vault", []string{conn + "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=eA==;EndpointSuffix=core.windows.net"}, access{service: "https://acme.blob.core.windows.net", account: "acme", key: "eA=="}},
		{"azblob://vault", []string{conn + "BlobEndpoint=https://acme.blob.lan/;SharedAccessSignature=sv=1&sig=s"}, access{service: "https://acme.blob.lan", sas: "sv=1&sig=s"}},
		{"azblob://vault", []string{conn + "UseDevelopmentStorage=true"}, access{service: emulatorEndpoint, account: emulatorAccount, key: emulatorKey}},
		{"azblob://vault?endpoint=http://127.0.0.1:9/acme", []string{conn + "AccountName=acme;AccountKey=eA=="}, access{service: "http://127.0.0.1:9/acme", account: "acme", key: "eA=="}},
		{"azblob://vault", []string{"AZURE_STORAGEBLOB_CONNECTIONSTRING=AccountName=acme;AccountKey=eA=="}, access{service: "https://acme.blob.core.windows.net", account: "acme", key: "eA=="}},
		// A key without an account is none.
		{"azblob://vault?endpoint=https://h", []string{key}, access{service: "https://h", entra: true}},
	} {
		environment(t, test.env...)
		if got, err := find(test.url); err != nil || got != test.want {
			t.Errorf("%s with %q: %+v, %v; want %+v", test.url, test.env, got, err, test.want)
		}
	}
}

func TestInvalidURLs(t *testing.T) {
	sas, conn := "AZURE_STORAGE_SAS_TOKEN="+plantedSAS, "AZURE_STORAGE_CONNECTION_STRING="
	for _, test := range []struct {
		url        string
		env        []string
		sentinel   error
		text, hint string
	}{
		{"azblob://ab?storage_account=acme", nil, providers.ErrInvalidURL, "3 to 63", "azblob://CONTAINER"},
		{"azblob://Vault?storage_account=acme", nil, providers.ErrInvalidURL, "3 to 63", "azblob://CONTAINER"},
		{"azblob://va--ult?storage_account=acme", nil, providers.ErrInvalidURL, "3 to 63", ""},
		{"azblob://vault-?storage_account=acme", nil, providers.ErrInvalidURL, "3 to 63", ""},
		{"azblob://va.ult?storage_account=acme", nil, providers.ErrInvalidURL, "3 to 63", ""},
		{"azblob://" + strings.Repeat("a-", 32) + "?storage_account=acme", nil, providers.ErrInvalidURL, "3 to 63", ""},
		{"azblob://vault/Upper?storage_account=acme", nil, providers.ErrInvalidURL, `the part "Upper"`, "a-z"},
		{"azblob://vault", nil, providers.ErrInvalidURL, "account is not known", "?storage_account=ACCOUNT"},
		{"azblob://vault?storage_account=Acme", nil, providers.ErrInvalidURL, "3 to 24", "AZURE_STORAGE_ACCOUNT"},
		{"azblob://vault", []string{"AZURE_STORAGE_ACCOUNT=a.evil.org/"}, providers.ErrInvalidURL, "3 to 24", ""},
		{"azblob://vault?storage_account=acme&domain=evil.org/x", nil, providers.ErrInvalidURL, "not the name of a host", "blob.core.windows.net"},
		{"azblob://vault?storage_account=acme&domain=https://blob.x", nil, providers.ErrInvalidURL, "not the name of a host", ""},
		{"azblob://vault?storage_account=acme&protocol=ftp", nil, providers.ErrInvalidURL, "neither http nor https", "https"},
		{"azblob://vault?storage_account=acme&localemu=perhaps", nil, providers.ErrInvalidURL, "neither true nor false", "localemu=true"},
		{"azblob://vault?storage_account=acme&access_tier=Smart", nil, providers.ErrInvalidURL, "none of Azure's", "Archive"},
		{"azblob://vault?storage_account=acme&encryption_scope=a", nil, providers.ErrInvalidURL, "3 to 63", "encryption-scope list"},
		{"azblob://vault?storage_account=acme&subscription=8d6f7f6e-0000-4000-8000-1234567890ab", nil, providers.ErrInvalidURL, "go together", "resource_group=GROUP"},
		{"azblob://vault?storage_account=acme&resource_group=rg", nil, providers.ErrInvalidURL, "go together", "subscription=ID"},
		{"azblob://vault?storage_account=acme&subscription=prod&resource_group=rg", nil, providers.ErrInvalidURL, "no id", "az account show"},
		{"azblob://vault?storage_account=acme&subscription=8d6f7f6e-0000-4000-8000-1234567890ab&resource_group=a/b", nil, providers.ErrInvalidURL, "1 to 90", "resourceGroup"},
		{"azblob://vault?storage_account=acme&subscription=8d6f7f6e-0000-4000-8000-1234567890ab&resource_group=", nil, providers.ErrInvalidURL, "1 to 90", ""},
		{"azblob://vault?endpoint=ftp://h", nil, providers.ErrInvalidURL, "not the address", "https://HOST"},
		{"azblob://vault?endpoint=", nil, providers.ErrInvalidURL, "not the address", ""},
		{"azblob://vault?endpoint=https://h%3Fsig%3Dplanted", nil, providers.ErrInvalidURL, "not the address", ""},
		{"azblob://vault?endpoint=https://u:planted@h", nil, providers.ErrInvalidURL, "credentials", "environment"},
		{"azblob://vault?endpoint=https://h&domain=x", nil, providers.ErrInvalidURL, "endpoint excludes domain", ""},
		{"azblob://vault?storage_acount=acme", nil, providers.ErrInvalidURL, "unknown parameter storage_acount", "did you mean storage_account?"},
		{"azblob://vault?storage_account=acme&" + plantedSAS, nil, providers.ErrInvalidURL, "shared access signature", "AZURE_STORAGE_SAS_TOKEN"},
		{"azblob://vault?storage_account=acme&endpoint=https://evil.org", []string{sas}, providers.ErrInvalidURL, "another service than that of the environment", "AZURE_STORAGE_DOMAIN"},
		{"azblob://vault?storage_account=evil", []string{sas, "AZURE_STORAGE_ACCOUNT=acme"}, providers.ErrInvalidURL, "another account", "same account"},
		{"azblob://vault?storage_account=acme&domain=evil.org", []string{sas}, providers.ErrInvalidURL, "another service", ""},
		{"azblob://vault?storage_account=acme&protocol=http", []string{sas}, providers.ErrInvalidURL, "another service", ""},
		{"azblob://vault?storage_account=acme&protocol=http", nil, providers.ErrCredentials, "plain http", "AZURE_STORAGE_KEY"},
		{"azblob://vault?storage_account=acme", []string{"AZURE_STORAGE_KEY=planted!"}, providers.ErrCredentials, "not in base64", "copy it"},
		{"azblob://vault?storage_account=acme", []string{"AZURE_STORAGE_SAS_TOKEN=planted"}, providers.ErrCredentials, "is none", "sig="},
		{"azblob://vault", []string{conn + "AccountName=acme;AccountKey=planted!"}, providers.ErrCredentials, "not in base64", ""},
		{"azblob://vault", []string{conn + "planted"}, providers.ErrCredentials, "a part without =", "show-connection-string"},
		{"azblob://vault", []string{conn + "AccountKey=" + plantedKey}, providers.ErrCredentials, "no AccountName", ""},
		{"azblob://vault", []string{conn + "AccountName=acme"}, providers.ErrCredentials, "neither AccountKey nor SharedAccessSignature", ""},
		{"azblob://vault", []string{conn + "SharedAccessSignature=" + plantedSAS}, providers.ErrCredentials, "neither BlobEndpoint nor AccountName", ""},
		{"azblob://vault", []string{conn + "BlobEndpoint=https://u:planted@h;SharedAccessSignature=" + plantedSAS}, providers.ErrCredentials, "names no service", ""},
		{"azblob://vault?storage_account=other", []string{conn + "AccountName=acme;AccountKey=" + plantedKey}, providers.ErrInvalidURL, "another account", "storage_account"},
		{"azblob://vault?endpoint=https://evil.org", []string{conn + "AccountName=acme;SharedAccessSignature=" + plantedSAS}, providers.ErrInvalidURL, "that of the connection string", "leave out"},
	} {
		environment(t, test.env...)
		_, err := find(test.url)
		e, ok := errors.AsType[*providers.Error](err)
		if !ok || !errors.Is(err, test.sentinel) || !strings.Contains(err.Error(), test.text) || !strings.Contains(e.Hint, test.hint) || e.Hint == "" {
			t.Errorf("%s: %v; %+v", test.url, err, e)
			continue
		}
		wantNoSecret(t, err.Error()+e.Hint)
	}
}

func TestClouds(t *testing.T) {
	for service, want := range map[string]string{
		"https://acme.blob.core.windows.net":       "",
		"https://acme.blob.core.chinacloudapi.cn":  "login.chinacloudapi.cn",
		"https://acme.blob.core.usgovcloudapi.net": "login.microsoftonline.us",
		"https://blob.lan":                         "",
	} {
		if got := cloudOf(service).ActiveDirectoryAuthorityHost; !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%s signs in at %q, want %q", service, got, want)
		}
	}
}
