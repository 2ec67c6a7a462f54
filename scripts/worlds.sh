#!/bin/sh
# Seeded worlds in virtual time, optimised, scaled to a share of `make test`; the count is printed.
# OFFHOOK_WORLDS sets the number of seeds per world, 10,000 by default; OFFHOOK_MEDIA_WORLDS that of worlds with media, 2,000;
# OFFHOOK_FIRST_SEED where they begin, 0 by default.
set -eu
cd "$(dirname -- "$0")/.."
OFFHOOK_WORLDS=${OFFHOOK_WORLDS:-10000}
OFFHOOK_MEDIA_WORLDS=${OFFHOOK_MEDIA_WORLDS:-2000}
export OFFHOOK_WORLDS OFFHOOK_MEDIA_WORLDS
exec cargo test --profile worlds --locked -p offhook-worlds -- --nocapture
