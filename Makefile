# Two commands do everything: `make run` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

BIN := $(or $(CARGO_TARGET_DIR),$(shell cargo metadata --no-deps --format-version 1 2>/dev/null | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'),target)
PREFIX ?= /usr/local

.PHONY: run test build install system lint bench

run: system build
	@scripts/run "$(BIN)/release"

test: system
	# One build for programs and tests together: apart, they would choose other features and build all twice.
	cargo build --workspace --bins --tests
	cargo test --workspace --no-fail-fast

build: system
	cargo build --release --bins

# Puts what `make build` made below $(DESTDIR)$(PREFIX). Apart from the build, so that root need not build.
install:
	@scripts/copy "$(BIN)/release" "$(DESTDIR)$(PREFIX)"

# Debian packages: the desktop's parts and the programs that the built-in company works in.
system:
	@scripts/install

lint: system
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

bench: build
	@for what in desktop feed gate console stop; do "$(BIN)/release/mezzanine" bench $$what --json; done
