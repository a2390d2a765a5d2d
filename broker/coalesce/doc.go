// Package coalesce is the one proposer of a data group: it joins the records
// of many callers into entries, gives positions and stamps, and passes the
// control commands of the same group through the same queue, so that the order
// of stamps and positions is the order of the log. It also runs the trimmer.
//
// It decides nothing that Apply does not check again, and forwards nothing: a
// node that does not lead the group answers with a retryable error.
package coalesce
