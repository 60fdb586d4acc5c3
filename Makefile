# Every target that checks something has the target that mends it beside it: lint / fmt, generate-check / generate.

MODULE := github.com/hansom-platform/hansom

# A build's version is its commit's time, so that versions sort by time. Outside a git checkout it is the time of the build
# (SOURCE_DATE_EPOCH where that is set).
NOW := $(if $(SOURCE_DATE_EPOCH),--date=@$(SOURCE_DATE_EPOCH))
VERSION := $(or \
	$(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y%m%d%H%M%S 2>/dev/null),\
	$(shell date -u $(NOW) +%Y%m%d%H%M%S))
LDFLAGS := -s -w -X $(MODULE)/app.BuildVersion=$(VERSION)

# Nested modules (bench, tools) are not part of ./... and their files are formatted all the same.
GO_FILES = $(shell find . -name '*.go' -not -path './.*' -not -path '*/node_modules/*' -not -path './data/*')

TEST_FLAGS ?=
FUZZTIME ?= 20s
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

.PHONY: help
help: ## show this list
	@echo 'Hansom: make <target>'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  ARGS='...' is passed to 'hansom up' and to bench, TEST_FLAGS='...' to 'go test', FUZZTIME=1m to fuzz."

.PHONY: up
up: build ## build, then run the whole platform with its demo city (Ctrl-C stops it)
	@exec bin/hansom up $(ARGS)

.PHONY: build
build: ## build bin/hansom
	CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '$(LDFLAGS)' -o bin/hansom ./cmd/hansom

.PHONY: deps
deps: ## install what the tests need and this machine lacks (a C compiler, PostgreSQL, MariaDB, Redis, RabbitMQ, HAProxy, Erlang)
	@deploy/deps/debian.sh

.PHONY: deps-rabbitmq
deps-rabbitmq: ## install what 'hansom up --bus rabbitmq' and make exchange need and this machine lacks (RabbitMQ, HAProxy, Erlang)
	@deploy/deps/debian.sh rabbitmq

.PHONY: exchange
exchange: ## build the RabbitMQ exchange plugin into bin/plugins (needs Erlang and RabbitMQ: make deps-rabbitmq)
	@exchange/rabbitmq_h2_exchange/build.sh build bin/plugins

.PHONY: test-exchange
test-exchange: ## run the exchange plugin's golden cases and properties, in Erlang
	@exchange/rabbitmq_h2_exchange/build.sh test

.PHONY: test
test: deps exchange check-format ## check format, vet, then run every test with the race detector
	go vet ./...
	cd bench && go vet ./...
	CGO_ENABLED=1 go test -race -timeout 25m $(TEST_FLAGS) ./...

.PHONY: test-short
test-short: ## run the tests that need neither the race detector nor long runs
	go test -short -timeout 5m $(TEST_FLAGS) ./...

.PHONY: drill-zones
drill-zones: deps-rabbitmq exchange ## kill the RabbitMQ brokers of one of two zones under load, and print what failed for how long
	go test ./e2e/processes -run '^TestZonesDrill$$' -count=1 -v -timeout 10m -args -goals

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (20s), one after the other; the first crash ends it
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u | while read -r folder; do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$$folder"/*_test.go | cut -d ' ' -f 2); do \
			echo "== $$folder $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$folder" < /dev/null; \
		done; \
	done

.PHONY: check-format
check-format:
	@unformatted="$$(gofmt -l $(GO_FILES))"; \
	if [ -n "$$unformatted" ]; then \
		printf 'not formatted by gofmt (mend with: make fmt):\n%s\n' "$$unformatted" >&2; \
		exit 1; \
	fi

.PHONY: bench
bench: build deps-rabbitmq exchange ## measure the platform on this machine, against bare peers and its previous issue
	cd bench && go run -buildvcs=false . $(ARGS)

.PHONY: lint
lint: .tools/bin/golangci-lint .tools/bin/buf ## look for bugs in Go code and faults in .proto contracts (mend format with: make fmt)
	.tools/bin/golangci-lint run ./...
	cd bench && ../.tools/bin/golangci-lint run --config ../.golangci.yml ./...
	.tools/bin/buf lint
	.tools/bin/buf format --exit-code --diff

.PHONY: fmt
fmt: .tools/bin/buf ## format Go code and .proto contracts
	@gofmt -l -w $(GO_FILES)
	.tools/bin/buf format -w

.PHONY: generate
generate: .tools/bin/buf ## generate Go code from the .proto contracts, and docs/cli from the commands
	tools/generate.sh write

.PHONY: generate-check
generate-check: .tools/bin/buf ## fail if the generated code or docs/cli is not what make generate makes
	tools/generate.sh check

.PHONY: tools
tools: .tools/bin/buf .tools/bin/golangci-lint .tools/bin/benchstat ## build the pinned tools into .tools/bin

.PHONY: clean
clean: ## remove what was built (the data folder stays)
	rm -rf bin .tools

# Each tool is pinned by a go.mod of its own and rebuilt when that, or the Go release, changes.
.tools/bin/buf: PIN := tools/buf
.tools/bin/buf: tools/buf/go.mod tools/buf/go.sum
.tools/bin/golangci-lint: PIN := tools/lint
.tools/bin/golangci-lint: tools/lint/go.mod tools/lint/go.sum
.tools/bin/benchstat: PIN := tools/perf
.tools/bin/benchstat: tools/perf/go.mod tools/perf/go.sum

.tools/bin/%: .tools/go-version
	@echo 'building $(@F)$(if $(findstring lint,$@), (the first time takes minutes))'
	@mkdir -p $(@D)
	@cd $(PIN) && GOBIN='$(CURDIR)/.tools/bin' go install -buildvcs=false tool
	@touch $@

.tools/go-version: FORCE
	@mkdir -p $(@D)
	@go env GOVERSION | cmp -s - $@ || go env GOVERSION > $@

.PHONY: FORCE
FORCE:
