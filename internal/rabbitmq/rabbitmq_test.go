package rabbitmq

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"
)

func TestBoot(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for _, nodes := range []int{1, 2} {
		b, err := Start(ctx, Config{Dir: t.TempDir(), Nodes: nodes, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
		if err != nil {
			t.Fatal(err)
		}
		s := time.Now()
		if err := b.Close(ctx); err != nil {
			t.Fatal(err)
		}
		t.Log("close took", time.Since(s))
	}
}
