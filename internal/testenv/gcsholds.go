package testenv

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
)

// serveHolds keeps the temporary holds of objects, which fake-gcs-server takes
// and forgets: they are told with the object, and what would remove or replace
// it is refused. It reports whether it has answered.
func (s *GCSServer) serveHolds(w http.ResponseWriter, r *http.Request, bucket, key string) bool {
	place := bucket + "/" + key
	switch {
	case r.Method == http.MethodPatch:
		body, err := io.ReadAll(r.Body)
		var change struct{ TemporaryHold *bool }
		if err != nil || json.Unmarshal(body, &change) != nil {
			gcsRefusal(w, http.StatusBadRequest, "parseError", "Parse Error")
			return true
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		recorded := httptest.NewRecorder()
		s.fake.HTTPHandler().ServeHTTP(recorded, r)
		if recorded.Code == http.StatusOK && change.TemporaryHold != nil {
			s.mu.Lock()
			s.holds[place] = *change.TemporaryHold
			s.mu.Unlock()
		}
		s.answerHeld(w, recorded, place)
		return true
	case r.Method == http.MethodGet && r.URL.Query().Get("alt") != "media":
		recorded := httptest.NewRecorder()
		s.fake.HTTPHandler().ServeHTTP(recorded, r)
		s.answerHeld(w, recorded, place)
		return true
	case r.Method == http.MethodDelete && s.held(place):
		gcsRefusal(w, http.StatusForbidden, "objectUnderActiveHold", "Object is under active Temporary hold and cannot be deleted, overwritten or archived until hold is removed.")
		return true
	}
	return false
}

func (s *GCSServer) held(place string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holds[place]
}

// answerHeld adds the hold to what the server tells of an object.
func (s *GCSServer) answerHeld(w http.ResponseWriter, recorded *httptest.ResponseRecorder, place string) {
	body := recorded.Body.Bytes()
	var object map[string]any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if recorded.Code == http.StatusOK && s.held(place) && dec.Decode(&object) == nil {
		object["temporaryHold"] = true
		if with, err := json.Marshal(object); err == nil {
			body = with
		}
	}
	for name, values := range recorded.Header() {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(recorded.Code)
	_, _ = w.Write(body) // the client may have gone
}
