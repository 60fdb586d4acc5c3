package config

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// EditOptions of `hansom config edit`.
type EditOptions struct {
	common

	ID      string
	Message string
}

// NewEdit makes `hansom config edit`.
func NewEdit(f *factory.Factory, run func(context.Context, *factory.Factory, *EditOptions) error) *cobra.Command {
	o := &EditOptions{}
	cmd := &cobra.Command{
		Use:   "edit <id>",
		Short: "Change a document in $EDITOR",
		Long: `Change a document in $VISUAL or $EDITOR. When the platform refuses the text, the editor opens again with the reason above it.
When somebody else changed the document meanwhile, it opens with theirs and your changes put on top. Saving a refused text
again as it is gives up; the text is then kept in a file. Without -m the message is asked for in the first lines of the text.`,
		Example: `  hansom config edit base
  EDITOR="code --wait" hansom config edit city/LON -m "new airport"`,
		Args:              factory.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Documents),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	cmd.Flags().StringVarP(&o.Message, "message", "m", "", "`why`, for the history (default what the text says)")
	return cmd
}

func edit(ctx context.Context, f *factory.Factory, o *EditOptions) error {
	return o.with(ctx, f, func(c *client) error {
		e := &editing{f: f, o: o, config: c}
		if err := e.load(ctx); err != nil {
			return err
		}
		return e.run(ctx)
	})
}

// editing is one use of the editor, over as many rounds as it takes.
type editing struct {
	f      *factory.Factory
	o      *EditOptions
	config *client

	base     []byte // the document that the text was made from, indented
	revision uint64 // of base; 0: there is none
	text     []byte // what to edit, without the lines above it
	problem  string // why it is edited again
	refused  bool   // for that: saving the text as it is means giving up
	message  string
	path     string // of the file; kept unless the change was made or there was none
}

// load reads the document as it is now. One that is not there begins empty.
func (e *editing) load(ctx context.Context) error {
	response, err := e.config.Read(ctx, &configpb.ReadRequest{Id: e.o.ID})
	switch {
	case fault.Is(err, fault.NotFound):
		e.base, e.revision = []byte("{}\n"), 0
	case err != nil:
		return err
	default:
		var indented bytes.Buffer
		if err := output.Raw(&indented, response.GetDocument().GetJson()); err != nil {
			return err
		}
		e.base, e.revision = indented.Bytes(), response.GetDocument().GetRevision()
	}
	return nil
}

func (e *editing) run(ctx context.Context) error {
	file, err := os.CreateTemp("", "hansom-"+strings.ReplaceAll(e.o.ID, "/", "-")+"-*.json") // mode 0600
	if err != nil {
		return fmt.Errorf("edit %s: %w", e.o.ID, err)
	}
	e.path = file.Name()
	if err := file.Close(); err != nil {
		return fmt.Errorf("edit %s: %w", e.o.ID, err)
	}
	e.text, e.message = e.base, e.o.Message
	for {
		done, err := e.round(ctx)
		switch {
		case err != nil && same(e.text, e.base):
			return errors.Join(err, os.Remove(e.path))
		case err != nil:
			return fmt.Errorf("%w; your text is kept in %s", err, e.path)
		case done:
			return os.Remove(e.path)
		}
	}
}

// round opens the editor once. It is done when there is nothing more to do.
func (e *editing) round(ctx context.Context) (done bool, err error) {
	whole := append(e.above(), e.text...)
	if err := os.WriteFile(e.path, whole, 0o600); err != nil {
		return false, fmt.Errorf("edit %s: %w", e.o.ID, err)
	}
	failed := e.f.Edit(ctx, e.path)
	after, err := os.ReadFile(e.path)
	if err != nil {
		return false, errors.Join(failed, fmt.Errorf("edit %s: %w", e.o.ID, err))
	}
	e.take(after)
	switch {
	case failed != nil:
		return false, failed
	case same(e.text, e.base) || len(bytes.TrimSpace(e.text)) == 0:
		_, err := fmt.Fprintf(e.f.Err, "%s: nothing changed\n", e.o.ID)
		return err == nil, err
	case e.refused && bytes.Equal(after, whole):
		return false, fmt.Errorf("gave up on %s: %s", e.o.ID, e.problem)
	}
	return e.submit(ctx)
}

// The lines above the text begin with a mark; JSON has no such lines.
const (
	mark        = "# "
	messageMark = mark + "message:"
)

func (e *editing) above() []byte {
	var b bytes.Buffer
	if e.problem != "" {
		for line := range strings.Lines(e.problem) {
			b.WriteString(mark + "PROBLEM: " + strings.TrimSuffix(line, "\n") + "\n")
		}
		if e.refused {
			b.WriteString(mark + "Save it unchanged to give up.\n")
		}
	}
	at := "new"
	if e.revision > 0 {
		at = fmt.Sprintf("revision %d", e.revision)
	}
	fmt.Fprintf(&b, "%s%s, %s. Lines that begin with # are left out.\n", mark, e.o.ID, at)
	if e.o.Message == "" {
		fmt.Fprintf(&b, "%sWhat the change is for, for the history:\n%s %s\n", mark, messageMark, e.message)
	}
	return b.Bytes()
}

// take reads the message and the text out of the file.
func (e *editing) take(whole []byte) {
	var text bytes.Buffer
	for line := range bytes.Lines(whole) {
		message, ok := bytes.CutPrefix(line, []byte(messageMark))
		switch {
		case ok && e.o.Message == "":
			e.message = string(bytes.TrimSpace(message))
		case ok, bytes.HasPrefix(line, []byte("#")):
		default:
			text.Write(line)
		}
	}
	e.text = text.Bytes()
}

// submit tries the change. What the platform refuses is edited again.
func (e *editing) submit(ctx context.Context) (done bool, err error) {
	if err := checkObject("the text", e.text); err != nil {
		e.refuse(err.Error())
		return false, nil
	}
	if e.message == "" {
		e.refuse("the message is missing: say what the change is for")
		return false, nil
	}
	s := &SetOptions{
		common: e.o.common, ID: e.o.ID, Kind: configpb.Edit_KIND_REPLACE, JSON: e.text, Message: e.message,
		Expect: e.revision, CheckExpect: true,
	}
	response, err := s.write(ctx, e.config)
	switch {
	case err == nil:
		return true, s.tell(e.f, response)
	case fault.Is(err, fault.Conflict):
		return false, e.rebase(ctx, err)
	case fault.Is(err, fault.BadRequest):
		e.refuse(fault.From(err).Message)
		return false, nil
	}
	return false, err
}

func (e *editing) refuse(problem string) { e.problem, e.refused = problem, true }

// rebase puts what was edited on top of what somebody else wrote meanwhile.
func (e *editing) rebase(ctx context.Context, conflict error) error {
	old, mine := e.base, e.text
	if err := e.load(ctx); err != nil {
		return errors.Join(conflict, err)
	}
	merged, err := threeWay(old, mine, e.base)
	if err != nil {
		return fmt.Errorf("%w; %w", conflict, err)
	}
	e.text = merged
	e.problem = fault.From(conflict).Message + "\nBelow is what it is now, with your changes on top. Save it to write that; empty it to give up."
	e.refused = false
	return nil
}

// threeWay applies what turned base into mine to theirs.
func threeWay(base, mine, theirs []byte) ([]byte, error) {
	var parsed [3]map[string]any
	for i, text := range [][]byte{base, mine, theirs} {
		v, err := document.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("read the document: %w", err)
		}
		parsed[i], _ = v.(map[string]any)
	}
	patch, ok := document.Patch(parsed[0], parsed[1])
	if !ok {
		return nil, errors.New("your changes set null somewhere, which cannot be merged")
	}
	var indented bytes.Buffer
	err := output.Raw(&indented, document.Encode(document.Merge(parsed[2], patch)))
	return indented.Bytes(), err
}

// same reports whether two texts are the same JSON.
func same(a, b []byte) bool {
	var x, y bytes.Buffer
	if json.Compact(&x, a) != nil || json.Compact(&y, b) != nil {
		return false
	}
	return bytes.Equal(x.Bytes(), y.Bytes())
}
