#!/bin/sh
# Full counts: seeded worlds, long garbage, users of one daemon, calls for hours, fuzzing. Prints each part's own closing lines.
# OFFHOOK_SOAK_WORLDS, OFFHOOK_SOAK_MEDIA_WORLDS, OFFHOOK_SOAK_GARBAGE_S, OFFHOOK_SOAK_USERS, OFFHOOK_SOAK_LOAD_USERS, OFFHOOK_SOAK_CALLS,
# OFFHOOK_SOAK_CALLS_S and OFFHOOK_SOAK_FUZZ_S scale it.
set -eu
cd "$(dirname -- "$0")/.."
PATH=$PATH:$HOME/.cargo/bin

# Before hours of work, not behind them.
if ! cargo fuzz --version >/dev/null 2>&1; then
	echo "cargo fuzz is missing. Run: cargo install --locked cargo-fuzz" >&2
	exit 1
fi

echo "== worlds"
OFFHOOK_WORLDS=${OFFHOOK_SOAK_WORLDS:-1000000} OFFHOOK_MEDIA_WORLDS=${OFFHOOK_SOAK_MEDIA_WORLDS:-50000} scripts/worlds.sh

echo "== garbage"
cargo build --quiet --workspace --locked
OFFHOOK_GARBAGE_S=${OFFHOOK_SOAK_GARBAGE_S:-600} cargo test --quiet --locked -p offhook-tests --test garbage -- --nocapture

echo "== users"
OFFHOOK_USERS=${OFFHOOK_SOAK_USERS:-1000} cargo test --quiet --locked -p offhook-tests --test credentials -- fleet --nocapture

echo "== load"
cargo build --quiet --release --locked --bins -p offhook-load -p offhook-sandbox
OFFHOOK_LOAD_USERS=${OFFHOOK_SOAK_LOAD_USERS:-1000} cargo test --quiet --release --locked -p offhook-tests --test loadtest -- each_of_many --nocapture

echo "== calls"
cargo build --quiet --release --locked -p offhook-benches --bin soak
"${CARGO_TARGET_DIR:-target}/release/soak" --calls "${OFFHOOK_SOAK_CALLS:-100}" --seconds "${OFFHOOK_SOAK_CALLS_S:-7200}"

echo "== fuzz"
for target in fuzz/fuzz_targets/*.rs; do
	name=$(basename "$target" .rs)
	echo "-- $name"
	cargo +nightly fuzz run "$name" -- -max_total_time="${OFFHOOK_SOAK_FUZZ_S:-600}" -print_final_stats=1 -verbosity=0
done
