# Postern. Everything here is a thin line over go and cc; `make help` lists it.

GO     ?= go
CC     ?= cc
CFLAGS ?= -std=c99 -O2 -Wall -Wextra -Wpedantic
FILE   ?= README.md
FUZZTIME ?= 10s
BENCHTIME ?= 1s
KILLS ?= 500

# Packages with goroutines of their own, or that callers use from several.
CONCURRENT = ./ipc/... ./spe/... ./partitions/... ./nspe/... ./platform/... ./veneer/...

.DEFAULT_GOAL := build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The gate for C programs is part of the build and of the tests.
compiler:
	@command -v $(CC) >/dev/null || { echo "make: the gate for C programs needs a C compiler, and there is no $(CC): install one, or set CC" >&2; exit 1; }

build: compiler ## build the programs and the examples into bin/
	CGO_ENABLED=0 $(GO) build -o bin/ ./cmd/spe ./cmd/psa ./cmd/demo
	CGO_ENABLED=0 $(GO) build -o bin/examples/ ./nspe/examples/...
	$(CC) $(CFLAGS) -Iveneer/c -o bin/examples/its_asset nspe/examples/c/its_asset.c veneer/c/postern.c -pthread

run: ## the tour: provision a device, boot it, use it, kill it, attack it (FILE=the file to sign)
	@$(MAKE) -s build
	@bin/demo --bin bin "$(FILE)"

test: compiler ## run all tests
	$(GO) test ./...

race: ## run the tests of what is concurrent under the race detector
	$(GO) test -race $(CONCURRENT)

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

bench: build ## measure calls beside a C ping-pong of the same bytes
	@bin/demo --bin bin --bench -- $(BENCHFLAGS)

bench-storage: build ## measure storage with 10 to 100,000 assets beside files, and boots with them
	@bin/demo --bin bin --bench-storage -- --duration 4s $(BENCHFLAGS)

bench-chip: ## measure the emulated chip: decisions, words, pages, loads over the bus door and through a window
	$(GO) test -run '^$$' -bench . -benchtime $(BENCHTIME) ./platform ./platform/spu ./platform/mpc ./platform/cells ./platform/nvmc ./platform/rramc ./ipc/buslink ./nspe/flash

# At the end of its time go test now and then reports its own deadline as a failure
# ("context deadline exceeded", and no failing input): that is no finding.
fuzz: ## run every fuzz target for FUZZTIME (default 10s)
	@for target in $$(grep -rhoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | cut -d' ' -f2 | sort -u); do \
	  for dir in $$(grep -rlE "^func $$target\(" --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
	    echo "$$dir $$target"; \
	    if out=$$($(GO) test $$dir -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x 2>&1); then \
	      echo "$$out" | tail -n 2; \
	    else \
	      case "$$out" in \
	      *"ailing input"*|*"seed corpus"*|*panic*) echo "$$out"; exit 1;; \
	      *"    context deadline exceeded"*) echo "no finding, ended by its own deadline";; \
	      *) echo "$$out"; exit 1;; \
	      esac; \
	    fi; \
	  done; \
	done

crash: ## cut the power at every point of the long storage workloads (minutes)
	POSTERN_CRASH=1 $(GO) test -count=1 -v -timeout 2h -run 'PowerCuts|CrashStorm|OneFlippedBit' ./partitions/its/flashlog ./partitions/ps

soak: ## every flipped bit and thousands of random histories of a whole secure world (an hour)
	POSTERN_CRASH=1 $(GO) test -count=1 -v -timeout 2h -run FlippedBits ./spe
	$(GO) test -count=1 -v -timeout 2h -run Histories ./spe -rapid.checks=1000 -rapid.steps=100

kill-loop: ## kill the secure process KILLS times under load (default 500; minutes)
	POSTERN_KILLS=$(KILLS) $(GO) test -count=1 -v -timeout 2h -run SIGKILL ./cmd/spe

power: ## as root: take the power from the host of a durable device, on a file system of its own
	POSTERN_POWER=1 $(GO) test -count=1 -v -run '^TestHostPower$$' ./cmd/spe

clean: ## remove what build made
	rm -rf bin

.PHONY: help compiler build run test race lint bench bench-storage bench-chip fuzz crash soak kill-loop power clean
