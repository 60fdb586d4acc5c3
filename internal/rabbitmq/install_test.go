package rabbitmq

import "testing"

func TestLatest(t *testing.T) {
	const want = "/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin/rabbitmq-server"
	got := latest([]string{
		"/usr/lib/rabbitmq/lib/rabbitmq_server-3.8.9/sbin/rabbitmq-server", want,
		"/usr/lib/rabbitmq/lib/rabbitmq_server-3.9.13/sbin/rabbitmq-server",
	})
	if got != want {
		t.Errorf("the latest is %s, want %s", got, want)
	}
}
