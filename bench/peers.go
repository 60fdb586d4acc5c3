package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansom-platform/hansom/app/broker"
)

// callTimeout is far above what any call takes; it is there because real calls
// have one.
const callTimeout = 10 * time.Second

// startBroker runs an embedded NATS server in a folder of its own.
func startBroker(ctx context.Context) (*broker.Broker, func(), error) {
	folder, err := os.MkdirTemp("", "hansom-bench-")
	if err != nil {
		return nil, nil, err
	}
	b, err := broker.Start(ctx, broker.Config{Dir: folder, Listen: "127.0.0.1:0"})
	if err != nil {
		_ = os.RemoveAll(folder)
		return nil, nil, err
	}
	return b, func() {
		_ = b.Close(context.WithoutCancel(ctx))
		_ = os.RemoveAll(folder)
	}, nil
}

// startNATS is request and reply as nats.go has them, nothing on top: one
// connection for the callers and one for the responder, to an embedded server.
func startNATS(ctx context.Context) (peer, error) {
	b, stop, err := startBroker(ctx)
	if err != nil {
		return peer{}, err
	}
	connect := func() (*nats.Conn, error) { return nats.Connect(b.URL(), nats.InProcessServer(b)) }
	server, err := connect()
	if err != nil {
		return peer{}, err
	}
	client, err := connect()
	if err != nil {
		return peer{}, err
	}
	if _, err := server.Subscribe("echo", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		return peer{}, err
	}
	if err := server.Flush(); err != nil {
		return peer{}, err
	}
	return peer{
		call: func(_ context.Context, body []byte) error {
			reply, err := client.Request("echo", body, callTimeout)
			if err == nil && len(reply.Data) != len(body) {
				err = fmt.Errorf("sent %d bytes, got %d", len(body), len(reply.Data))
			}
			return err
		},
		close: func() { client.Close(); server.Close(); stop() },
	}, nil
}

// startGRPC is a unary gRPC-go call over loopback TCP, without TLS.
func startGRPC(ctx context.Context) (peer, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return peer{}, err
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Echo",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Echo",
			Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				request := new(wrapperspb.BytesValue)
				return request, decode(request)
			},
		}},
	}, nil)
	go func() { _ = server.Serve(listener) }()
	client, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return peer{}, err
	}
	return peer{
		call: func(ctx context.Context, body []byte) error {
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			response := new(wrapperspb.BytesValue)
			err := client.Invoke(ctx, "/bench.Echo/Echo", wrapperspb.Bytes(body), response)
			if err == nil && len(response.GetValue()) != len(body) {
				err = fmt.Errorf("sent %d bytes, got %d", len(body), len(response.GetValue()))
			}
			return err
		},
		close: func() { _ = client.Close(); server.Stop() },
	}, nil
}
