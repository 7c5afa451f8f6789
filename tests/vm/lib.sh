# Sourced by what runs in the guest: how a case is run and what is said of it.
#
# Each case prints "ok NAME", "skip NAME: why" or "FAIL NAME" with what was seen. The kernel's log is looked at after each: a case
# that leaves a warning or worse there is a failure. /files/select has a pattern of names (grep -E) when only some are to run.
passed=0 failed=0 skipped=0
features=$(awl --info)
selected=$(cat /files/select 2>/dev/null)

has() { echo "$features" | grep -qE "^  $1 +yes"; }

wanted() { [ -z "$selected" ] || echo "$1" | grep -qE "$selected"; }

# took NAME: notes how long it is since the case before
took() {
	read -r up rest </proc/uptime
	up=${up%.*}${up#*.} # in hundredths of a second, without a process
	[ "${last:-}" = "" ] || echo "$((up - last)) $1" >>/tmp/times
	last=$up
}
took begin

# slowest: the ten cases that took longest
slowest() {
	echo "slowest:$(sort -rn /tmp/times | head -n 10 | awk '{ t = $1; $1 = ""; printf "%s%s %.1f s", n++ ? "," : "", $0, t / 100 }')"
}

ok() {
	passed=$((passed + 1))
	took "$1"
	echo "ok $1"
}

skip() { # skip NAME WHY
	skipped=$((skipped + 1))
	took "$1"
	echo "skip $1: $2"
}

fail() { # fail NAME WHAT FILE…: the FILEs have what was seen
	failed=$((failed + 1))
	took "$1"
	echo "FAIL $1: $2"
	shift 2
	head -n 40 "$@" </dev/null
}

# clean NAME: the kernel has nothing to say about the case
clean() {
	dmesg -c >/tmp/log
	if grep -E "$KERNEL_TROUBLE" /tmp/log >/tmp/trouble; then
		fail "$1" "the kernel's log has trouble" /tmp/log
		return 1
	fi
}

# alive PID: it runs; one that has ended and was not waited for yet does not
alive() { grep -q '^State:[^Z]*$' "/proc/$1/status" 2>/dev/null; }

# at_work PID: waits until an awl that was started beside has attached, or is gone. It says nothing then that could be waited for, so
# its process is looked at: it catches SIGINT (before that the signal would be lost) and sleeps in ppoll, which it does
# between events alone. The number of ppoll is that of x86_64 or arm64.
at_work() {
	while alive "$1"; do
		grep -qE '^SigCgt:\s*[0-9a-f]*[2367abef]$' "/proc/$1/status" 2>/dev/null &&
			grep -qE '^(271|73) ' "/proc/$1/syscall" 2>/dev/null && return
		sleep 0.1
	done
}

# ended NAME PID: waits for what was interrupted; false when it has not left after a long time, which is a failure of NAME that
# shows where it is. The exit status is in $status.
ended() {
	for i in $(seq 600); do
		alive "$2" || break
		sleep 0.2
	done
	if alive "$2"; then
		grep -E '^(Name|State|Threads|Sig|Shd)' "/proc/$2/status" >/tmp/stuck
		cat "/proc/$2/syscall" "/proc/$2/wchan" "/proc/$2/stack" >>/tmp/stuck 2>&1
		kill -9 "$2"
		wait "$2"
		fail "$1" "it does not leave when it is interrupted" /tmp/stuck /tmp/out /tmp/err
		return 1
	fi
	wait "$2"
	status=$?
}

# expect NAME PATTERN awl-arguments…: some line of the output matches all of PATTERN; $awl is what is run instead of awl
expect() {
	name=$1 pattern=$2
	shift 2
	wanted "$name" || return
	timeout 60 "${awl:-awl}" -q "$@" >/tmp/out 2>/tmp/err
	clean "$name" || return
	if grep -hE "^($pattern)\$" /tmp/out /tmp/err >/dev/null; then
		ok "$name"
	else
		fail "$name" "no line is $pattern in" /tmp/out /tmp/err
	fi
}

# needs FEATURE NAME PATTERN …: skipped where the kernel lacks it
needs() {
	feature=$1
	shift
	if has "$feature"; then
		expect "$@"
	elif wanted "$1"; then
		skip "$1" "this kernel has no $feature"
	fi
}

# documented FILE: the reason, when the messages in FILE have one for which awl refuses a program
documented() {
	sed -n -E \
		-e 's/^error\[E07[0-9]+\]: //p' \
		-e 's/^error(\[E[0-9]+\])?: (no probe matches .*)/\2/p' \
		-e 's/^error(\[E[0-9]+\])?: (.*(No such file or directory|there is no (file|process|hardware)|no such (hardware|file)|is no cgroup).*)/\2/p' \
		-e 's/^error(\[E[0-9]+\])?: (there is no function bpf_.*)/\2/p' \
		-e 's/^error(\[E[0-9]+\])?: (find library .*)/\2/p' \
		-e 's/^error(\[E[0-9]+\])?: (the kernel has no symbol .*)/\2/p' \
		-e 's/^error(\[E[0-9]+\])?: (tracepoint:.* has no argument .*|(struct|union) [a-z_]+ has no field .*|the name [A-Z_]+ is not known)/\2/p' \
		"$1" | head -n 1
}

# verdict NAME STATUS: what /tmp/err says
verdict() {
	clean "$1" || return
	reason=$(documented /tmp/err)
	if [ "$2" -eq 0 ]; then
		ok "$1"
	elif [ -n "$reason" ]; then
		skip "$1" "$reason"
	else
		fail "$1" "left with $2" /tmp/err
	fi
}
