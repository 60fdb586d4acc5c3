// Package exchange holds the RabbitMQ plugin rabbitmq_h2_exchange, the bespoke exchange of the
// bus, in Erlang; its README is for operators. In Go there are only tests, which run the plugin's
// own and try it on a real broker: nothing imports this package.
package exchange
