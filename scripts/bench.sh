#!/bin/sh
# Speed on this machine: call ends in one process, both ends ours, on one core.
set -eu
cd "$(dirname -- "$0")/.."
PATH=$PATH:$HOME/.cargo/bin
cargo build --quiet --release --locked -p offhook-benches
for calls in 10 100 500; do
	taskset -c 0 "${CARGO_TARGET_DIR:-target}/release/calls" --calls "$calls" --seconds "${OFFHOOK_BENCH_S:-10}"
done
