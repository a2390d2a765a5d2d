// Package observe is how a node is seen from outside: its log lines and its
// Prometheus metrics. It knows what the other rooms count and gives it names;
// it counts nothing itself but times and sizes that rooms report as they
// happen. Every metric begins with "runnel_"; docs/metrics.md lists them.
package observe
