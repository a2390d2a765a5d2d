package awsapi

import (
	"fmt"
	"io"
	"strings"

	"github.com/runnel-io/runnel/api/awsapi/shape"
)

// WriteDocument writes what the operations of s take and answer, as Markdown.
func WriteDocument(w io.Writer, title string, s Service) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nGenerated from the descriptions in the code; a test keeps it current. Requests go to `%s.<Operation>`.\n", title, s.Target)
	for _, op := range s.Operations {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", op.Name, op.Doc)
		b.WriteString("| Member | Type | Constraints | |\n|---|---|---|---|\n")
		documentMembers(&b, "", op.Input)
		fmt.Fprintf(&b, "\nErrors: %s.\n", strings.Join(op.Errors, ", "))
		for _, note := range op.Notes {
			fmt.Fprintf(&b, "\nHere: %s\n", note)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func documentMembers(b *strings.Builder, prefix string, s *shape.Shape) {
	for _, m := range s.Members {
		name := prefix + m.Name
		label := "`" + name + "`"
		if m.Required {
			label += " (required)"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", label, strings.ToLower(m.Shape.Kind.String()), constraints(m.Shape), m.Doc)
		switch {
		case m.Shape.Kind == shape.Structure:
			documentMembers(b, name+".", m.Shape)
		case m.Shape.Kind == shape.List && m.Shape.Element.Kind == shape.Structure:
			documentMembers(b, name+"[].", m.Shape.Element)
		}
	}
}

func constraints(s *shape.Shape) string {
	var all []string
	if bounds := s.Bounds; bounds != nil {
		unit := ""
		switch s.Kind {
		case shape.String:
			unit = " characters"
		case shape.Blob:
			unit = " bytes"
		case shape.List:
			unit = " elements"
		case shape.Map:
			unit = " entries"
		}
		if bounds.Max == shape.NoMax {
			all = append(all, fmt.Sprintf("at least %d%s", bounds.Min, unit))
		} else {
			all = append(all, fmt.Sprintf("%d to %d%s", bounds.Min, bounds.Max, unit))
		}
	}
	if s.Pattern != nil {
		all = append(all, "`"+strings.ReplaceAll(s.Pattern.Text, "|", `\|`)+"`")
	}
	if s.Enum != nil {
		all = append(all, strings.Join(s.Enum, ", "))
	}
	return strings.Join(all, "; ")
}
