package gateway

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	writeTime     = 10 * time.Second // for the answer, on top of reading and the budget
)

func (g *Gateway) newServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           g.Handler(),
		Protocols:         &protocols,
		ReadHeaderTimeout: min(headerTimeout, g.config.Read),
		ReadTimeout:       g.config.Read,
		WriteTimeout:      g.config.Read + maxTimeout + writeTime,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    2 * maxHeader, // what is between gets a problem that says so
		ErrorLog:          serverLog(g.log),

		DisableGeneralOptionsHandler: true, // "OPTIONS *" is answered as all else is
	}
}

// serverLog takes what net/http says of connections that clients broke.
func serverLog(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }

// Run runs the service, and once it is registered listens for HTTP, until ctx
// ends. Then /status says 503, the listener closes, requests under way are
// finished, and last the service drains; Run returns nil. It returns an error when
// the address cannot be had or the service ended by itself.
func (g *Gateway) Run(ctx context.Context, dial platform.Dial) error {
	serviceContext, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	service := make(chan error, 1)
	go func() { service <- g.svc.Run(serviceContext, dial) }()
	select {
	case err := <-service:
		return endedEarly(err)
	case <-ctx.Done():
		stop()
		return <-service
	case <-g.svc.Ready():
	}
	serviceEnded, err := g.listen(ctx, service)
	if serviceEnded {
		return err
	}
	stop()
	return errors.Join(err, <-service)
}

// listen serves HTTP until ctx or the service ends, and reports whether it was the
// service.
func (g *Gateway) listen(ctx context.Context, service <-chan error) (serviceEnded bool, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", g.config.Listen)
	if err != nil {
		return false, listenError(g.config.Listen, err)
	}
	g.server.BaseContext = func(net.Listener) context.Context { return g.identify(ctx) }
	served := make(chan error, 1)
	go func() { served <- g.server.Serve(listener) }()
	address := listener.Addr().String()
	g.address.Store(&address)
	close(g.ready)
	select {
	case <-ctx.Done():
		g.drain(g.config.Settle)
	case err = <-served:
		err = fmt.Errorf("serve HTTP on %s: %w", address, err)
	case err = <-service:
		serviceEnded, err = true, endedEarly(err)
		g.drain(0)
	}
	return serviceEnded, err
}

// identify has spans and log lines below the returned context name the instance.
// It does not end when ctx does: requests under way are finished.
func (g *Gateway) identify(ctx context.Context) context.Context {
	return telemetry.WithIdentity(context.WithoutCancel(ctx), telemetry.Identity{
		Service: g.svc.Name(), Instance: g.svc.ID(), Version: g.svc.Version(),
		Region: g.svc.Zone().Region, Zone: g.svc.Zone().Zone,
	})
}

// drain stops listening and returns when what was under way is answered or cut off.
func (g *Gateway) drain(settle time.Duration) {
	g.draining.Store(true)
	g.server.SetKeepAlivesEnabled(false)
	if settle > 0 {
		<-time.After(settle)
	}
	limit, cancel := context.WithTimeout(context.Background(), g.config.Drain)
	defer cancel()
	if err := g.server.Shutdown(limit); err != nil {
		g.log.Warn("requests were cut off: they were not finished within the limit of the drain", "limit", g.config.Drain, "requests", g.busy.Load())
		_ = g.server.Close() // what it closes is being given up
	}
}

func endedEarly(err error) error {
	if err == nil {
		return errors.New("the gateway's service ended before the gateway was asked to")
	}
	return err
}

func listenError(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen for HTTP on %s: another program has this address; stop it or choose another with --listen", address)
	}
	return fmt.Errorf("listen for HTTP on %s: %w", address, err)
}
