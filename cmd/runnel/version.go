package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/internal/config"
)

// version is set when the binary is built by make.
var version = ""

// buildVersion is the version that was linked in, else what the Go tool noted.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

func newVersion(std stdio) *cobra.Command {
	var output string
	s := &config.Settings{}
	s.Add(config.Setting{Name: "output", Usage: "`FORMAT`: table or json", Default: "table", Parse: config.OneOf(&output, "table", "json")})
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  runnel version\n  runnel version --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.Load(sources(cmd), config.Known()...); err != nil {
				return err
			}
			v := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
				OS      string `json:"os"`
				Arch    string `json:"arch"`
			}{buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH}
			if output == "json" {
				return printJSON(std.out, v)
			}
			_, err := fmt.Fprintf(std.out, "runnel %s (%s, %s/%s)\n", v.Version, v.Go, v.OS, v.Arch)
			return err
		},
	}
	s.Bind(cmd)
	return cmd
}
