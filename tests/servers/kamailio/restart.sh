#!/bin/sh
# Start one part again that was killed. Usage: restart.sh RUNTIME_DIR kamailio|rtpengine|edge-a|edge-b
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
run=${1:?usage: restart.sh RUNTIME_DIR PART}
part=${2:?usage: restart.sh RUNTIME_DIR PART}
PATH=$PATH:/usr/sbin:/usr/local/sbin
. "$here/parts.sh"
# The command line holds no spaces within its words: start.sh wrote it so.
# shellcheck disable=SC2046
begin "$part" $(cat "$run/$part.cmd")
address() { sed -n "s|^$1=.*//\([^/:]*\):\([0-9]*\).*|\1 \2|p" "$run/env"; }
listens() { # shellcheck disable=SC2046
	proxy_listens $(address "$1") "$(cat "$run/$part.pid")" || { tail -n 20 "$run/$part.log" >&2; exit 1; }
}
case $part in
kamailio) listens WS_URL ;;
edge-a) listens EDGE_A_URL ;;
edge-b) listens EDGE_B_URL ;;
rtpengine)
	# shellcheck disable=SC2046
	relay_answers $(address NG_URL) || { tail -n 20 "$run/rtpengine.log" >&2; exit 1; }
	;;
esac
