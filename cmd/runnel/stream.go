package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/client"
	"github.com/runnel-io/runnel/internal/config"
	"github.com/runnel-io/runnel/stream"
)

func newStream(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "stream",
		Short:   "Create, list, describe, reshard and delete streams",
		GroupID: "use",
		Example: `  runnel stream create orders --shards 4 --retention 48h
  runnel stream list
  runnel stream reshard orders --shards 8
  runnel stream delete orders`,
	}
	cmd.AddCommand(newStreamCreate(std), newStreamList(std), newStreamDescribe(std), newStreamReshard(std), newStreamDelete(std))
	return cmd
}

// streamName takes the one argument of a command, a stream's name.
func streamName(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return usage("name one stream")
	}
	return stream.CheckName(args[0])
}

// streamView is a stream as --output json shows it.
type streamView struct {
	Name           string      `json:"name"`
	ARN            string      `json:"arn"`
	Status         string      `json:"status"`
	Mode           string      `json:"mode"`
	Created        string      `json:"created"`
	RetentionHours int         `json:"retentionHours"`
	OpenShards     int         `json:"openShards"`
	MaxRecordBytes int         `json:"maxRecordBytes"`
	Shards         []shardView `json:"shards,omitempty"`
}

type shardView struct {
	ID               string `json:"id"`
	State            string `json:"state"` // open or closed
	Parent           string `json:"parent,omitempty"`
	AdjacentParent   string `json:"adjacentParent,omitempty"`
	StartHashKey     string `json:"startHashKey"`
	EndHashKey       string `json:"endHashKey"`
	StartingSequence string `json:"startingSequence"`
	EndingSequence   string `json:"endingSequence,omitempty"`
	Opened           string `json:"opened,omitempty"`
	Closed           string `json:"closed,omitempty"`
}

func viewOf(s client.StreamInfo) streamView {
	return streamView{
		Name: s.Name, ARN: s.ARN, Status: string(s.Status), Mode: s.Mode, Created: moment(s.Created),
		RetentionHours: s.RetentionHours, OpenShards: s.OpenShards, MaxRecordBytes: s.MaxRecordBytes,
	}
}

func viewOfShard(s client.ShardInfo) shardView {
	v := shardView{
		ID: s.ID, State: "open", Parent: s.Parent, AdjacentParent: s.AdjacentParent,
		StartHashKey: s.Range.Start.String(), EndHashKey: s.Range.End.String(),
		StartingSequence: s.Start.String(), Opened: moment(s.Opened),
	}
	if s.Closed {
		v.State, v.EndingSequence, v.Closed = "closed", s.End.String(), moment(s.ClosedAt)
	}
	return v
}

// shardCount is the setting of how many shards a stream is to have.
func shardCount(p *int, usage, deflt string) config.Setting {
	return config.Setting{Name: "shards", Usage: usage, Default: deflt, Parse: config.Int(p, 1, 1_000_000)}
}

// waitSettings are of commands that start something which takes a while.
type waitSettings struct {
	wait    bool
	timeout time.Duration
}

func (w *waitSettings) add(s *config.Settings, until string) {
	s.Add(config.Setting{Name: "wait", Usage: "`on|off`: wait until " + until, Default: "on", Bool: true, Parse: config.Switch(&w.wait)})
	s.Add(config.Setting{
		Name: "timeout", Usage: "longest `DURATION` to wait", Default: "5m",
		Parse: config.Duration(&w.timeout, time.Second, 24*time.Hour),
	})
}
