# The parts of a set of servers: how one is begun, and when it is there. Sourced with $run set.

# NAME COMMAND...: begins it, and leaves its command line for restart.sh.
begin() {
	n=$1
	shift
	printf '%s\n' "$*" >"$run/$n.cmd"
	"$@" >>"$run/$n.log" 2>&1 </dev/null &
	echo $! >"$run/$n.pid"
}

# IP PORT: rtpengine answers on its control port.
relay_answers() {
	python3 - "$1" "$2" <<'PY'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.3)
for i in range(40):
    try:
        s.sendto(b"%d_1 d7:command4:pinge" % i, (sys.argv[1], int(sys.argv[2])))
        if b"pong" in s.recv(2048): sys.exit(0)
    except OSError:
        time.sleep(0.1)
sys.exit(1)
PY
}

# IP PORT PID: Kamailio listens, and its process lives.
proxy_listens() {
	i=0
	until python3 -c "import socket,sys; socket.create_connection(('$1',$2),1)" 2>/dev/null; do
		i=$((i + 1))
		[ $i -gt 100 ] && return 1
		kill -0 "$3" 2>/dev/null || return 1
		sleep 0.1
	done
}
