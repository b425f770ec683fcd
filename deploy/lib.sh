# What deploy/up and deploy/down share: the state directory and the processes that run from it. Sourced; needs $state.
# shellcheck shell=bash
: "${state:?}"

say() { printf '%s\n' "$*"; }
die() {
	printf 'deploy: %s\n' "$*" >&2
	exit 1
}

# The start time of a process, in clock ticks since boot: with its number, a name that is never used twice.
started_at() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	stat=${stat##*) }
	# shellcheck disable=SC2086 # the fields are to be split
	set -- $stat
	[ "$1" != Z ] || return 1
	printf '%s' "${20}"
}

# remember NAME PID: in DIR/run/NAME
remember() {
	printf '%s %s\n' "$2" "$(started_at "$2")" >"$state/run/$1"
}

# alive NAME: sets pid, true while the process remembered by that name lives
alive() {
	local since
	pid=
	read -r pid since 2>/dev/null <"$state/run/$1" || return 1
	[ "$(started_at "$pid")" = "$since" ]
}

# stop NAME SIGNAL SECONDS: waits for the end; after SECONDS, SIGKILL
stop() {
	local tenths=$(($3 * 10))
	if alive "$1"; then
		kill "-$2" "$pid" 2>/dev/null || true
		while alive "$1" && [ $((tenths -= 1)) -gt 0 ]; do
			sleep 0.1
		done
		if alive "$1"; then
			say "$1 does not stop, killing it"
			kill -KILL "$pid" 2>/dev/null || true
		fi
	fi
	rm -f "$state/run/$1"
}

# In this order: the service finishes what it began while the neighbours are there. PostgreSQL's SIGINT ends sessions and checkpoints.
stop_all() {
	stop demo TERM 5
	stop otad TERM 20
	stop mosquitto TERM 10
	stop postgres INT 60
	if [ -r "$state/run/socket_dir" ]; then
		rm -rf -- "$(cat "$state/run/socket_dir")"
		rm -f "$state/run/socket_dir"
	fi
}

# The private place of the unprivileged neighbours (data, sockets' names, secrets): DIR/home, or elsewhere if DIR cannot be entered by them.
place_of_state() {
	[ -r "$state/place" ] && cat "$state/place"
}
