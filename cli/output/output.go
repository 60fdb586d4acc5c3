// Package output writes what verbs found: tables for people, JSON for programs.
// The verbs of package cli import it.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Format is the value of the flag -o.
type Format string

// The formats.
const (
	Text Format = "text"
	JSON Format = "json"
)

// Bind adds the flag -o to cmd. A value that is no format is wrong usage.
func (f *Format) Bind(cmd *cobra.Command) {
	*f = Text
	cmd.Flags().VarP(f, "output", "o", "`format`: text or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(
		[]cobra.Completion{string(Text), string(JSON)}, cobra.ShellCompDirectiveNoFileComp))
}

// String implements pflag.Value.
func (f *Format) String() string { return string(*f) }

// Type implements pflag.Value.
func (*Format) Type() string { return "format" }

// Set implements pflag.Value.
func (f *Format) Set(s string) error {
	switch Format(s) {
	case Text, JSON:
		*f = Format(s)
		return nil
	}
	return fmt.Errorf("want text or json")
}

// Message writes a message, and Messages a list of them, as indented JSON, with the names that
// JSON requests use. All fields are there, also those without a value.
func Message(w io.Writer, m proto.Message) error {
	data, err := encode(m)
	if err != nil {
		return err
	}
	return indent(w, data)
}

// Messages is as Message, for several.
func Messages[M proto.Message](w io.Writer, all []M) error {
	list := make([]json.RawMessage, len(all))
	for i, m := range all {
		data, err := encode(m)
		if err != nil {
			return err
		}
		list[i] = data
	}
	return Value(w, list)
}

// Value writes v as indented JSON.
func Value(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return indent(w, data)
}

// JSONOf is what Message writes, to be put into something larger.
func JSONOf(m proto.Message) (json.RawMessage, error) { return encode(m) }

func encode(m proto.Message) ([]byte, error) {
	data, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write %s as JSON: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return data, nil
}

// indent makes the spacing stable, which protojson's is not.
func indent(w io.Writer, data []byte) error {
	var out bytes.Buffer
	if err := json.Indent(&out, data, "", "  "); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	out.WriteByte('\n')
	_, err := w.Write(out.Bytes())
	return err
}

// Raw writes JSON that came from elsewhere, indented where it is JSON.
func Raw(w io.Writer, data []byte) error {
	if !json.Valid(data) {
		_, err := w.Write(append(data, '\n'))
		return err
	}
	return indent(w, data)
}

// Table aligns columns.
type Table struct {
	w *tabwriter.Writer
}

// NewTable starts a table with a header.
func NewTable(w io.Writer, header ...string) *Table {
	t := &Table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.write(header)
	return t
}

// NewList starts a table without a header: names and values.
func NewList(w io.Writer) *Table { return &Table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

// Row adds a row. An empty cell is shown as "-".
func (t *Table) Row(cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		if texts[i] = fmt.Sprint(c); texts[i] == "" {
			texts[i] = "-"
		}
	}
	t.write(texts)
}

func (t *Table) write(cells []string) {
	_, _ = fmt.Fprintln(t.w, strings.Join(cells, "\t")) // Flush tells
}

// Flush writes the table.
func (t *Table) Flush() error { return t.w.Flush() }

// Percent is a share in hundredths of a percent, as text.
func Percent(basisPoints uint32) string {
	return fmt.Sprintf("%d.%02d %%", basisPoints/100, basisPoints%100)
}

// Time is a point in time as people read it, in UTC; an absent one is "".
func Time(t *timestamppb.Timestamp) string {
	if t == nil || t.GetSeconds() == 0 && t.GetNanos() == 0 {
		return ""
	}
	return Moment(t.AsTime())
}

// Moment is as Time.
func Moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// Line is text that others wrote, on one line: control characters are escaped, so that it
// cannot steer a terminal.
func Line(text string) string {
	for _, r := range text {
		if !strconv.IsPrint(r) {
			quoted := strconv.Quote(text)
			return quoted[1 : len(quoted)-1]
		}
	}
	return text
}

// JSONLine writes v as JSON on one line, for streams.
func JSONLine(w io.Writer, v any) error {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
