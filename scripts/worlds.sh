#!/bin/sh
# Seeded worlds in virtual time, optimised, scaled to a share of `make test`; the count is printed.
# OFFHOOK_WORLDS sets the number of seeds per world.
set -eu
cd "$(dirname -- "$0")/.."
exec cargo test --profile worlds --locked -p offhook-worlds -- --nocapture
