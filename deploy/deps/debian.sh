#!/usr/bin/env bash
# Installs from Debian's packages what `make test` needs and this machine lacks. Safe to run again: what is already there is
# left alone, and neither the network nor a password is asked for when nothing is missing. Groups of packages, as arguments,
# keep it to those; without, it is all of them:
#
#   compiler    a C compiler: the race detector (`go test -race`) is built with cgo
#   databases   postgresql, mariadb-server, redis-server, for the tests of adapters
#   rabbitmq    rabbitmq-server, haproxy, and Erlang's compiler and test tools: `hansom up --bus rabbitmq`, `make exchange`, and the
#               tests of both
#
# Servers are started by tests and by hansom, in private folders; no service of the system is started, now or at the next boot.
# With --dry-run it only prints the packages that are missing.
set -euo pipefail

dry_run=""
groups=()
for argument in "$@"; do
	case "$argument" in
	--dry-run) dry_run=yes ;;
	compiler | databases | rabbitmq) groups+=("$argument") ;;
	*)
		echo "deploy/deps/debian.sh: there is no group $argument; it takes compiler, databases, rabbitmq, and --dry-run" >&2
		exit 2
		;;
	esac
done
[ "${#groups[@]}" -gt 0 ] || groups=(compiler databases rabbitmq)

cc="$(go env CC 2>/dev/null || true)"
cc="${cc:-gcc}"

# Debian keeps servers in /usr/sbin, which is not in everybody's PATH, and PostgreSQL's in a folder per version.
find_engine() {
	PATH="$PATH:/usr/local/sbin:/usr/sbin" command -v "$1" >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

# A compiler without libc's headers is as good as none, so try it instead of looking for its name.
can_compile() {
	printf '#include <stdlib.h>\nint main(void) { return 0; }\n' | $cc -x c - -o /dev/null >/dev/null 2>&1
}

# A library of Erlang's own or of a package's, such as eunit.
has_erlang() {
	compgen -G "/usr/lib/erlang/lib/$1-*/$2" >/dev/null
}

# missing prints the packages that would bring what is not there, in one line.
missing() {
	local packages=() group
	for group in "${groups[@]}"; do
		"missing_$group"
	done
	echo "${packages[*]}"
}

missing_compiler() {
	can_compile || packages+=(gcc libc6-dev)
}

missing_databases() {
	{ find_engine postgres && find_engine initdb; } || packages+=(postgresql)
	{ find_engine mariadbd && find_engine mariadb-install-db; } || packages+=(mariadb-server)
	find_engine redis-server || packages+=(redis-server)
}

# RabbitMQ's scripts are called where its package puts them: one from elsewhere does not do.
missing_rabbitmq() {
	{ find_engine erlc && find_engine epmd; } || packages+=(erlang-base)
	compgen -G "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server" >/dev/null || packages+=(rabbitmq-server)
	find_engine haproxy || packages+=(haproxy)
	has_erlang parsetools ebin || packages+=(erlang-parsetools)
	has_erlang syntax_tools ebin || packages+=(erlang-syntax-tools)
	has_erlang public_key include || packages+=(erlang-dev)
	has_erlang eunit ebin || packages+=(erlang-eunit)
	has_erlang proper ebin || packages+=(erlang-proper)
}

# Only a person at a terminal can be asked for a password.
sudo_flags=""
[ -t 0 ] && [ -z "${CI:-}" ] || sudo_flags="-n"

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo $sudo_flags "$@"
	fi
}

give_up() {
	echo "deploy/deps/debian.sh: what is needed is missing here ($wanted), and $1." >&2
	echo "Install it (Debian: apt-get install $wanted) and run this again; another C compiler than $cc is taken from CC." >&2
	echo "Without it, 'make test-short' runs the tests that need neither the race detector nor an engine." >&2
	exit 1
}

# Packages of servers start them when they are installed, unless policy-rc.d says no
# (https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt). Whatever policy the machine has comes back after.
policy=/usr/sbin/policy-rc.d
kept="$policy.before-hansom"
mark="written by hansom's deploy/deps/debian.sh, which removes it when it is done"

# One of our own was left by a run that was killed: it is not the machine's.
forbid_services() {
	if [ -e "$policy" ] && ! grep -qF "$mark" "$policy"; then
		as_root mv "$policy" "$kept"
	fi
	printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" | as_root tee "$policy" >/dev/null
	as_root chmod 755 "$policy"
}

allow_services() {
	as_root rm -f "$policy"
	if [ -e "$kept" ]; then
		as_root mv "$kept" "$policy"
	fi
}

# disable_services keeps what was just installed from starting when the machine boots.
disable_services() {
	command -v systemctl >/dev/null || return 0
	local package
	for package in "$@"; do
		case "$package" in
		postgresql | redis-server | rabbitmq-server | haproxy) as_root systemctl disable "$package" ;;
		mariadb-server) as_root systemctl disable mariadb ;;
		erlang-base) as_root systemctl disable epmd.service epmd.socket ;;
		esac
	done </dev/null >&2 || give_up "systemctl did not disable the service of $package"
}

if [ -n "$dry_run" ]; then
	missing
	exit
fi

exec 9<"$0"
if command -v flock >/dev/null; then
	flock 9 # another run on this machine may be installing the same
fi
wanted="$(missing)"
[ -n "$wanted" ] || exit 0
read -ra packages <<<"$wanted"

command -v apt-get >/dev/null || give_up "there is no apt-get here to install it with"
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || give_up "there is no sudo to install it with"
	sudo $sudo_flags true || give_up "sudo did not let us install it"
fi

echo "deploy/deps/debian.sh: installing ${packages[*]}" >&2
trap allow_services EXIT
forbid_services
# Nothing is removed to make room: a MySQL server of the machine's own, which MariaDB's package would replace, stays.
apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" 9<&- </dev/null >&2
}
apt_get update || give_up "apt-get update failed"
apt_get install -y --no-install-recommends --no-remove "${packages[@]}" || give_up "apt-get install failed"
disable_services "${packages[@]}"
left="$(missing)"
[ -z "$left" ] || give_up "installing it left out $left"
