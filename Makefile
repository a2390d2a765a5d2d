# Everything here is a short name for a command that can also be typed by
# hand. `go run ./cmd/runnel dev` and `go test ./...` need only Go.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION)
TOOLS    := $(CURDIR)/bin/tools
FUZZTIME ?= 10s
KILLS    ?= 50
CUTS     ?= 1000

FUSE_CUTS  ?= 100
FLIPS      ?= 300
FULL_DISKS ?= 20

# The packages in which goroutines meet; the rest is covered without -race.
RACE := ./stream/... ./storage/... ./raftlog/... ./broker/... ./api/... ./client/... ./internal/...

.PHONY: build run demo test race lint generate fuzz bench clients faults torture ci tools clean

build: ## the one binary, as it ships
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o bin/runnel ./cmd/runnel

run: build ## a node on localhost
	bin/runnel dev

demo: build ## shop metrics and a log file through a node, told as a story
	demo/run.sh bin/runnel

test: ## quick tests
	$(GO) test ./...

race: ## the concurrent packages under the race detector
	CGO_ENABLED=1 $(GO) test -race -short -p 1 -timeout 15m $(RACE)

clients: build ## boto3, the AWS CLI and aws-sdk-go-v2 against a node
	test/clients/run.sh bin/runnel

faults: build ## kill -9, power cuts, flipped bits, full disks, at CI size
	$(GO) test -tags faults -count=1 -timeout 15m ./test/faults/...

torture: build ## the same at full size
	RUNNEL_KILLS=$(KILLS) RUNNEL_FUSE_CUTS=$(FUSE_CUTS) RUNNEL_FLIPS=$(FLIPS) RUNNEL_FULL_DISKS=$(FULL_DISKS) \
		$(GO) test -tags faults -count=1 -timeout 60m -v ./test/faults/...
	RUNNEL_POWER_CUTS=$(CUTS) $(GO) test -count=1 -timeout 60m -v -run PowerCut ./internal/node/...

bench: build ## the figures of docs/benchmarks.md
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/onenode ./bench/onenode
	bin/onenode -runnel bin/runnel

fuzz: ## every fuzz target for FUZZTIME
	GO="$(GO)" FUZZTIME=$(FUZZTIME) .ci/fuzz

tools: ## developer tools, at the versions of tools/go.mod
	cd tools && $(GO) build -o $(TOOLS)/ tool

generate: tools ## generated code from proto/
	PATH="$(TOOLS):$$PATH" buf generate

lint: tools
	GO="$(GO)" TOOLS="$(TOOLS)" .ci/lint

ci: ## what a submission must pass
	.ci/run

clean:
	rm -rf bin
