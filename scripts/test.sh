#!/bin/sh
# Everything that proves the project. Stages run in order, all of them even after a failure; the closing lines name each.
# With CI set, a skipped test is a failed test; elsewhere the closing lines name each skip.
set -u
cd "$(dirname -- "$0")/.."
PATH=$PATH:$HOME/.cargo/bin
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
target=${CARGO_TARGET_DIR:-target}
logs=$target/test-logs
rm -rf "$logs"
mkdir -p "$logs"
OFFHOOK_SKIPS=$(cd "$logs" && pwd)/skips
export OFFHOOK_SKIPS
: >"$OFFHOOK_SKIPS"
began=$(date +%s)
summary=
failed=0
passed=0

stage() { # NAME COMMAND...
	name=$1
	shift
	start=$(date +%s)
	echo "== $name"
	# The pipe would hide the command's exit code: it goes through a file.
	{ "$@" 2>&1; echo $? >"$logs/$name.rc"; } | tee "$logs/$name.log"
	if [ "$(cat "$logs/$name.rc")" = 0 ]; then
		verdict=ok
		passed=$((passed + 1))
	else
		verdict=FAILED
		failed=$((failed + 1))
	fi
	summary="$summary$(printf '%-10s %-8s %5d s' "$name" "$verdict" $(($(date +%s) - start)))
"
}

features() { # what an embedder may leave out
	cargo check --quiet -p offhook-media --no-default-features &&
		cargo check --quiet -p offhook-media --no-default-features --features driver &&
		cargo check --quiet -p offhook-media --no-default-features --features opus,driver &&
		cargo check --quiet -p offhook-signaling --no-default-features &&
		cargo check --quiet -p offhook-signaling --no-default-features --features telnyx &&
		cargo check --quiet -p offhook-signaling --no-default-features --features freeswitch,transport &&
		cargo check --quiet -p offhook-signaling --no-default-features --features sip &&
		cargo check --quiet -p offhook-engine --no-default-features &&
		cargo check --quiet -p offhook-engine --no-default-features --features telnyx,opus &&
		cargo check --quiet -p offhook-engine --no-default-features --features freeswitch &&
		cargo check --quiet -p offhookd --no-default-features &&
		cargo check --quiet -p offhook-credentials --no-default-features
}

stage fmt cargo fmt --all --check
stage deny cargo deny --log-level error check bans licenses sources
stage clippy cargo clippy --quiet --workspace --all-targets --locked -- -D warnings
stage docs env RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps --locked
stage features features
stage build cargo build --quiet --workspace --locked
stage tests cargo test --workspace --locked --no-fail-fast
stage realtime scripts/rtsan.sh
stage worlds scripts/worlds.sh

echo
echo "== closing"
printf '%s' "$summary"
echo "total      $(($(date +%s) - began)) s"
count() { # cargo's closing lines: "test result: ok. 12 passed; 0 failed; ..."
	cat "$logs"/*.log | sed -n "s/^test result:.* \([0-9]*\) $1;.*/\1/p" | awk '{ n += $1 } END { print n + 0 }'
}
skips=$(sort -u "$OFFHOOK_SKIPS" | grep -c . || true)
sort -u "$OFFHOOK_SKIPS" | sed 's/^/skipped: /'
tests_failed=$(count failed)
[ "$failed" -gt 0 ] && [ "$tests_failed" = 0 ] && tests_failed=$failed
if [ "$skips" -gt 0 ] && [ -n "${CI:-}" ]; then
	echo "a skipped test is a failed test here"
	tests_failed=$((tests_failed + skips))
fi
echo "$(count passed) passed, $tests_failed failed, $skips skipped"
[ "$tests_failed" = 0 ]
