// Package adminapi serves what operators and orchestrators ask of a node: is it
// alive, does it serve, its metrics, and, if asked for, its profiles. It has
// no authentication: bind it to an address that only they reach.
//
//	GET /healthz      200 while the process runs
//	GET /readyz       200 while the node takes records, else 503 and why
//	GET /metrics      Prometheus text
//	GET /debug/pprof/ profiles, if Config.Pprof
package adminapi
