package testenv

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// gcsSettings are the settings of a bucket that fake-gcs-server takes and
// forgets.
type gcsSettings struct {
	lifecycle      json.RawMessage // nil: none
	metageneration int64
}

// Lifecycle returns the lifecycle configuration of a bucket, nil if it has
// none.
func (s *GCSServer) Lifecycle(bucket string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings[bucket].lifecycle
}

// SetLifecycle changes the lifecycle configuration of a bucket, as another
// one of its users would; nil removes it.
func (s *GCSServer) SetLifecycle(bucket string, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setLifecycle(bucket, raw)
}

// setLifecycle is called with the lock held.
func (s *GCSServer) setLifecycle(bucket string, raw []byte) {
	was := s.settings[bucket]
	s.settings[bucket] = gcsSettings{lifecycle: raw, metageneration: was.metageneration + 1}
}

// serveRules answers what asks for the lifecycle of a bucket, and for nothing
// else, as GCS does: with the metageneration, which each change raises, and by
// which a change can be refused. Changes of other settings are dropped. It reports whether it has answered.
func (s *GCSServer) serveRules(w http.ResponseWriter, r *http.Request, bucket string) bool {
	q := r.URL.Query()
	reads := r.Method == http.MethodGet && q.Get("fields") == "lifecycle,metageneration"
	if !reads && r.Method != http.MethodPatch {
		return false
	}
	if _, err := s.fake.Backend().GetBucket(bucket); err != nil {
		gcsRefusal(w, http.StatusNotFound, "notFound", "The specified bucket does not exist.")
		return true
	}
	var change map[string]json.RawMessage
	if body, err := io.ReadAll(r.Body); err != nil || !reads && json.Unmarshal(body, &change) != nil {
		gcsRefusal(w, http.StatusBadRequest, "parseError", "Parse Error")
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.settings[bucket]
	if want := q.Get("ifMetagenerationMatch"); want != "" && want != strconv.FormatInt(now.metageneration+1, 10) {
		gcsRefusal(w, http.StatusPreconditionFailed, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
		return true
	}
	if raw, ok := change["lifecycle"]; ok {
		if string(raw) == "null" {
			raw = nil
		}
		s.setLifecycle(bucket, raw)
		now = s.settings[bucket]
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	answer := fmt.Sprintf(`{"metageneration":"%d"`, now.metageneration+1)
	if now.lifecycle != nil && strings.Contains(q.Get("fields"), "lifecycle") {
		answer += `,"lifecycle":` + string(now.lifecycle)
	}
	_, _ = io.WriteString(w, answer+"}") // the client may have gone
	return true
}

// gcsRefusal answers as the JSON API refuses.
func gcsRefusal(w http.ResponseWriter, status int, reason, message string) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":{"code":%d,"message":%q,"errors":[{"domain":"global","reason":%q,"message":%q}]}}`, status, message, reason, message)
}
