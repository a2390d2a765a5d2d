package awsapi

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestProtocols speaks HTTP/1.1 and HTTP/2 with prior knowledge to one port.
func TestProtocols(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := NewServer(handler(reply), nil)
	served := make(chan error)
	go func() { served <- srv.Serve(listener) }()
	defer func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	for want, set := range map[string]func(*http.Protocols){
		"HTTP/1.1": func(p *http.Protocols) { p.SetHTTP1(true) },
		"HTTP/2.0": func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
	} {
		protocols := new(http.Protocols)
		set(protocols)
		transport := &http.Transport{Protocols: protocols}
		client := &http.Client{Transport: transport}
		req, err := http.NewRequest(http.MethodPost, "http://"+listener.Addr().String()+"/any/path", strings.NewReader(fine))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = request("POST", "Echo", "", nil).Header
		res, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.Proto != want || res.StatusCode != 200 || string(body) != fine {
			t.Errorf("%s: %s %d %q %v", want, res.Proto, res.StatusCode, body, err)
		}
		if res.Header.Get("Date") == "" || res.Header.Get("X-Amzn-Requestid") == "" {
			t.Errorf("%s: headers %v", want, res.Header)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	}
}
