# Part of cases.sh: every example of the documentation is compiled, loaded and attached. What a kernel cannot do is
# refused with a message that names the reason; a program that the compiler takes and the kernel refuses is a
# failure.

# documented FILE: the reason, when the messages in FILE have one for which awl refuses a program
documented() {
	sed -n -E \
		-e 's/^error\[E07[0-9]+\]: //p' \
		-e 's/^error(\[E[0-9]+\])?: (no probe matches .*)/\2/p' \
		-e 's/^error(\[E[0-9]+\])?: (.*(No such file or directory|there is no (file|process|hardware)|no such (hardware|file)|is no cgroup).*)/\2/p' \
		-e 's/^error(\[E[0-9]+\])?: (find library .*)/\2/p' \
		-e 's/^error(\[E[0-9]+\])?: (tracepoint:.* has no argument .*|the name [A-Z_]+ is not known)/\2/p' \
		"$1" | head -n 1
}

# verdict NAME STATUS: what /tmp/err says
verdict() {
	reason=$(documented /tmp/err)
	if [ "$2" -eq 0 ]; then
		passed=$((passed + 1))
		echo "ok $1"
	elif [ -n "$reason" ]; then
		skipped=$((skipped + 1))
		echo "skip $1: $reason"
	else
		failed=$((failed + 1))
		echo "FAIL $1: left with $2"
		head -n 20 /tmp/err
	fi
}

for file in /files/constructs/*.bt; do
	[ -f "$file" ] || continue
	command=
	grep -q cpid "$file" && command='-c true'
	timeout 60 awl -q --no-warnings --dry-run --unsafe $command "$file" </dev/null >/tmp/out 2>/tmp/err
	verdict "doc $(basename "$file" .bt)" $?
done
