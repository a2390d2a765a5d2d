package observe

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry makes a registry that already tells of the process and of Go.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(),
	)
	return reg
}

// scraped is a number that is read from its owner when metrics are asked for.
type scraped[T any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(T) float64
}

func counter[T any](name, help string, labels []string, value func(T) float64) scraped[T] {
	return scraped[T]{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue, value}
}

func gauge[T any](name, help string, labels []string, value func(T) float64) scraped[T] {
	return scraped[T]{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue, value}
}

// source collects numbers from things of one kind, each named by its labels.
type source[T any] struct {
	numbers []scraped[T]
	things  func(yield func(thing T, labels ...string))
}

func (s *source[T]) Describe(to chan<- *prometheus.Desc) {
	for _, n := range s.numbers {
		to <- n.desc
	}
}

func (s *source[T]) Collect(to chan<- prometheus.Metric) {
	s.things(func(thing T, labels ...string) {
		for _, n := range s.numbers {
			to <- prometheus.MustNewConstMetric(n.desc, n.kind, n.value(thing), labels...)
		}
	})
}
