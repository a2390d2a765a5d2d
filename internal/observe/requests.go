package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Requests counts and times the calls of the AWS protocol.
type Requests struct {
	seconds *prometheus.HistogramVec
	answers *prometheus.CounterVec
}

// NewRequests registers the metrics of requests.
func NewRequests(reg prometheus.Registerer) *Requests {
	r := &Requests{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "runnel_aws_request_seconds", Help: "How long calls of the AWS protocol took.",
			Buckets: prometheus.ExponentialBuckets(100e-6, 2.5, 12),
		}, []string{"operation"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runnel_aws_requests_total", Help: "Calls of the AWS protocol by operation and error code; \"OK\" is none.",
		}, []string{"operation", "code"}),
	}
	reg.MustRegister(r.seconds, r.answers)
	return r
}

// Answered is for awsapi.Config.Observe. The operation is one that exists, or
// "": what a client may invent must not become a label.
func (r *Requests) Answered(operation, code string, elapsed time.Duration) {
	if operation == "" {
		operation = "unknown"
	}
	if code == "" {
		code = "OK"
	}
	r.seconds.WithLabelValues(operation).Observe(elapsed.Seconds())
	r.answers.WithLabelValues(operation, code).Inc()
}
