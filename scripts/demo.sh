#!/bin/sh
# Builds what a user would install and runs the demo with it. Everything after `make demo` happens on loopback.
set -eu
cd "$(dirname -- "$0")/.."
PATH=$PATH:$HOME/.cargo/bin
[ -t 2 ] && quiet= || quiet=--quiet
cargo build $quiet --release --locked -p offhookd -p offhook -p offhook-sandbox -p offhook-examples --bin offhookd --bin offhook --bin offhook-sandbox --bin demo
# exec: a signal to this process reaches the demo, which ends both daemons.
exec "${CARGO_TARGET_DIR:-target}/release/demo" "$@"
