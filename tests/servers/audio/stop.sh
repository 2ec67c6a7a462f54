#!/bin/sh
# Ends the PulseAudio that start.sh started in this folder, and no other. Usage: stop.sh FOLDER
set -u
run=${1:?usage: stop.sh FOLDER}
run=$(CDPATH= cd -- "$run" && pwd) || exit 0
pid=$(cat "$run/pulseaudio.pid" 2>/dev/null) || exit 0
# Its number may have gone to another process since: only one whose command line names our file is ended.
tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$run/default.pa" && {
	kill "$pid" 2>/dev/null
	tries=0
	while kill -0 "$pid" 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -le 50 ] || { kill -9 "$pid" 2>/dev/null; break; }
		sleep 0.1
	done
}
rm -f "$run/pulseaudio.pid" "$run/native" "$run/env"
