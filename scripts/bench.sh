#!/bin/sh
# Speed on this machine: SIP messages and ends of calls beside others in the same run, SIP accounts in one process at the sandbox,
# and what other ways to have sockets would cost.
# OFFHOOK_BENCH_S and OFFHOOK_BENCH_ENDS scale the calls, OFFHOOK_BENCH_ACCOUNTS the accounts.
set -eu
cd "$(dirname -- "$0")/.."
PATH=$PATH:$HOME/.cargo/bin
cargo build --quiet --release --locked -p offhook-benches -p offhook-sandbox --bins
programs=${CARGO_TARGET_DIR:-target}/release

echo "== SIP messages"
# What others depend on is none of ours, so they are built apart.
others=${CARGO_TARGET_DIR:+$CARGO_TARGET_DIR/peers}
others=${others:-benches/peers/target}
CARGO_TARGET_DIR=$others cargo build --quiet --release --locked --manifest-path benches/peers/Cargo.toml
taskset -c 0 "$others/release/sip"

accounts=${OFFHOOK_BENCH_ACCOUNTS:-10000}
last=$(($(nproc) - 1))
for way in "" --tls; do
	echo "== SIP accounts${way:+ over TLS}"
	# A core for us, another for the sandbox, as far as there are two.
	"$programs/registrations" --accounts "$accounts" --core 0 --sandbox-core "$last" $way
done

echo "== the kernel's part of a frame: a socket for each call, as offhook has it, and one for all"
"$programs/sockets"

echo "== ends of calls, both in one process, on one core"
# Ours first: the others are measured against it. The page has the same figures as a plot.
page=${CARGO_TARGET_DIR:-target}/bench/calls.html
mkdir -p "$(dirname "$page")"
"$programs/table" --program "offhook=$programs/calls" --program "str0m=$others/release/str0m" --program "rtc=$others/release/rtc" \
	--program "webrtc=$others/release/webrtc" --ends "${OFFHOOK_BENCH_ENDS:-10,100,500,1000,1500,2000,3000}" \
	--seconds "${OFFHOOK_BENCH_S:-10}" --html "$page"
echo "drawn in $page"
