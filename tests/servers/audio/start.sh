#!/bin/sh
# Starts a private PulseAudio without hardware, as a plain process. Usage: start.sh FOLDER
# No sound card, no D-Bus, no root; nothing outside FOLDER is written. End it with `stop.sh FOLDER`.
#
#   speakerN  a sink: what a program plays; its sound can be recorded from speakerN.monitor
#   micN      a source: what a program hears; it is fed by playing into the sink feedN
#
# With PULSE_SINK=feed1 and PULSE_SOURCE=mic1 a program hears itself. FOLDER/env holds the variables to set, for PulseAudio
# and for ALSA (whose `default`, `speaker1` and `mic1` lead to the same devices).
# Ends with 3 when a program is missing. RATE (48000) and DEVICES (2) change the devices.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
run=${1:?usage: start.sh FOLDER}
mkdir -p "$run"
run=$(CDPATH= cd -- "$run" && pwd)
chmod 700 "$run"
rate=${RATE:-48000}
devices=${DEVICES:-2}

for program in pulseaudio pactl; do
	command -v "$program" >/dev/null 2>&1 || { echo "missing program: $program" >&2; exit 3; }
done
plugin=
for folder in /usr/lib/*/alsa-lib /usr/lib/alsa-lib /usr/lib64/alsa-lib; do
	[ -e "$folder/libasound_module_pcm_pulse.so" ] && plugin=$folder
done
[ -n "$plugin" ] || { echo "missing ALSA plugin for PulseAudio: libasound2-plugins" >&2; exit 3; }

fail() {
	echo "start.sh: $*" >&2
	tail -n 30 "$run/pulseaudio.log" >&2 2>/dev/null || true
	"$here/stop.sh" "$run" || true
	exit 1
}

# The path of a Unix socket holds 107 bytes at most.
socket=$run/native
[ ${#socket} -lt 100 ] || fail "the folder's path is too long for a Unix socket: $run"
mkdir -p "$run/home" "$run/state"
{
	echo "load-module module-native-protocol-unix auth-anonymous=1 socket=$socket"
	number=1
	while [ "$number" -le "$devices" ]; do
		# norewinds: otherwise a null sink renders blocks of two seconds and the first capture comes that late.
		for sink in speaker feed; do
			echo "load-module module-null-sink sink_name=$sink$number rate=$rate channels=1 norewinds=1"
		done
		echo "load-module module-remap-source source_name=mic$number master=feed$number.monitor"
		number=$((number + 1))
	done
	echo "set-default-sink speaker1"
	echo "set-default-source mic1"
} >"$run/default.pa"
cat >"$run/asound.conf" <<CONF
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse server "unix:$socket" hint { show on description "Default" } }
ctl.!default { type pulse server "unix:$socket" }
pcm.speaker1 { type pulse server "unix:$socket" device "speaker1" hint { show on description "speaker1" } }
pcm.mic1 { type pulse server "unix:$socket" device "mic1" hint { show on description "mic1" } }
CONF
XDG_RUNTIME_DIR=$run HOME=$run/home PULSE_RUNTIME_PATH=$run PULSE_STATE_PATH=$run/state PULSE_CONFIG_PATH=$run/home \
	DBUS_SESSION_BUS_ADDRESS= DBUS_SYSTEM_BUS_ADDRESS= \
	pulseaudio -n -F "$run/default.pa" --daemonize=no --exit-idle-time=-1 --use-pid-file=no --disable-shm=yes \
	--disallow-exit --high-priority=no --realtime=no --log-target=stderr --log-level=notice \
	>"$run/pulseaudio.log" 2>&1 </dev/null &
echo $! >"$run/pulseaudio.pid"
tries=0
until PULSE_SERVER=unix:$socket pactl get-default-source 2>/dev/null | grep -q '^mic1$'; do
	tries=$((tries + 1))
	[ "$tries" -le 100 ] || fail "PulseAudio did not answer"
	kill -0 "$(cat "$run/pulseaudio.pid")" 2>/dev/null || fail "PulseAudio ended"
	sleep 0.1
done
cat >"$run/env" <<ENV
PULSE_SERVER=unix:$socket
ALSA_CONFIG_PATH=$run/asound.conf
PULSE_SINK=speaker1
PULSE_SOURCE=mic1
ENV
