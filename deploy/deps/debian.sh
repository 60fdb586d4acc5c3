#!/usr/bin/env bash
# Installs from Debian's packages what `make test` needs and this machine lacks. Safe to run again: what is already there is
# left alone, and nothing is asked for when nothing is missing.
#
#   a C compiler   the race detector (`go test -race`) is built with cgo
set -euo pipefail

cc="$(go env CC)"
cc="${cc:-gcc}"

# Only a person at a terminal can be asked for a password.
sudo_flags=""
[ -t 0 ] && [ -z "${CI:-}" ] || sudo_flags="-n"

# A compiler without libc's headers is as good as none, so try it instead of looking for its name.
can_compile() {
	printf '#include <stdlib.h>\nint main(void) { return 0; }\n' | $cc -x c - -o /dev/null >/dev/null 2>&1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo $sudo_flags "$@"
	fi
}

give_up() {
	echo "deploy/deps/debian.sh: no working C compiler ($cc), which the race detector needs, and $1." >&2
	echo "Install one (Debian: apt-get install gcc libc6-dev), or set CC to yours, and run it again." >&2
	echo "Without one, 'make test-short' runs the tests without the race detector." >&2
	exit 1
}

if can_compile; then
	exit 0
fi
command -v apt-get >/dev/null || give_up "there is no apt-get here to install it with"
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || give_up "there is no sudo to install it with"
	sudo $sudo_flags true || give_up "sudo did not let us install it"
fi

echo "deploy/deps/debian.sh: installing gcc and libc6-dev for the race detector" >&2
export DEBIAN_FRONTEND=noninteractive
as_root apt-get update -q </dev/null >&2 || give_up "apt-get update failed"
as_root apt-get install -y -q --no-install-recommends gcc libc6-dev </dev/null >&2 || give_up "apt-get install failed"
can_compile || give_up "installing gcc and libc6-dev did not mend it"
