package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runnel-io/runnel/internal/config"
)

func newRoot(std stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "runnel",
		Short: "Durable streams made of ordered shards, as in Kinesis, on your own machine",
		Long: `Runnel is a self-hosted, durable Kinesis. "runnel dev" serves the AWS protocol, so that boto3, the AWS CLI
and every AWS SDK work with only the endpoint changed; the other commands use a node or look at its data.`,
		Example: `  runnel dev                                     # a node on this machine, data kept between runs
  runnel stream create orders --shards 4
  tail -F app.log | runnel put orders --random-key
  runnel tail orders --from horizon`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.PersistentFlags().String("config", "", "configuration `FILE` of lines name = value [$RUNNEL_CONFIG, else "+
		home(config.DefaultFile())+" if it is there]")
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &failure{code: exitUsage, err: err, hint: `See "` + cmd.CommandPath() + ` --help".`}
	})
	root.AddGroup(&cobra.Group{ID: "node", Title: "A node:"}, &cobra.Group{ID: "use", Title: "Using one:"})
	root.AddCommand(newDev(std), newInspect(std), newStream(std), newPut(std), newTail(std), newVersion(std))
	checkArgs(root)
	return root
}

// checkArgs makes wrong arguments exit as wrong flags do.
func checkArgs(cmd *cobra.Command) {
	switch check := cmd.Args; {
	case check != nil:
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return &failure{code: exitUsage, err: err, hint: "Usage: " + cmd.UseLine()}
			}
			return nil
		}
	case cmd.HasSubCommands():
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return &failure{
				code: exitUsage, err: unknownCommand(cmd, args[0]),
				hint: `See "` + cmd.CommandPath() + ` --help".`,
			}
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	for _, c := range cmd.Commands() {
		checkArgs(c)
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	text := "there is no command \"" + name + "\""
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		text += "; did you mean \"" + strings.Join(near, `" or "`) + "\"?"
	}
	return usage("%s", text)
}

// sources are the places that settings are read from beside the flags.
func sources(cmd *cobra.Command) config.Sources {
	file, _ := cmd.Flags().GetString("config")
	optional := false
	if file == "" {
		file = os.Getenv(config.EnvPrefix + "CONFIG")
	}
	if file == "" {
		file, optional = config.DefaultFile(), true
	}
	return config.System(file, optional)
}

// home shortens a path below the home for people.
func home(path string) string {
	if dir, err := os.UserHomeDir(); err == nil && dir != "/" {
		if rest, ok := strings.CutPrefix(path, dir+"/"); ok {
			return "~/" + rest
		}
	}
	return path
}
