#!/usr/bin/env bash
# Builds the plugin from Debian's packages, or tests it.
#
#   build.sh build FOLDER   writes FOLDER/rabbitmq_h2_exchange-<version>.ez, where it is older than the sources
#   build.sh test           runs the golden cases of proto/vectors and the properties
set -euo pipefail
started_in="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")"

name=rabbitmq_h2_exchange
version="$(sed -n 's/.*{vsn, "\(.*\)"}.*/\1/p' src/$name.app.src)"

fail() {
	echo "exchange: $1; install what it takes with: make deps-rabbitmq" >&2
	exit 1
}

command -v erlc >/dev/null || fail "there is no Erlang compiler (erlc)"
plugins="$(compgen -G '/usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins' | sort -V | tail -n 1)" || fail "RabbitMQ is not installed"
export ERL_LIBS="$plugins"

compile() {
	mkdir -p "$1"
	erlc -Werror +debug_info -I src -o "$1" src/*.erl
}

build() {
	local target="$1/$name-$version.ez"
	if [ -e "$target" ] && [ -z "$(find src build.sh -newer "$target" -print -quit)" ]; then
		return
	fi
	work="$(mktemp -d)"
	trap 'rm -rf "$work"' EXIT
	compile "$work/$name-$version/ebin"
	cp src/$name.app.src "$work/$name-$version/ebin/$name.app"
	# Beside the target and moved there, so that nobody reads half a file, or none.
	work="$work" target="$target.tmp" name="$name-$version" erl -noinput -eval '
		{ok, _} = zip:create(os:getenv("target"), [os:getenv("name")], [{cwd, os:getenv("work")}]), halt().'
	mv "$target.tmp" "$target"
	find "$1" -name "$name-*.ez" ! -name "$name-$version.ez" -delete
	echo "exchange: built $target"
}

run_tests() {
	work="$(mktemp -d)"
	trap 'rm -rf "$work"' EXIT
	compile "$work"
	erlc -Werror +debug_info -I src -o "$work" test/*.erl || fail "the tests do not compile: EUnit and PropEr are needed"
	H2_VECTORS="$(cd ../../proto/vectors && pwd)/route.json" erl -noinput -pa "$work" -eval '
		Units = [eunit:test(M) || M <- [h2_rule_tests, h2_binding_tests]],
		Properties = proper:module(h2_props, [{numtests, 500}, {to_file, user}]),
		halt(case {lists:usort(Units), Properties} of {[ok], []} -> 0; _ -> 1 end).'
}

case "${1:-} ${2:-}" in
"build "?*) build "$(cd "$started_in" && mkdir -p "$2" && cd "$2" && pwd)" ;;
"test ") run_tests ;;
*) echo "usage: build.sh build FOLDER | test" >&2; exit 2 ;;
esac
