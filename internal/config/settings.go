// Package config reads what a user set, from four places in rising order of
// weight: the default, the configuration file, the environment, the command
// line. It reports every fault of a configuration at once, each with the place
// it stands in.
//
// It opens and starts nothing; whether a directory can be used or an address
// can be listened on is found by who uses it.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// EnvPrefix begins the name of every variable that is read: the setting
// data-dir is RUNNEL_DATA_DIR.
const EnvPrefix = "RUNNEL_"

// Setting is one thing that can be set, in the same form of text everywhere.
type Setting struct {
	Name    string // as a flag and in the file: lower case with hyphens
	Usage   string // one line; `like this` names the value
	Default string
	Bool    bool // on when the flag is given without a value
	Parse   func(text string) error

	flag   *flagText
	source string // of the value in force, for Faults of Check
}

// Env is the name of the setting's variable.
func (s *Setting) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Place is where the value in force was set, for error texts.
func (s *Setting) Place() string { return s.source }

// Settings are those of one command. The zero value has none.
type Settings struct {
	list  []*Setting
	check []func() error
}

// Add adds a setting. Names are unique.
func (s *Settings) Add(set Setting) *Setting {
	p := &set
	s.list = append(s.list, p)
	return p
}

// Check adds a rule over several settings, asked when each of them is sound.
func (s *Settings) Check(rule func() error) { s.check = append(s.check, rule) }

// Bind gives cmd a flag for each setting. Flags take any text: it is judged by
// Load, together with everything else.
func (s *Settings) Bind(cmd *cobra.Command) {
	for _, set := range s.list {
		set.flag = &flagText{text: set.Default, bool: set.Bool}
		f := cmd.Flags().VarPF(set.flag, set.Name, "", set.Usage+" [$"+set.Env()+"]")
		if set.Bool {
			f.NoOptDefVal = "on"
		}
	}
}

// flagText is the value of a flag as it was typed.
type flagText struct {
	text string
	set  bool
	bool bool
}

func (f *flagText) String() string { return f.text }

func (f *flagText) Set(text string) error {
	f.text, f.set = text, true
	return nil
}

func (f *flagText) Type() string {
	if f.bool {
		return "on|off"
	}
	return "value"
}

// Sources are the places beside the command line.
type Sources struct {
	Lookup func(name string) (string, bool) // the environment
	File   string                           // "" for none
	// FileOptional tells that nobody named the file: it need not exist.
	FileOptional bool
	ReadFile     func(name string) ([]byte, error)
}

// System are the real environment and files.
func System(file string, optional bool) Sources {
	return Sources{Lookup: os.LookupEnv, File: file, FileOptional: optional, ReadFile: os.ReadFile}
}

// Faults is everything that is wrong with a configuration.
type Faults []error

func (f Faults) Error() string {
	if len(f) == 1 {
		return f[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d settings are wrong:", len(f))
	for _, err := range f {
		fmt.Fprintf(&b, "\n  %v", err)
	}
	return b.String()
}

// Unwrap gives the single faults.
func (f Faults) Unwrap() []error { return f }

// Load parses the value of weight of every setting. Names in the file that are
// not among the settings are faults unless others has them: one file serves
// all commands. The error is a Faults.
func (s *Settings) Load(src Sources, others ...string) error {
	file, faults := s.readFile(src, others)
	sound := true
	for _, set := range s.list {
		text := set.pick(src, file)
		if err := set.Parse(text); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", set.source, err))
			sound = false
		}
	}
	for _, rule := range s.check {
		if !sound {
			break
		}
		if err := rule(); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// pick finds the text of the setting and notes where it stands.
func (s *Setting) pick(src Sources, file map[string]line) string {
	if s.flag != nil && s.flag.set {
		s.source = "--" + s.Name
		return s.flag.text
	}
	if src.Lookup != nil {
		if text, ok := src.Lookup(s.Env()); ok && text != "" {
			s.source = s.Env()
			return text
		}
	}
	if l, ok := file[s.Name]; ok {
		s.source = fmt.Sprintf("%s:%d: %s", src.File, l.number, s.Name)
		return l.text
	}
	s.source = "--" + s.Name
	return s.Default
}

type line struct {
	number int
	text   string
}

func (s *Settings) readFile(src Sources, others []string) (map[string]line, Faults) {
	if src.File == "" {
		return nil, nil
	}
	b, err := src.ReadFile(src.File)
	if err != nil {
		if src.FileOptional && errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, Faults{fmt.Errorf("read the configuration file: %w", err)}
	}
	return s.parseFile(src.File, string(b), others)
}

func (s *Settings) parseFile(file, text string, others []string) (map[string]line, Faults) {
	lines := map[string]line{}
	var faults Faults
	for i, l := range strings.Split(text, "\n") {
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' {
			continue
		}
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("%s:%d: %w", file, i+1, fmt.Errorf(format, args...)))
		}
		name, value, ok := strings.Cut(l, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		known := slices.ContainsFunc(s.list, func(set *Setting) bool { return set.Name == name })
		switch first, again := lines[name]; {
		case !ok:
			fault("write `name = value`, not %q", l)
		case !known && !slices.Contains(others, name):
			fault("there is no setting %q%s", name, suggest(name, slices.Concat(s.names(), others)))
		case again:
			fault("%s is set in line %d already", name, first.number)
		default:
			lines[name] = line{i + 1, value}
		}
	}
	return lines, faults
}

func (s *Settings) names() []string {
	names := map[string]bool{}
	for _, set := range s.list {
		names[set.Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// suggest names the setting that was probably meant.
func suggest(name string, names []string) string {
	for _, n := range names {
		if strings.ReplaceAll(strings.ToLower(name), "_", "-") == n || distance(name, n) <= 2 {
			return fmt.Sprintf("; did you mean %q?", n)
		}
	}
	return ""
}

// distance counts the letters to change, add or drop between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0]++
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost = 1 + min(corner, row[j], row[j+1])
			}
			corner, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// DefaultFile is the file that is read if none is named:
// $XDG_CONFIG_HOME/runnel/runnel.conf, by default below ~/.config. "" if the
// user has no home.
func DefaultFile() string {
	if dir := xdg("XDG_CONFIG_HOME", ".config"); dir != "" {
		return filepath.Join(dir, "runnel", "runnel.conf")
	}
	return ""
}

// DefaultDataDir is where `runnel dev` keeps its data:
// $XDG_DATA_HOME/runnel/dev, by default below ~/.local/share.
func DefaultDataDir() string {
	if dir := xdg("XDG_DATA_HOME", filepath.Join(".local", "share")); dir != "" {
		return filepath.Join(dir, "runnel", "dev")
	}
	return filepath.Join("runnel-data", "dev")
}

// xdg is a base directory: the variable's if it is absolute, as the
// specification says, else one below the home.
func xdg(variable, below string) string {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, below)
}
