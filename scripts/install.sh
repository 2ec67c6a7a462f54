#!/bin/sh
# Installs or checks what a make target needs. Usage: install.sh demo|test
# As root or with password-less sudo it installs; otherwise it stops with the one line that would. It never asks.
set -eu
purpose=${1:?usage: install.sh demo|test}
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
export DEBIAN_FRONTEND=noninteractive
PATH=$PATH:$HOME/.cargo/bin

say() { printf '%s\n' "install: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

if ! have cargo; then
	say "cargo is missing. offhook needs Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml") or newer: https://rustup.rs"
	exit 1
fi

# --- Debian packages -------------------------------------------------------------------------------------------------
packages=
want() { # PACKAGE CHECK...: the package is added unless the check succeeds
	package=$1
	shift
	"$@" >/dev/null 2>&1 || packages="$packages $package"
}
want gcc have cc
want g++ have c++
want cmake have cmake
want pkg-config have pkg-config
want libasound2-dev pkg-config --exists alsa
if [ "$purpose" = test ]; then
	want openssl have openssl
	want curl have curl
	want chromium have chromium
	want firefox-esr have firefox-esr
	want nodejs have node
	want npm have npm
	want pulseaudio have pulseaudio
	want pulseaudio-utils have pactl
	want libasound2-plugins sh -c 'ls /usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so'
	want coturn have turnserver
	PATH=$PATH:/usr/sbin:/usr/local/sbin
	want kamailio have kamailio
	for module in websocket tls outbound presence extra utils; do
		want kamailio-$module-modules dpkg -s kamailio-$module-modules
	done
	want rtpengine-daemon have rtpengine
	want baresip-core have baresip
	want python3 have python3
	want nftables sh -c 'PATH=$PATH:/usr/sbin:/sbin command -v nft'
	want python3-venv python3 -c 'import ensurepip, venv'
	want tshark have tshark
	want iproute2 sh -c 'PATH=$PATH:/usr/sbin:/sbin command -v ip'
fi
if [ -n "$packages" ]; then
	line="apt-get install -y --no-install-recommends$packages"
	if ! have apt-get; then
		say "missing (by their Debian names):$packages. Install them with this system's package manager."
		exit 1
	elif [ "$(id -u)" = 0 ]; then
		sudo=
	elif have sudo && sudo -n true 2>/dev/null; then
		sudo="sudo -n"
	else
		say "missing:$packages. Run: sudo $line"
		exit 1
	fi
	say "$line"
	log=$(mktemp)
	# A fresh machine may have no package lists yet, or old ones.
	if ! $sudo $line >"$log" 2>&1 && ! { $sudo apt-get update >>"$log" 2>&1 && $sudo $line >>"$log" 2>&1; }; then
		tail -n 20 "$log" >&2
		say "that failed (see above). Run: sudo apt-get update && sudo $line"
		exit 1
	fi
	rm -f "$log"
	case "$packages" in
	*kamailio*) say "the tests start these servers themselves; their system services may be switched off: systemctl disable --now kamailio rtpengine-daemon" ;;
	esac
fi
[ "$purpose" = test ] || exit 0

# --- Rust's own tools ------------------------------------------------------------------------------------------------
for component in fmt clippy; do
	cargo $component --version >/dev/null 2>&1 && continue
	name=$component
	[ $component = fmt ] && name=rustfmt
	if ! have rustup || ! rustup component add "$name" >&2; then
		say "cargo $component is missing. Run: rustup component add $name"
		exit 1
	fi
done
deny=0.20.2
if [ "$(cargo deny --version 2>/dev/null)" != "cargo-deny $deny" ]; then
	say "cargo install cargo-deny --version $deny (some minutes, once)"
	# A debug build: it runs for a second, and is built in half the time.
	env -u CARGO_TARGET_DIR cargo install --quiet --locked --debug cargo-deny --version "$deny" || {
		say "that failed. Run: cargo install --locked cargo-deny --version $deny"
		exit 1
	}
fi

# --- a far end by another library, which is none of ours: built apart -------------------------------------------------
[ -x "$root/benches/peers/target/debug/str0m_end" ] || say "cargo build of a far end by str0m in benches/peers (some minutes, once)"
cargo build --quiet --locked --manifest-path "$root/benches/peers/Cargo.toml" --target-dir "$root/benches/peers/target" \
	-p offhook-peers-str0m --bin str0m_end || {
	say "that failed. Run: cargo build --locked --manifest-path benches/peers/Cargo.toml -p offhook-peers-str0m --bin str0m_end"
	exit 1
}

# --- npm packages of the browser tests -------------------------------------------------------------------------------
browser=$root/tests/browser
if [ -f "$browser/package-lock.json" ] && ! cmp -s "$browser/package-lock.json" "$browser/node_modules/.installed-lock.json"; then
	say "npm ci in tests/browser"
	(cd "$browser" && npm ci --no-audit --no-fund --ignore-scripts --silent) || {
		say "that failed. Run: cd tests/browser && npm ci"
		exit 1
	}
	cp "$browser/package-lock.json" "$browser/node_modules/.installed-lock.json"
fi

# --- PyPI packages of the media tests --------------------------------------------------------------------------------
python=$root/tests/python
if ! cmp -s "$python/requirements.txt" "$python/venv/installed.txt"; then
	say "pip install -r requirements.txt in tests/python/venv"
	python3 -m venv --clear "$python/venv" &&
		"$python/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$python/requirements.txt" || {
		say "that failed. Run: cd tests/python && python3 -m venv venv && venv/bin/pip install -r requirements.txt"
		exit 1
	}
	cp "$python/requirements.txt" "$python/venv/installed.txt"
fi
