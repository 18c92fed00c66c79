package azure

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"azblob://vault/p?storage_account=acme", "azblob://vault?endpoint=https://h:1/acme&access_tier=cool", "azblob://vault?endpoint=https://u:p@h",
		"azblob://v--t/%2e%2e/a", "azblob://vault:90/p", "azblob://vault?storage_account=acme&domain=a.b&cdn=1", "azblob://vault?sig=x",
		"azblob://vault?storage_account=acme&domain=127.0.0.1:1&protocol=http&localemu=false",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil {
			return
		}
		l, err := parse(u)
		if err != nil {
			return
		}
		service, err := l.service()
		if err != nil {
			return
		}
		v, err := url.Parse(service)
		if err != nil || v.Host == "" || v.User != nil || v.RawQuery != "" || v.Scheme != "http" && v.Scheme != "https" {
			t.Errorf("%q gives the service %q: %v", s, service, err)
		}
		if strings.ContainsAny(l.container, "/:@.") || strings.Contains("/"+l.prefix+"/", "/../") || u.Query().Has("sig") {
			t.Errorf("%q gives %+v", s, l)
		}
	})
}

func FuzzConnectionString(f *testing.F) {
	for _, s := range []string{
		"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=eA==;EndpointSuffix=core.windows.net", "UseDevelopmentStorage=true",
		"BlobEndpoint=https://h/;SharedAccessSignature=sv=1&sig=s", "AccountName=acme;;AccountKey", "BlobEndpoint=//;AccountName=a b;AccountKey=x", ";", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseConnectionString(s)
		if err != nil {
			if len(err.Error()) > 80 {
				t.Errorf("the error of %q repeats it: %v", s, err)
			}
			return
		}
		u, err := url.Parse(a.service)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || (a.key == "") == (a.sas == "") || a.key != "" && a.account == "" {
			t.Errorf("%q gives %+v", s, a)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>BlobNotFound</Code><Message>The specified blob does not exist.\nRequestId:1\nTime:2</Message></Error>",
		"<Error><Message>sig=secretsecret</Message><AuthenticationErrorDetail>Signature fields not well formed</AuthenticationErrorDetail></Error>",
		"<html>", "", "{\"error\":{\"code\":\"x\"}}",
	} {
		f.Add([]byte(s), "BlobNotFound", "Wed, 25 Nov 2026 00:00:00 GMT", 404)
	}
	f.Fuzz(func(t *testing.T, body []byte, code, date string, status int) {
		message, detail := parseBody(body)
		if strings.Contains(message, "\n") {
			t.Errorf("the message has lines: %q", message)
		}
		a := answer{code: code, message: message, detail: detail, status: status, date: date}
		if text := a.text(); len(text) > 1200 || strings.Contains(text, "\n") {
			t.Errorf("%d bytes: %q", len(text), text)
		}
		b := &Bucket{name: "vault", sas: "sv=1&se=2026-01-01T00:00:00Z&sig=secretsecret"}
		for _, op := range []string{"put", "overwrite", "get", "list", "delete", "inspect"} {
			e := b.classify(op, a)
			unhinted := errors.Is(e.Err, providers.ErrExists) || errors.Is(e.Err, providers.ErrNotFound) || errors.Is(e.Err, providers.ErrRange)
			if e.Err != nil && (strings.Contains(e.Err.Error()+e.Hint, "secretsecret") || providers.Permanent(e.Err) && e.Hint == "" && !unhinted) {
				t.Errorf("%s of %+v: %+v", op, a, e)
			}
		}
	})
}

func FuzzExpiry(f *testing.F) {
	f.Add("sv=1&se=2026-01-01T00:00:00Z&sig=s", "Wed, 25 Nov 2026 00:00:00 GMT")
	f.Add("se=2026-01-01", "")
	f.Fuzz(func(t *testing.T, sas, date string) {
		if end := expiry(sas, date); end != "" && (len(end) != len("2026-01-01T00:00:00Z") || strings.Contains(end, "s")) {
			t.Errorf("expiry(%q, %q) = %q", sas, date, end)
		}
	})
}
