package rabbitbus

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A line takes what is written while nobody reads, says when it is full, and goes on when there is room.
func TestLineNeverBlocksItsWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		l := newLine(near)
		defer l.Close()
		if _, err := l.Write([]byte("first")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		big := make([]byte, lineLimit+1)
		if _, err := l.Write(big); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := l.awaitRoom(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("room in a full line: got %v; want to wait until the context's end", err)
		}
		if _, err := io.ReadFull(far, make([]byte, len("first")+len(big))); err != nil {
			t.Fatal(err)
		}
		if err := l.awaitRoom(t.Context()); err != nil {
			t.Fatalf("room after all was read: %v", err)
		}
	})
}

// A broker that takes nothing is gone after writeTimeout, unless it said that it would not.
func TestLineWaitsForWhoIsBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		l := newLine(near)
		defer l.Close()
		_, _ = l.Write([]byte("first"))
		synctest.Wait()
		l.block(true)
		ctx, cancel := context.WithTimeout(t.Context(), 10*writeTimeout)
		defer cancel()
		if err := l.awaitRoom(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("room while the broker takes nothing: got %v; want to wait until the context's end", err)
		}
		if _, err := l.Write([]byte("x")); err != nil {
			t.Fatalf("the line ended while the broker said that it takes nothing: %v", err)
		}
		l.block(false)
		if err := l.awaitRoom(t.Context()); err != nil || l.shut() {
			t.Fatalf("after the broker takes messages again: got %v, shut %v", err, l.shut())
		}
		<-time.After(writeTimeout + time.Second)
		if _, err := l.Write([]byte("x")); err == nil {
			t.Fatalf("nothing was read for %v and the line still takes messages", writeTimeout)
		}
		_ = far.Close()
	})
}
