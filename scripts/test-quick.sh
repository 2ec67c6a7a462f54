#!/bin/sh
# Formatting, lints and every test that needs no server, browser or minute of waiting.
set -eu
cd "$(dirname -- "$0")/.."
PATH=$PATH:$HOME/.cargo/bin
cargo fmt --all --check
cargo clippy --quiet --workspace --all-targets -- -D warnings
cargo test --quiet --workspace --exclude offhook-tests --lib --bins
