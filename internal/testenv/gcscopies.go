package testenv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"regexp"
)

var gcsRewritePath = regexp.MustCompile(`^/storage/v1/b/([^/]+)/o/(.+)/rewriteTo/b/([^/]+)/o/(.+)$`)

// serveRewrite copies an object as GCS does. fake-gcs-server overlooks the
// condition that the key is free, and what is said of class and retention. Into
// another class it takes two requests, as it may there.
func (s *GCSServer) serveRewrite(w http.ResponseWriter, r *http.Request, from, to [2]string) {
	q := r.URL.Query()
	source, err := s.fake.GetObject(from[0], from[1])
	if err != nil {
		gcsRefusal(w, http.StatusNotFound, "notFound", "No such object: "+from[0]+"/"+from[1])
		return
	}
	if _, err := s.fake.GetObject(to[0], to[1]); err == nil && q.Get("ifGenerationMatch") == "0" {
		gcsRefusal(w, http.StatusPreconditionFailed, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
		return
	}
	said := map[string]any{}
	if body, err := io.ReadAll(r.Body); err != nil || len(body) > 0 && json.Unmarshal(body, &said) != nil {
		gcsRefusal(w, http.StatusBadRequest, "parseError", "Parse Error")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if class, ok := said["storageClass"].(string); ok && class != source.StorageClass && q.Get("rewriteToken") == "" {
		_, _ = fmt.Fprintf(w, `{"kind":"storage#rewriteResponse","done":false,"objectSize":"%d","totalBytesRewritten":"0","rewriteToken":"go-on"}`,
			source.Size) // the client may have gone
		return
	}
	said["name"] = to[1]
	made := s.upload(to[0], said, source.Content)
	if made.Code != http.StatusOK {
		gcsRefusal(w, http.StatusInternalServerError, "backendError", made.Body.String())
		return
	}
	_, _ = fmt.Fprintf(w, `{"kind":"storage#rewriteResponse","done":true,"objectSize":"%d","totalBytesRewritten":"%d","resource":%s}`,
		source.Size, source.Size, bytes.TrimSpace(made.Body.Bytes())) // the client may have gone
}

// upload creates an object of which these things are said.
func (s *GCSServer) upload(bucket string, said map[string]any, content []byte) *httptest.ResponseRecorder {
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	about, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/json"}})
	if err == nil {
		err = json.NewEncoder(about).Encode(said)
	}
	data, derr := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/octet-stream"}})
	if err = errors.Join(err, derr); err == nil {
		_, err = data.Write(content)
	}
	recorded := httptest.NewRecorder()
	if err = errors.Join(err, parts.Close()); err != nil {
		recorded.WriteHeader(http.StatusInternalServerError)
		return recorded
	}
	r := httptest.NewRequest(http.MethodPost, "/upload/storage/v1/b/"+bucket+"/o?uploadType=multipart", &body)
	r.Header.Set("Content-Type", "multipart/related; boundary="+parts.Boundary())
	s.fake.HTTPHandler().ServeHTTP(recorded, r)
	return recorded
}
