# Sourced by cases.sh: programs that were compiled on the host's kernel (tests/vm/aot) and run here, then such that
# are compiled here, as the host's kernel has none of their probes. "loaded" looks for offsets that were moved;
# what follows shows that what is read there is right.
aot=/files/aot
unset AWL_MAX_PROBES # a setting that was not there when they were made
moved='Loaded as compiled: [0-9]+ facts, [1-9][0-9]* moved, [0-9]+ relocations'
as_made='Loaded as compiled: [0-9]+ facts, 0 moved, [0-9]+ relocations'

if [ "$(uname -m)" = x86_64 ]; then
	needs BTF aot_fields '1 is awl, child of 1' $aot/fields.awlc
	needs BTF aot_fields_moved "$moved" -v $aot/fields.awlc
	needs BTF aot_bits '0 0' $aot/bits.awlc
	needs BTF aot_nested '1' $aot/nested.awlc
	needs TP_BTF aot_rawtp '@\[.*\]: [1-9][0-9]*' $aot/rawtp.awlc
	needs TP_BTF aot_rawtp_moved "$moved" -v $aot/rawtp.awlc
	expect aot_args '@\[.*\]: *' $aot/args.awlc
	expect aot_exec 'exec /bin/true' -c /bin/true $aot/exec.awlc
	needs ITER aot_iter 'awl [0-9]+' $aot/iter.awlc
	needs FOR_EACH_MAP aot_loop '@s: 6' $aot/loop.awlc
	needs TP_BTF aot_kfunc 'vfs_read may not be called' $aot/kfunc.awlc
	expect aot_test '.*right.*' --test $aot/test.awlc
	expect aot_help '.*how many.*' $aot/help.awlc -- --help
else
	expect aot_other_processor '.*made for another kind of processor.*' $aot/loop.awlc
fi

# made FEATURE NAME PATTERN SCRIPT: compiled here; loaded as it is; does what the script does
made() {
	if ! has "$1"; then
		skipped=$((skipped + 1))
		echo "skip $2: this kernel has no $1"
	elif awl --aot -o /tmp/made.awlc -e "$4" 2>/tmp/err; then
		expect "$2" "$3" /tmp/made.awlc
		expect "$2_loaded" "$as_made" -v /tmp/made.awlc
	else
		failed=$((failed + 1))
		echo "FAIL $2: it cannot be compiled ahead of time"
		cat /tmp/err
	fi
}

while :; do $reads; done >/dev/null 2>&1 &
reader=$!
soon='interval:ms:1500 { exit(); }'
made FENTRY aot_fentry '@\[100\]: [1-9][0-9]*' 'fentry:vfs_read /comm == "dd"/ { @[args.count] = count(); } '"$soon"
made FENTRY aot_fexit '@\[100\]: [1-9][0-9]*' 'fexit:vfs_read /comm == "dd"/ { @[retval] = count(); } '"$soon"
made KPROBE aot_kprobe '@\[100\]: [1-9][0-9]*' 'kprobe:vfs_read /comm == "dd"/ { @[arg2] = count(); } '"$soon"
made KPROBE aot_kretprobe '@\[100\]: [1-9][0-9]*' 'kretprobe:vfs_read /comm == "dd"/ { @[retval] = count(); } '"$soon"
made KPROBE aot_kprobe_wildcard '@\[vfs_read\]: [1-9][0-9]*' 'kprobe:vfs_rea* /comm == "dd"/ { @[func] = count(); } '"$soon"
kill $reader
if [ -d /sys/class/net/dummy9 ] && [ -f /sys/kernel/btf/dummy ]; then
	while :; do ping -c 1 -W 1 10.9.9.2; done >/dev/null 2>&1 &
	sender=$!
	made FENTRY aot_module '@\[dummy9, [1-9][0-9]*\]: [1-9][0-9]*' 'fentry:dummy:dummy_xmit { @[str(args.dev.name), args.skb.len] = count(); } '"$soon"
	made KPROBE aot_kprobe_module '@: [1-9][0-9]*' 'kprobe:dummy:dummy_xmit { @ = count(); } '"$soon"
	kill $sender
fi
