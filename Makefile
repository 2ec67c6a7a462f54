# The two commands a newcomer needs: `make demo` and `make test`. Each installs or checks what it needs first.
.PHONY: demo test test-quick soak bench install-demo install-test

demo: install-demo
	@scripts/demo.sh

test: install-test
	@scripts/test.sh

# What a developer runs each minute: formatting, lints and everything that needs no server, browser or minute of waiting.
test-quick:
	@scripts/test-quick.sh

# Full counts of seeded worlds, long garbage, fuzzing; hours.
soak: install-test
	@scripts/soak.sh

# Speed, as ratios within one run; nice to look at on a quiet machine.
bench: install-demo
	@scripts/bench.sh

install-demo:
	@scripts/install.sh demo

install-test:
	@scripts/install.sh test
