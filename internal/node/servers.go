package node

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/runnel-io/runnel/api/adminapi"
	"github.com/runnel-io/runnel/api/awsapi"
	"github.com/runnel-io/runnel/api/awsapi/kinesis"
	"github.com/runnel-io/runnel/api/grpcapi"
	"github.com/runnel-io/runnel/internal/observe"
)

// servers are the three in front. Each is there only if it has a listener.
type servers struct {
	aws, admin *http.Server
	grpc       *grpc.Server
	stopping   chan struct{} // closed first: who waits for records goes home
	running    sync.WaitGroup
	calls      sync.RWMutex // read by calls of the AWS protocol while they are under way
}

func (n *Node) serve(context.Context) error {
	s := &servers{stopping: make(chan struct{})}
	n.servers = s
	n.observe()
	if l := n.cfg.HTTP; l != nil {
		h := awsapi.New(awsapi.Config{Services: []awsapi.Service{kinesis.Service(n.broker)}, Logger: n.log.With("part", "awsapi"), Observe: observe.NewRequests(n.registry).Answered})
		s.aws = awsapi.NewServer(s.counted(h), n.log.With("part", "awsapi"))
		s.run(n, "HTTP", func() error { return s.aws.Serve(l) })
	}
	if l := n.cfg.GRPC; l != nil {
		s.grpc = grpc.NewServer(grpcapi.Options()...)
		grpcapi.Register(s.grpc, n.broker, grpcapi.Config{Stopping: s.stopping})
		s.run(n, "gRPC", func() error { return s.grpc.Serve(l) })
	}
	if l := n.cfg.Admin; l != nil {
		s.admin = &http.Server{
			Handler:           adminapi.New(adminapi.Config{Ready: n.healthy, Registry: n.registry, Pprof: n.cfg.Pprof}),
			ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		}
		s.run(n, "admin", func() error { return s.admin.Serve(l) })
	}
	return nil
}

// run serves in the background. A server that ends by itself takes the node down.
func (s *servers) run(n *Node, name string, serve func() error) {
	s.running.Go(func() {
		err := serve()
		select {
		case <-s.stopping:
		default:
			n.fail(wrap("serve "+name, err))
		}
	})
}

// stop refuses new calls and waits for those under way, at most until ctx ends
// or the grace is over, and then cuts them off.
func (s *servers) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainGrace)
	defer cancel()
	close(s.stopping)
	var wg sync.WaitGroup
	for _, h := range []*http.Server{s.aws, s.admin} {
		if h != nil {
			wg.Go(func() {
				if h.Shutdown(ctx) != nil {
					_ = h.Close() // cuts connections; there is nothing to do about a failure
				}
			})
		}
	}
	if s.grpc != nil {
		wg.Go(func() { s.stopGRPC(ctx) })
	}
	wg.Wait()
	s.running.Wait()
	s.calls.Lock() // a call whose connection was cut may still be in the store; none begins now
	return nil
}

func (s *servers) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.RLock()
		defer s.calls.RUnlock()
		h.ServeHTTP(w, r)
	})
}

// drainGrace is how long calls under way may take when the node stops. Puts
// take milliseconds; what takes longer waits for records and can be resumed.
const drainGrace = 3 * time.Second

func (s *servers) stopGRPC(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
}

// Addr is where the node serves; "" for what it does not.
type Addr struct{ HTTP, GRPC, Admin string }

// Addr tells where the node serves.
func (n *Node) Addr() Addr {
	text := func(l net.Listener) string {
		if l == nil {
			return ""
		}
		return l.Addr().String()
	}
	return Addr{text(n.cfg.HTTP), text(n.cfg.GRPC), text(n.cfg.Admin)}
}
