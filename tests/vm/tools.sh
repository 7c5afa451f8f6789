# Part of cases.sh: bpftrace's own tools, each for two seconds beside a workload of files, processes and the
# network. A tool passes when it attaches and leaves cleanly.
workload() {
	while :; do
		dd if=/dev/zero of=/tmp/load bs=64k count=20
		sync
		cat /tmp/load
		ls -lR /proc/self
		echo hello | nc -w 1 127.0.0.1 9
		rm -f /tmp/load
	done >/dev/null 2>&1
}

# run_tool FILE: two seconds from when it is attached; returns its exit status
run_tool() {
	__BPFTRACE_NOTIFY_PROBES_ATTACHED=1 awl --no-warnings --unsafe "$1" </dev/null >/tmp/out 2>/tmp/err &
	tool=$!
	for second in $(seq 60); do
		kill -0 $tool 2>/dev/null || break
		grep -q PROBES_ATTACHED /tmp/out && sleep 2 && break
		sleep 1
	done
	kill -INT $tool 2>/dev/null
	wait $tool
}

if [ -d /files/tools ]; then
	workload &
	load=$!
	for file in /files/tools/*.bt; do
		run_tool "$file"
		verdict "tool $(basename "$file") ($(grep -vc PROBES_ATTACHED /tmp/out) lines)" $?
	done
	kill $load
fi
