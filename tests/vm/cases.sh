#!/bin/sh
# Runs in the guest: what the host's kernel cannot do, then the other parts that tests/vm/run gave (/files/*.part). The last
# line is the sum.
. /files/lib.sh
reads="dd if=/dev/zero of=/dev/null bs=100 count=50"

expect begin 'hello 5' -e 'begin { printf("hello %d\n", 5); exit(); }'
expect count '@\[dd\]: 1[0-9][0-9]' -e 'tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }' -c "$reads"
expect syscall_args '@\[100\]: 50' -e 'tracepoint:syscalls:sys_enter_read { @[args.count] = count(); }' -c "$reads"
expect syscall_ret '@\[100\]: 50' -e 'tracepoint:syscalls:sys_exit_read { @[args.ret] = count(); }' -c "$reads"
expect syscall_str 'dd /dev/zero' -e 'tracepoint:syscalls:sys_enter_openat { printf("%s %s\n", comm, str(args.filename)); }' -c "$reads"
expect formatted 'exec /bin/true' -e 'tracepoint:sched:sched_process_exec { printf("exec %s\n", str(args.filename)); }' -c '/bin/true'
expect latency '@us\[dd\]:' -e 'tracepoint:syscalls:sys_enter_read { @start[tid] = nsecs; } tracepoint:syscalls:sys_exit_read /@start[tid]/ { @us[comm] = hist((nsecs - @start[tid]) / 1000); delete(@start, tid); }' -c "$reads"
expect rawtp '@: [1-9][0-9]*' -e 'rawtracepoint:sched_switch { @ = count(); } interval:ms:500 { exit(); }'
expect interval '3' -e 'interval:ms:100 { @n++; if (@n == 3) { printf("%d\n", @n); exit(); } }'
expect profile '@: [1-9][0-9]*' -e 'profile:hz:99 { @ = count(); } interval:ms:500 { exit(); }'
expect software '@\[ls\]: [1-9][0-9]*' -e 'software:page-faults:1 { @[comm] = count(); }' -c 'ls /'
expect division '-3 -1 -4' -e 'begin { @v[1] = -7; $a = @v[1]; printf("%d %d %d\n", $a / 2, $a % 2, $a >> 1); clear(@v); }'
expect strings 'equal 3' -e 'begin { $s = "abc"; if ($s == "abc") { printf("equal %d\n", strlen($s)); } }'
expect aggregations '@s: \{ .count = 2, .average = 15, .total = 30 \}' -e 'begin { @s = stats(10); @s = stats(20); @m = min(4); @x = max(9); @a = avg(3); }'
needs FOR_EACH_MAP for_map '6' -e 'begin { @m[1] = 1; @m[2] = 2; @m[3] = 3; $n = 0; for ($kv : @m) { $n += $kv.1; } printf("%d\n", $n); clear(@m); }'
expect for_range '45' -e 'begin { $n = 0; for ($i : 0..10) { $n += $i; } printf("%d\n", $n); }'
expect uprobe '@a: 25' -e 'uprobe:/files/calls:add_numbers /arg1 > 0/ { @a = count(); }' -c '/files/calls 25'
expect uprobe_str '@\[odd\]: 5' -e 'uprobe:/files/calls:say { @[str(arg0)] = count(); }' -c '/files/calls 10'
expect uretprobe '@r: 19' -e 'uretprobe:/files/calls:say { @r = max(retval); }' -c '/files/calls 10'
expect uprobe_name '@\[uprobe:/files/calls:tick\]: 7' -e 'uprobe:/files/calls:tick, uprobe:/files/calls:say { @[probe] = count(); }' -c '/files/calls 7'
expect ustack ' +(tick|outer|main)\+[0-9]+' -e 'uprobe:/files/calls:tick { @[ustack(3)] = count(); }' -c '/files/calls 7'
expect usdt '3 -5 -7' -e 'usdt:/files/calls:demo:tick /arg0 == 3/ { printf("%d %d %d\n", arg0, arg1, arg2); }' -c '/files/calls 10'
expect semaphore 'done .* semaphore 1' -e 'usdt:/files/calls:demo:tick { @ = count(); }' -c '/files/calls 10'
needs ITER iter 'awl [0-9]+' -e 'iter:task { printf("%s %d\n", ctx.task.comm, ctx.task.pid); }'
needs TP_BTF typed_rawtp '@\[.*\]: [1-9][0-9]*' -e 'rawtracepoint:sched_switch { @[args.next.comm] = count(); } interval:ms:500 { exit(); }'
needs BTF kfunc_not_allowed 'false' -e 'begin { print(kfunc_allowed("vfs_read")); }'
needs KPROBE kprobe '@: 5[0-9]' -e 'kprobe:vfs_read { @ = count(); }' -c "$reads"
needs KPROBE kprobe_args '@\[100\]: 50' -e 'kprobe:vfs_read { @[arg2] = count(); }' -c "$reads"
needs KPROBE kprobe_offset '@: 5[0-9]' -e 'kprobe:vfs_read+0 { @ = count(); }' -c "$reads"
needs KPROBE kretprobe '@\[100\]: 50' -e 'kretprobe:vfs_read { @[retval] = count(); }' -c "$reads"
needs KPROBE kprobe_wildcard '@\[vfs_read\]: 5[0-9]' -e 'kprobe:vfs_* { @[func] = count(); }' -c "$reads"
needs KPROBE kprobe_probe '@\[kprobe:vfs_read\]: 5[0-9]' -e 'kprobe:vfs_read, kprobe:vfs_write { @[probe] = count(); }' -c "$reads"
needs KPROBE kprobe_struct '@\[zero\]: 50' -e 'kprobe:vfs_read /comm == "dd"/ { @[str(((struct file *)arg0).f_path.dentry.d_name.name)] = count(); }' -c "$reads"
needs KPROBE kstack ' +vfs_read\+[0-9]+' -e 'kprobe:vfs_read { @[kstack(3)] = count(); }' -c "$reads"
needs FENTRY fentry '@\[100\]: 50' -e 'fentry:vfs_read { @[args.count] = count(); }' -c "$reads"
needs FENTRY fentry_struct '@\[zero\]: 50' -e 'fentry:vfs_read /comm == "dd"/ { @[str(args.file.f_path.dentry.d_name.name)] = count(); }' -c "$reads"
needs FENTRY fexit '@\[100\]: 50' -e 'fexit:vfs_read { @[retval] = count(); }' -c "$reads"
address=0x$(grep ' vfs_read$' /proc/kallsyms | cut -d ' ' -f 1)
needs KPROBE kprobe_address '@: 5[0-9]' --unsafe -e "kprobe:$address { @ = count(); }" -c "$reads"
needs KPROBE kprobe_no_address '.*E0406.*' -e "kprobe:$address { @ = count(); }"
needs KPROBE kprobe_none '.*did you mean vfs_read\?.*' -e 'kprobe:vfs_raed { @ = count(); }'
# Without multi links it takes a while, which is told; who leaves meanwhile need not wait.
impatient() {
	awl -e 'config = { max_probes = 9000 } kprobe:k* { @[func] = count(); } end { printf("left\n"); clear(@); }' >/tmp/out 2>/tmp/err &
	hasty=$!
	for i in $(seq 300); do
		grep -qE 'Attaching: [0-9]+ of [0-9]+ places' /tmp/err && break
		sleep 0.2
	done
	kill -INT $hasty
	ended impatient $hasty || return
	clean impatient || return
	if [ $status -eq 0 ] && grep -q '^left' /tmp/out && grep -q Attaching /tmp/err && ! grep -q Attached /tmp/err; then
		ok impatient
	else
		fail impatient "left with $status" /tmp/out /tmp/err
	fi
}
case $(uname -r) in 5.10*) wanted impatient && impatient ;; esac
# Entry and return in one link, which gives the same answers as two.
session='kprobe:vfs_read,kprobe:vfs_write { @n[arg2] = count(); @s[tid, func] = nsecs; } kretprobe:vfs_read,kretprobe:vfs_write /@s[tid, func]/ { @r[retval] = count(); delete(@s, (tid, func)); }'
session_wild='kprobe:vfs_rea* { @in = count(); @s[tid, func] = arg2; } kretprobe:vfs_rea* /@s[tid, func]/ { @r[func, @s[tid, func], retval] = count(); delete(@s, (tid, func)); }'
needs KPROBE_FUNC_IP session '@r\[100\]: 100' -e "$session" -c "$reads"
needs KPROBE_FUNC_IP session_wildcard '@r\[vfs_read, 100, 100\]: 50' -e "$session_wild" -c "$reads"
needs KPROBE_MULTI session_apart '@r\[vfs_read, 100, 100\]: 50' --no-feature KPROBE_SESSION -e "$session_wild" -c "$reads"
needs KPROBE_SESSION session_said '.*kprobe:vfs_rea\* and the return of its [0-9]+ functions are one link' -v -e "$session_wild" -c "$reads"
needs KPROBE_SESSION session_probe '@\[kretprobe:vfs_read\]: 5[0-9]' -e 'kprobe:vfs_rea* { @[probe] = count(); } kretprobe:vfs_rea* { @[probe] = count(); }' -c "$reads"
export AWL_MAX_PROBES=20000
# many NAME LEAST FILTER: all functions that match FILTER, which are at least LEAST, are attached to and let go of; one is seen
many() {
	wanted "$1" || return
	timeout 180 awl --probe-filter "$3" -e 'kprobe:* /comm == "dd"/ { @[func] = count(); }' -c "$reads" >/tmp/out 2>/tmp/err
	status=$?
	clean "$1" || return
	places=$(sed -n 's/^Attached \([0-9]*\) probes$/\1/p' /tmp/err)
	if [ $status -eq 0 ] && [ "${places:-0}" -ge "$2" ] && grep -qE '^@\[vfs_read\]: 5[0-9]$' /tmp/out; then
		ok "$1"
	else
		fail "$1" "left with $status from ${places:-no} functions" /tmp/err /tmp/out
	fi
}
if has KPROBE_MULTI; then
	many kprobe_thousands 5000 '^kprobe:[d-fv]'
elif has KPROBE; then # one after the other
	case $(uname -r) in
	5.10*) many kprobe_hundreds 200 '^kprobe:(vfs|do)_' ;;
	*) many kprobe_hundreds 100 '^kprobe:(vfs_|do_[a-e])' ;;
	esac
fi
needs KPROBE detach 'gone' --unsafe -e 'kprobe:vfs_* { @ = count(); } begin { printf("gone\n"); exit(); }'
# One stands in for the other, which -v says; what neither does is refused.
needs FENTRY kprobe_by_fentry '@\[100\]: 50' --no-feature KPROBE,KPROBE_MULTI -e 'kprobe:vfs_read { @[arg2] = count(); }' -c "$reads"
needs FENTRY kretprobe_by_fentry '@\[100\]: 50' --no-feature KPROBE,KPROBE_MULTI -e 'kretprobe:vfs_read { @[retval] = count(); }' -c "$reads"
needs FENTRY fallback_said '.*kprobe:vfs_read goes by a trampoline, as this kernel has no kprobes' -v --no-feature KPROBE,KPROBE_MULTI -e 'kprobe:vfs_read { exit(); } interval:ms:300 { exit(); }'
needs FENTRY fallback_offset '.*E0701.*this kernel has no kprobes; .*' --no-feature KPROBE,KPROBE_MULTI -e 'kprobe:vfs_read+4 { @ = count(); }'
needs KPROBE fentry_by_kprobe '@\[zero, 100\]: 50' --no-feature FENTRY -e 'fentry:vfs_read /comm == "dd"/ { @[str(args.file.f_path.dentry.d_name.name), args.count] = count(); }' -c "$reads"
needs KPROBE fexit_by_kprobe '@\[100\]: 50' --no-feature FENTRY -e 'fexit:vfs_read { @[retval] = count(); }' -c "$reads"
# What cannot be probed is explained by name.
closed=$(cut -f 2 /sys/kernel/debug/kprobes/blacklist | grep -E '^[a-z_]+$' | head -n 1)
needs KPROBE kprobe_closed '.*list of functions that probes would crash.*' -e "kprobe:$closed { @ = count(); }"
needs KPROBE kprobe_missing '.*the function is not there: it is inlined into all of its callers.*' -e 'kprobe:get_current { @ = count(); }'
needs KPROBE kprobe_notrace '.*the kernel has it, but it is not open to tracing.*' -e 'kprobe:trace_clock_local { @ = count(); }'
# Names of each kind in this kernel: "copy NAME", "part NAME" (of functions that are not there themselves), "same NAME".
awk '$2 != "" { next }
	{ base = $1; sub(/\..*/, "", base) }
	base == $1 { have[base]++; next }
	$1 ~ /^[^.]+\.part\.[0-9]+$/ { part[base]; next }
	$1 ~ /^[^.]+\.(isra|constprop)\.[0-9]+$/ { copy[base]; next }
	{ other[base] }
	END {
		for (n in copy) if (!(n in have) && !(n in other)) { print "copy", n; break }
		for (n in part) if (!(n in have) && !(n in copy) && !(n in other)) { print "part", n; break }
		for (n in have) if (have[n] > 1) { print "same", n; break }
	}' /sys/kernel/tracing/available_filter_functions >/tmp/names
# of_kind KIND NAME PATTERN: what is said of a function of that kind, where there is one
of_kind() {
	func=$(sed -n "s/^$1 //p" /tmp/names)
	[ -z "$func" ] || needs KPROBE "$2" "$3" -e "kprobe:$func { @ = count(); } interval:ms:300 { exit(); }"
}
of_kind copy kprobe_copy '.*the compiler made a copy of it, with arguments of its own: kprobe:.*\..*'
of_kind part kprobe_part '.*its beginning is inlined into its callers; the rest is a function of its own: kprobe:.*\.part\..*'
case $(uname -r) in
5.10*|6.1.*) ;; # these take the first
*) of_kind same kprobe_same '.*the kernel has [0-9]+ functions of that name: give the address of one .*' ;;
esac
# Forty processes sleep in one function: more returns than the kernel keeps room for.
cat >/tmp/sleepers <<'SLEEPERS'
#!/bin/sh
for i in $(seq 40); do sleep 3 & done
wait
SLEEPERS
chmod +x /tmp/sleepers
case $(uname -r) in
5.10*|6.1.*) ;; # these do not tell
*) needs KPROBE missed '.*Missed [1-9][0-9]* hits: .*' -e 'kretprobe:hrtimer_nanosleep { @ = count(); }' -c /tmp/sleepers ;;
esac
# Modules: by name, by the function alone, with typed arguments.
if insmod /files/modules/dummy.ko 2>/dev/null && ip link add dummy9 type dummy 2>/dev/null; then
	ifconfig dummy9 10.9.9.1 netmask 255.255.255.0 up
	sends='ping -c 3 -i 0.1 -W 1 10.9.9.2'
	arp -s 10.9.9.2 02:00:00:00:00:01 2>/dev/null
	needs KPROBE kprobe_module '@\[ping\]: [3-9]' -e 'kprobe:dummy:dummy_xmit { @[comm] = count(); }' -c "$sends"
	needs KPROBE kprobe_module_wildcard '@\[dummy_xmit\]: [3-9][0-9]*' -e 'kprobe:dummy:dummy_* { @[func] = count(); }' -c "$sends"
	if [ -f /sys/kernel/btf/dummy ]; then
		needs FENTRY fentry_module '@\[dummy9, [1-9][0-9]*\]: [1-9][0-9]*' -e 'fentry:dummy:dummy_xmit { @[str(args.dev.name), args.skb.len] = count(); }' -c "$sends"
		needs FENTRY fentry_module_found '@\[dummy9\]: [3-9][0-9]*' -e 'fentry:dummy_xmit { @[str(args.dev.name)] = count(); }' -c "$sends"
		needs FENTRY fexit_module '@\[NETDEV_TX_OK\]: [3-9][0-9]*' -e 'fexit:dummy:dummy_xmit { @[retval] = count(); }' -c "$sends"
		needs FENTRY list_module '    struct net_device \* dev' -lv 'fentry:dummy:dummy_xmit'
	else
		needs FENTRY fentry_no_module_btf '.*5.11 or later with CONFIG_DEBUG_INFO_BTF_MODULES=y.*|.*read BTF from /sys/kernel/btf/dummy.*' -e 'fentry:dummy:dummy_xmit { @ = count(); }'
	fi
else
	skip modules "dummy cannot be loaded"
fi
needs FENTRY fentry_no_module '.*no probe matches fentry:nowhere:vfs_read.*' -e 'fentry:nowhere:vfs_read { }'
# Other BPF programs: one of another awl, which -v gives types.
if has FENTRY; then
	awl -q -v -e 'kprobe:vfs_read { @n = count(); }' >/tmp/other 2>&1 &
	other=$!
	for i in 1 2 3 4 5 6 7 8 9 10; do
		func=$(awl -l 'fentry:bpf:*' 2>/dev/null | grep -oE 'fentry:bpf:[0-9]+:.*' | head -n 1)
		[ -n "$func" ] && break
		sleep 1
	done
	expect fentry_bpf '@: [1-9][0-9]*' -e "$func { @ = count(); }" -c "$reads"
	expect fexit_bpf '@\[0\]: [1-9][0-9]*|.*retval is not available in fexit probes.*' -e "fexit:bpf:${func##*:} { @[retval] = count(); }" -c "$reads"
	kill $other
	wait $other
fi
expect fentry_bpf_none '.*no BPF program .*|.*this kernel has no fentry.*' -e 'fentry:bpf:no_such_program { }'
# A kernel that shows no types: the formats of tracefs are left, and a file of the user's has the rest.
cp /sys/kernel/btf/vmlinux /tmp/given.btf
cat >/tmp/hidden <<'HIDDEN'
#!/bin/sh
exec unshare -m sh -c 'mount -t tmpfs none /sys/kernel/btf && exec awl "$@"' sh "$@"
HIDDEN
chmod +x /tmp/hidden
awl=/tmp/hidden
given='--kernel-btf /tmp/given.btf'
expect no_btf_formats 'exec /bin/true' -e 'tracepoint:sched:sched_process_exec { printf("exec %s\n", str(args.filename)); }' -c /bin/true
expect no_btf_refused '.*E0702.*this kernel shows no type information' -e 'begin { print(curtask.pid); exit(); }'
needs KPROBE no_btf_kprobe '@\[100\]: 50' -e 'kprobe:vfs_read { @[arg2] = count(); }' -c "$reads"
expect given_btf '1 awl' $given -e 'begin { printf("%d %s\n", curtask.tgid == pid, curtask.comm); exit(); }'
needs KPROBE given_btf_struct '@\[zero\]: 50' $given -e 'kprobe:vfs_read /comm == "dd"/ { @[str(((struct file *)arg0).f_path.dentry.d_name.name)] = count(); }' -c "$reads"
needs KPROBE given_btf_fentry '@\[zero, 100\]: 50' $given -e 'fentry:vfs_read /comm == "dd"/ { @[str(args.file.f_path.dentry.d_name.name), args.count] = count(); }' -c "$reads"
needs KPROBE given_btf_said '.*fentry:(vmlinux:)?vfs_read goes by a kprobe, as this kernel has no fentry and fexit' $given -v -e 'fentry:vfs_read { exit(); } interval:ms:300 { exit(); }'
awl=awl
for more in /files/*.part; do
	[ -f "$more" ] && . "$more"
done
slowest
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
