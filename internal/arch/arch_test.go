package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/runnel-io/runnel"

// pkg is the part of `go list -json` the rules need. Test imports count
// as imports only where a rule says so.
type pkg struct {
	ImportPath   string
	Name         string
	Dir          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
}

// rel is the package's path inside the module, "" for the root.
func (p pkg) rel() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

func (p pkg) allImports() []string {
	return slices.Concat(p.Imports, p.TestImports, p.XTestImports)
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,Imports,TestImports,XTestImports,GoFiles", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []pkg
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatalf("decode go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

func TestImportRules(t *testing.T) {
	pkgs := packages(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, p := range pkgs {
				imports := p.Imports
				if r.inTests {
					imports = p.allImports()
				}
				for _, imp := range imports {
					if r.applies(p.rel()) && !r.allows(imp) {
						t.Errorf("%s imports %s: %s", p.ImportPath, imp, r.why)
					}
				}
			}
		})
	}
}

// TestRulesCanFail plants one violation of every rule, so that a rule which
// matches nothing is noticed.
func TestRulesCanFail(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if !r.applies(r.planted.in) || r.allows(r.planted.imports) {
				t.Errorf("a %s that imports %s is not caught", r.planted.in, r.planted.imports)
			}
		})
	}
}

func TestPackageNames(t *testing.T) {
	banned := []string{"util", "utils", "common", "helper", "helpers", "types", "models", "manager", "impl"}
	for _, p := range packages(t) {
		if slices.Contains(banned, path.Base(p.ImportPath)) {
			t.Errorf("%s: the name says nothing about what is inside", p.ImportPath)
		}
	}
}

// TestSource keeps the rules that need the source and not only the imports:
// every package says what it is for, nothing registers itself by init, and
// state machines read neither clock nor randomness.
func TestSource(t *testing.T) {
	for _, p := range packages(t) {
		documented := len(p.GoFiles) == 0
		for _, name := range p.GoFiles {
			file := filepath.Join(p.Dir, name)
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			documented = documented || f.Doc != nil
			if !strings.HasSuffix(name, ".pb.go") {
				checkNoInit(t, file, f)
			}
			if stateMachines[p.rel()] {
				checkDeterministic(t, file, f)
			}
		}
		if !documented && !strings.HasPrefix(p.rel(), "proto/") {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func checkNoInit(t *testing.T, file string, f *ast.File) {
	t.Helper()
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			t.Errorf("%s: no init functions", file)
		}
	}
}

func checkDeterministic(t *testing.T, file string, f *ast.File) {
	t.Helper()
	for _, imp := range f.Imports {
		p, _ := strconv.Unquote(imp.Path.Value)
		if p == "math/rand" || p == "math/rand/v2" || p == "crypto/rand" {
			t.Errorf("%s imports %s: a state machine draws nothing at random", file, p)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		id, ok := sel.X.(*ast.Ident)
		if ok && id.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "NewTimer", "Sleep"}, sel.Sel.Name) {
			t.Errorf("%s calls time.%s: a state machine gets its time in the command", file, sel.Sel.Name)
		}
		return true
	})
}

// TestFileLength keeps files readable in one sitting.
func TestFileLength(t *testing.T) {
	for _, p := range packages(t) {
		err := filepath.WalkDir(p.Dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if file != p.Dir {
					return filepath.SkipDir
				}
				return nil
			}
			if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, ".pb.go") {
				return nil
			}
			if n := lines(t, file); n > 600 {
				t.Errorf("%s has %d lines, more than 600", file, n)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
