// Package reference writes docs/cli from the commands themselves, with
// `hansom reference`, a hidden command that `make generate` runs.
package reference

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
)

// New makes the hidden command, which documents root.
func New(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:    "reference <folder>",
		Short:  "Write the reference of all commands as Markdown",
		Hidden: true,
		Args:   factory.Args(cobra.ExactArgs(1)),
		RunE:   func(_ *cobra.Command, args []string) error { return write(root, args[0]) },
	}
}

// write makes folder hold exactly the pages of root.
func write(root *cobra.Command, folder string) error {
	pages := Pages(root)
	old, err := filepath.Glob(filepath.Join(folder, "*.md"))
	if err != nil {
		return fmt.Errorf("write the reference: %w", err)
	}
	for _, path := range old {
		if pages[filepath.Base(path)] == nil {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("write the reference: %w", err)
			}
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // documentation is for everybody
		return fmt.Errorf("write the reference: %w", err)
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil { //nolint:gosec // documentation is for everybody
			return fmt.Errorf("write the reference: %w", err)
		}
	}
	return nil
}

// Pages returns the pages of root and all commands below it, by file name.
func Pages(root *cobra.Command) map[string][]byte {
	pages := map[string][]byte{}
	var add func(*cobra.Command)
	add = func(cmd *cobra.Command) {
		if !cmd.IsAvailableCommand() && cmd.HasParent() || cmd.Name() == "help" {
			return
		}
		pages[fileName(cmd)] = page(cmd)
		for _, c := range cmd.Commands() {
			add(c)
		}
	}
	add(root)
	return pages
}

func fileName(cmd *cobra.Command) string {
	return strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".md"
}

func page(cmd *cobra.Command) []byte {
	cmd.InitDefaultHelpFlag()
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!-- Made by make generate. Change the command's own text instead. -->\n\n# %s\n\n", cmd.CommandPath())
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(&b, "%s\n", strings.TrimSpace(text))
	if cmd.HasParent() && !cmd.HasSubCommands() {
		fmt.Fprintf(&b, "\n```\n%s\n```\n", cmd.UseLine())
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\n## Examples\n\n```\n%s\n```\n", cmd.Example)
	}
	if flags := cmd.NonInheritedFlags().FlagUsages(); flags != "" {
		fmt.Fprintf(&b, "\n## Flags\n\n```\n%s```\n", flags)
	}
	links(&b, cmd)
	return b.Bytes()
}

func links(b *bytes.Buffer, cmd *cobra.Command) {
	var list []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			list = append(list, fmt.Sprintf("- [%s](%s): %s\n", c.CommandPath(), fileName(c), c.Short))
		}
	}
	if len(list) > 0 {
		fmt.Fprintf(b, "\n## Commands\n\n%s", strings.Join(list, ""))
	}
	if cmd.HasParent() {
		fmt.Fprintf(b, "\nPart of [%s](%s).\n", cmd.Parent().CommandPath(), fileName(cmd.Parent()))
	}
}
