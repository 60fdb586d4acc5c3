package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/hansom-platform/hansom/cli"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/reference"
)

func TestTheReferenceIsWhatTheCommandsSay(t *testing.T) {
	const folder = "../docs/cli"
	pages := reference.Pages(cli.New(factory.System()))
	for name, want := range pages {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s/%s is not what its command says (%v); mend with: make generate", folder, name, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if pages[filepath.Base(file)] == nil {
			t.Errorf("%s is of no command; mend with: make generate", file)
		}
	}
}
