package adminapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/runnel-io/runnel/api/adminapi"
	"github.com/runnel-io/runnel/internal/observe"
)

func get(t *testing.T, h http.Handler, method, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(body)
}

func TestHandler(t *testing.T) {
	var fault error
	cfg := adminapi.Config{Ready: func(context.Context) error { return fault }, Registry: observe.NewRegistry()}
	h := adminapi.New(cfg)
	cfg.Pprof = true
	profiled := adminapi.New(cfg)

	for _, c := range []struct {
		name         string
		h            http.Handler
		method, path string
		fault        error
		status       int
		has          string
	}{
		{"alive", h, "GET", "/healthz", nil, 200, "alive"},
		{"alive, not ready", h, "GET", "/healthz", errors.New("no leader"), 200, "alive"},
		{"ready", h, "GET", "/readyz", nil, 200, "ready\n"},
		{"not ready says why", h, "GET", "/readyz", errors.New("no leader"), 503, "not ready: no leader"},
		{"metrics", h, "GET", "/metrics", nil, 200, "go_goroutines"},
		{"no profiles unless asked for", h, "GET", "/debug/pprof/heap", nil, 404, ""},
		{"profiles", profiled, "GET", "/debug/pprof/heap?debug=1", nil, 200, "heap profile"},
		{"only reading", h, "POST", "/readyz", nil, 405, ""},
		{"nothing else", h, "GET", "/else", nil, 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			fault = c.fault
			status, body := get(t, c.h, c.method, c.path)
			if status != c.status || !strings.Contains(body, c.has) {
				t.Fatalf("%d %q, want %d with %q", status, body, c.status, c.has)
			}
		})
	}
}

// A node that hangs must not hang its probes.
func TestReadyIsBounded(t *testing.T) {
	h := adminapi.New(adminapi.Config{
		Ready:    func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		Registry: observe.NewRegistry(),
	})
	if status, body := get(t, h, "GET", "/readyz"); status != 503 {
		t.Fatalf("%d %q", status, body)
	}
}
