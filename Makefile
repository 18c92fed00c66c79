# snapferry. `make` alone prints what there is.
# All that this file downloads or builds goes to .tools/, bin/ and dist/, which git ignores.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

GO ?= go
BIN := $(CURDIR)/.tools/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# The race detector needs a C compiler; nothing else here does.
HAVE_CC := $(shell command -v "$$($(GO) env CC)" 2>/dev/null)
RACE := $(if $(HAVE_CC),-race)

# How long each fuzz target runs in `make fuzz` and `make prove`.
FUZZTIME ?= 60s
# How many random histories of vaults `make prove` holds against the promise.
WORLDS ?= 1000000
# The systems that `make cross` compiles for.
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
# More arguments for go test, e.g. ARGS='-run TestPut -v'; PKG chooses the packages.
ARGS ?=
PKG ?= ./...

.PHONY: help
help: ## print this list
	@printf 'usage: make TARGET\n'
	@awk -F':.*## ' '/^##@ /{printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## /{printf "  %-14s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

##@ the program

.PHONY: build
build: ## build bin/snapferry: one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/snapferry

.PHONY: demo
demo: build tools-s3 ## back up, kill, resume, verify, restore and compare, on real servers
	@scripts/system-packages.sh zstd age
	@$(MAKE) --no-print-directory tools-neo4j
	scripts/demo.sh

.PHONY: bench
bench: build tools-s3 ## measure against the in-memory limit and other tools, side by side
	scripts/bench.sh $(ARGS)

##@ checks

.PHONY: test
test: tools-s3 tools-minio tools-moto tools-azure tools-neo4j tools-system ## run every test, race detector on
	@$(if $(RACE),,echo 'note: no C compiler was found; the race detector is off'; [ "$${CI:-}" != true ])
	$(GO) test $(RACE) -timeout 60m $(ARGS) $(PKG)

.PHONY: lint
lint: $(BIN)/golangci-lint ## check style, layers, formatting, go.mod, scripts and terraform
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go' | while read -r f; do [ ! -f "$$f" ] || echo "$$f"; done)); \
		[ -z "$$out" ] || { echo "not formatted (gofmt -w):"; echo "$$out"; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(BIN)/golangci-lint run ./...
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run; else echo 'note: shellcheck was not found; the scripts are not checked'; fi
	@scripts/terraform-check.sh

.PHONY: cross
cross: ## compile and vet for every supported system
	scripts/cross.sh $(PLATFORMS)

.PHONY: fuzz
fuzz: ## fuzz every target for FUZZTIME each
	scripts/fuzz.sh $(FUZZTIME)

.PHONY: prove
prove: tools-s3 tools-minio tools-moto tools-azure tools-neo4j tools-system ## the long proofs: hundreds of kills, a million files, a million worlds, fuzzing
	SNAPFERRY_PROVE=1 $(GO) test $(RACE) -timeout 4h $(ARGS) $(PKG)
	SNAPFERRY_WORLDS=$(WORLDS) $(GO) test -timeout 4h -run 'Worlds$$' -v ./lifecycle
	scripts/fuzz.sh $(FUZZTIME)

##@ what the checks need

.PHONY: tools
tools: tools-s3 tools-minio tools-moto tools-azure tools-neo4j tools-system $(BIN)/golangci-lint ## fetch and build all that tests and lint need

.PHONY: tools-s3
tools-s3: $(BIN)/versitygw ## the S3 server of the tests and the demo

.PHONY: tools-minio
tools-minio: $(BIN)/minio ## a second S3 server for the tests

.PHONY: tools-moto
tools-moto: ## a third one, from PyPI
	@scripts/moto.sh

.PHONY: tools-azure
tools-azure: ## Azurite, the Azure server of the tests, where Node.js is found
	@scripts/azurite.sh

.PHONY: tools-gcs
tools-gcs: $(BIN)/fake-gcs-server ## the GCS server of the benchmark; tests have it in process

.PHONY: tools-neo4j
tools-neo4j: ## Neo4j Community homes, where Java and Maven are found
	@scripts/neo4j-homes.sh

.PHONY: tools-system
tools-system: ## zstd, age and the tools of btrfs, from the system packages
	@scripts/system-packages.sh zstd age $(if $(filter Linux,$(shell uname -s)),btrfs=btrfs-progs)

.PHONY: tools-bench
tools-bench: tools-s3 tools-gcs tools-azure $(BIN)/rclone ## the programs that make bench compares with
	@scripts/system-packages.sh zstd restic || true
	@scripts/bench-aws.sh

$(BIN)/versitygw: tools/go.mod tools/go.sum
	CGO_ENABLED=0 $(GO) -C tools build -o $@ github.com/versity/versitygw/cmd/versitygw
	@touch $@

$(BIN)/fake-gcs-server: tools/go.mod tools/go.sum
	CGO_ENABLED=0 $(GO) -C tools build -o $@ github.com/fsouza/fake-gcs-server
	@touch $@

$(BIN)/minio: tools/minio/go.mod tools/minio/go.sum
	CGO_ENABLED=0 $(GO) -C tools/minio build -o $@ github.com/minio/minio
	@touch $@

$(BIN)/golangci-lint: tools/go.mod tools/go.sum
	CGO_ENABLED=0 $(GO) -C tools build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

$(BIN)/rclone: tools/bench/go.mod tools/bench/go.sum
	CGO_ENABLED=0 $(GO) -C tools/bench build -o $@ github.com/rclone/rclone
	@touch $@

.PHONY: clean
clean: ## remove what was built; .tools/ stays, since it takes long
	rm -rf bin dist
