#!/usr/bin/env bash
# Makes the Go code of every .proto contract with the plugins of this checkout, and docs/cli from the commands.
#
#   generate.sh write   writes what differs and removes what no contract makes any more
#   generate.sh check   writes nothing; prints the difference and exits 1 if there is one
#
# Both plugins are built from the main module: protoc-gen-go is thus always the release of the protobuf runtime in go.mod,
# and protoc-gen-hansom the one beside it in cmd/. The options in proto/hansom come first, because protoc-gen-hansom is
# compiled against them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode="${1:?usage: generate.sh write|check}"
bin=.tools/bin
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT

# The generated files below a folder, by the line that every generator writes.
generated() {
	(cd "$1" && find "$2" -name '*.go' -exec grep -l '^// Code generated .* DO NOT EDIT\.$' {} + | sort) || true
}

# Brings the generated files of one folder into the checkout, or compares them.
deliver() {
	local folder="$1" file
	mkdir -p "$out/$folder"
	while read -r file; do
		cmp -s "$out/$file" "$file" && continue
		if [ "$mode" = check ]; then
			diff -uN "$file" "$out/$file" >&2 || true
			stale=1
		else
			cp "$out/$file" "$file"
			echo "wrote $file"
		fi
	done < <(generated "$out" "$folder")
	while read -r file; do
		[ -e "$out/$file" ] && continue
		if [ "$mode" = check ]; then
			echo "$file: no contract makes this file" >&2
			stale=1
		else
			rm "$file"
			echo "removed $file"
		fi
	done < <(generated . "$folder")
}

fail_if_stale() {
	if [ "$stale" -ne 0 ]; then
		echo "what is generated is not what make generate makes of its source (mend with: make generate)" >&2
		exit 1
	fi
}

stale=0
mkdir -p "$bin"
go build -buildvcs=false -o "$bin/protoc-gen-go" google.golang.org/protobuf/cmd/protoc-gen-go
"$bin/buf" generate --template tools/buf/options.gen.yaml --path proto/hansom -o "$out"
deliver proto/hansom
fail_if_stale

go build -buildvcs=false -o "$bin/protoc-gen-hansom" ./cmd/protoc-gen-hansom
"$bin/buf" generate -o "$out"
deliver proto
fail_if_stale

# The command writes and removes whole pages by itself.
if [ "$mode" = check ]; then
	go run -buildvcs=false ./cmd/hansom reference "$out/cli"
	diff -ruN docs/cli "$out/cli" >&2 || stale=1
	fail_if_stale
else
	go run -buildvcs=false ./cmd/hansom reference docs/cli
fi
