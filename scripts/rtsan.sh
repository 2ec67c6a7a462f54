#!/bin/sh
# Runs the real-time tests under the real-time sanitizer (RTSan), which ends the process (code 43) with a stack when
# code marked `nonblocking` allocates, locks, or blocks, in Rust or in C. The sanitizer's library comes with rustc.
# By hand:
#   RTSAN_ENABLE=1 RTSAN_LIB_PATH=$(rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-gnu/lib/librustc-stable_rt.rtsan.a \
#     cargo test -p offhook-media --test realtime
set -eu
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
library=$(rustc --print sysroot)/lib/rustlib/$host/lib/librustc-stable_rt.rtsan.a
[ -f "$library" ] || {
	echo "rtsan.sh: this Rust has no real-time sanitizer for $host ($library is missing); use a stable toolchain of 1.95 or newer from rustup" >&2
	exit 3
}
export RTSAN_ENABLE=1 RTSAN_LIB_PATH="$library"
cargo test -p offhook-media --test realtime "$@"
# A sanitizer that sees nothing would also be content: this one allocation must end the process.
if OFFHOOK_RTSAN_VIOLATION=1 cargo test -q -p offhook-media --test realtime "$@" -- --exact an_allocation_in_real_time_code_is_seen >/dev/null 2>&1; then
	echo "rtsan.sh: the sanitizer did not see an allocation in real-time code, so it proves nothing here" >&2
	exit 1
fi
echo "rtsan.sh: real-time code neither allocates nor blocks, and the sanitizer sees it when it does"
