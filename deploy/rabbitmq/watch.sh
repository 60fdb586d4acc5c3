#!/usr/bin/env bash
# Restarts RabbitMQ when it is said to run and has not answered the greeting of AMQP for half a minute: a node of 3.10 may
# hang like that after it was cut off and met the other again (README.md). hansom-rabbitmq-watch.service runs it as root.
set -u

unit=${HANSOM_WATCH_UNIT:-rabbitmq-server}
host=${HANSOM_WATCH_HOST:-127.0.0.1} port=${HANSOM_WATCH_PORT:-5672}
every=${HANSOM_WATCH_EVERY:-10} most=${HANSOM_WATCH_MISSES:-3}

# A method frame (Connection.Start) begins with the byte 1.
greets() {
	timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "AMQP\0\0\11\1" >&3 && [ "$(head -c 1 <&3)" = $'"'"'\x01'"'"' ]' \
		"$host" "$port" 2>/dev/null
}

misses=0
while sleep "$every"; do
	# One that starts, or was stopped on purpose, is left alone.
	if greets || ! systemctl is-active --quiet "$unit"; then
		misses=0
		continue
	fi
	misses=$((misses + 1))
	echo "$unit does not answer on $host:$port ($misses of $most)"
	if [ "$misses" -ge "$most" ]; then
		echo "restarting $unit"
		systemctl restart "$unit"
		misses=0
	fi
done
