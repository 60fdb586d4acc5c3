package app

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestAFolderHasOneHolderAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	f, err := openFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("want a folder of mode 0700, got %v, %v", info, err)
	}
	want := "(pid " + strconv.Itoa(os.Getpid()) + ")"
	if _, err := openFolder(path); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want an error with %q, got %v", want, err)
	}
	f.close()
	again, err := openFolder(path)
	if err != nil {
		t.Fatalf("want the folder again after close, got %v", err)
	}
	again.close()
}

func TestAdminIsPrivateAndOutlivesItsWriter(t *testing.T) {
	path := t.TempDir()
	f, err := openFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Admin{
		Bus: "nats://u:p@127.0.0.1:4222", API: "http://localhost:8080", PID: os.Getpid(),
		User: "admin", Password: "secret", Demo: map[string]DemoUser{"driver": {Identifier: "d", Password: "p"}},
	}
	if err := f.writeAdmin(want); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadAdmin(path); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("want %+v, got %+v, %v", want, got, err)
	}
	if info, err := os.Stat(filepath.Join(path, adminFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("want a file of mode 0600, got %v, %v", info, err)
	}
	f.close()
	want.PID = 0
	if got, err := ReadAdmin(path); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("after close: want the same without a process, got %+v, %v", got, err)
	}
}

func TestAnAdminThatTellsNothingIsNone(t *testing.T) {
	for _, text := range []string{"", "{", "{}", `{"bus":""}`} {
		path := t.TempDir()
		if err := os.WriteFile(filepath.Join(path, adminFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadAdmin(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: want an error that names the file, got %v", text, err)
		}
	}
}
