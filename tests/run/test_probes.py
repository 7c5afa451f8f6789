"""Every provider on a live target."""
import os
import re
import signal
import subprocess
import time

import pytest


def maps(r):
    return [line for line in r.lines if line.startswith("@")]


def test_openat_prints_pid_comm_and_file(awl):
    r = awl("-e", 'tracepoint:syscalls:sys_enter_openat { printf("%-6d %-16s %s\\n", pid, comm, str(args.filename)); }',
            "-c", "cat /etc/hostname")
    assert re.search(r"^\d+ +cat +/etc/hostname$", r.out, re.M), r


def test_arguments_of_int_are_signed(awl):
    r = awl("-e", "tracepoint:syscalls:sys_enter_openat { @[args.dfd] = count(); }", "-c", "cat /etc/hostname")
    assert any(line.startswith("@[-100]: ") for line in r.lines), r


def test_count_by_comm(awl):
    r = awl("-e", "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }", "-c", "dd if=/dev/zero of=/dev/null bs=1 count=1000")
    n = [int(line.split(": ")[1]) for line in maps(r) if line.startswith("@[dd]")]
    assert n and 2000 <= n[0] < 3000, r


def test_raw_syscall_arguments(awl):
    r = awl("-e", "tracepoint:raw_syscalls:sys_exit /args.ret == 1 && args.id == 1/ { @ = count(); } "
            "tracepoint:raw_syscalls:sys_enter /args.id == 1 && args.args[2] == 1/ { @in = count(); }",
            "-c", "dd if=/dev/zero of=/dev/null bs=1 count=500")
    counts = {line for line in r.lines if line.startswith("@")}
    assert counts & {"@: 500", "@: 501"} and counts & {"@in: 500", "@in: 501"}, r


def test_latency_idiom_leaves_no_key_behind(awl):
    r = awl("-e", "tracepoint:syscalls:sys_enter_read { @start[tid] = nsecs; } tracepoint:syscalls:sys_exit_read /@start[tid]/ "
            "{ @us[comm] = hist((nsecs - @start[tid]) / 1000); delete(@start, tid); }",
            "-c", "dd if=/dev/zero of=/dev/null bs=1 count=300")
    assert "@us[dd]:" in r.out and "@start" not in r.out, r
    counts = [int(m) for m in re.findall(r"\) +(\d+) \|", r.out)] + [int(m) for m in re.findall(r"\] +(\d+) \|", r.out)]
    assert 300 <= sum(counts) < 400, r


def test_tracepoint_wildcard_of_system_calls(awl):
    r = awl("-e", "tracepoint:syscalls:sys_enter_* { @[probe] = count(); }", "-c", "dd if=/dev/zero of=/dev/null bs=1 count=200")
    found = dict(re.findall(r"@\[tracepoint:syscalls:sys_enter_(\w+)\]: (\d+)", r.out))
    assert 200 <= int(found["read"]) < 250 and 200 <= int(found["write"]) < 250, r


def test_tracepoint_with_formatted_record(awl):
    r = awl("-e", "tracepoint:sched:sched_process_exec { printf(\"exec %s\\n\", str(args.filename)); exit(); }", "-c", "/bin/true")
    assert "exec /" in r.out, r


def test_rawtracepoint(awl):
    r = awl("-e", "rawtracepoint:sched_switch { @ = count(); } interval:ms:300 { exit(); }")
    assert re.search(r"^@: [1-9]\d*$", r.out, re.M), r


@pytest.mark.needs("TP_BTF", "BTF")
def test_rawtracepoint_arguments_are_typed(awl):
    r = awl("-e", "rawtracepoint:sched_switch { @[args.next.comm] = count(); } interval:ms:300 { exit(); }")
    assert re.search(r"^@\[[\w/:.-]+\]: \d+$", r.out, re.M), r


def test_uprobe_counts_exactly(awl, target):
    r = awl("-e", f"uprobe:{target('calls')}:tick {{ @ = count(); }}", "-c", f"{target('calls')} 1234")
    assert "@: 1234" in r.lines, r


def test_uprobe_arguments(awl, target):
    r = awl("-e", f'uprobe:{target("calls")}:add_numbers /arg0 == 41/ {{ printf("%d %d %d %d %d\\n", arg0, arg1, arg5, arg6, arg7); }}',
            "-c", f"{target('calls')} 100")
    assert "41 42 6 7 8" in r.lines, r


def test_uretprobe_value(awl, target):
    r = awl("-e", f'uprobe:{target("calls")}:say {{ @[str(arg0)] = count(); }} uretprobe:{target("calls")}:say {{ @r = max(retval); }}',
            "-c", f"{target('calls')} 10")
    assert set(maps(r)) == {"@[even number]: 5", "@[odd]: 5", "@r: 19"}, r


def test_uprobe_wildcard_and_probe_name(awl, target):
    r = awl("-e", f"uprobe:{target('calls')}:add_* , uprobe:{target('calls')}:tick {{ @[probe] = count(); }}", "-c", f"{target('calls')} 7")
    assert set(maps(r)) == {f"@[uprobe:{target('calls')}:add_numbers]: 7", f"@[uprobe:{target('calls')}:tick]: 7"}, r


def test_uprobe_by_address_and_offset(awl, target):
    nm = subprocess.run(["nm", target("calls")], capture_output=True, text=True).stdout
    addr = re.search(r"^(\w+) T tick$", nm, re.M).group(1)
    r = awl("-e", f"uprobe:{target('calls')}:0x{addr} {{ @a = count(); }} uprobe:{target('calls')}:tick+0 {{ @b = count(); }}",
            "-c", f"{target('calls')} 9")
    assert set(maps(r)) == {"@a: 9", "@b: 9"}, r


def test_probe_in_the_middle_of_an_instruction_is_refused(awl, target):
    dis = subprocess.run(["objdump", "-d", "--no-show-raw-insn", target("calls")], capture_output=True, text=True).stdout
    body = dis.split("<add_numbers>:\n")[1].split("\n\n")[0]
    starts = [int(line.split(":")[0], 16) for line in body.splitlines()]
    inside = next(a + 1 for a, b in zip(starts, starts[1:]) if b - a > 1)
    r = awl("-e", f"uprobe:{target('calls')}:add_numbers+{inside - starts[0]} {{ @ = count(); }}", "-c", f"{target('calls')} 9")
    assert r.code == 1 and "E0105" in r.err and "middle" in r.err, r


def test_libc_malloc_with_stacks(awl):
    r = awl("-e", "uprobe:libc:malloc { @bytes = hist(arg0); @[ustack(5), comm] = count(); }", "-c", "ls -lR /usr/lib/apt")
    assert "@bytes:" in r.out and re.search(r"malloc\+\d", r.out), r


def test_bash_readline(trace, awl):
    with trace("-e", 'uretprobe:/bin/bash:readline { printf("%s\\n", str(retval)); }') as t:
        import pty
        pid, fd = pty.fork()
        if pid == 0:
            os.execv("/bin/bash", ["bash", "--norc", "-i"])
        time.sleep(0.5)
        os.write(fd, b"echo typed-by-hand\n")
        t.wait_output("echo typed-by-hand")
        os.write(fd, b"exit\n")
        os.close(fd)
        os.waitpid(pid, 0)
    assert t.finish().code == 0


def test_usdt_arguments_and_semaphore(awl, target):
    r = awl("-e", f'usdt:{target("calls")}:demo:tick /arg0 == 3/ {{ printf("%d %d %d\\n", arg0, arg1, arg2); }}', "-c", f"{target('calls')} 10")
    assert "3 -5 -7" in r.lines and "semaphore 1" in r.out, r
    assert subprocess.run([target("calls"), "1"], capture_output=True, text=True).stdout.endswith("semaphore 0\n")


def test_usdt_list_shows_arguments(awl, target):
    r = awl("-lv", f"usdt:{target('calls')}:*")
    assert f"usdt:{target('calls')}:demo:tick" in r.lines and "arg1 -4@$-5" in r.out, r


def test_python_gc(awl):
    import pathlib
    exe = next((p for p in ["/usr/bin/python3.11", "/usr/bin/python3"] if pathlib.Path(p).exists()), None)
    listed = awl("-l", f"usdt:{exe}:python:*")
    if "gc__start" not in listed.out:
        pytest.skip("this python was built without USDT probes")
    r = awl("-e", f'usdt:{exe}:python:gc__start {{ printf("gen %d\\n", arg0); }}', "-c", f"{exe} -c 'import gc; gc.collect(); gc.collect(0)'")
    assert "gen 2" in r.lines and "gen 0" in r.lines, r


def test_profile_and_kernel_stacks(awl):
    burn = "dd if=/dev/zero of=/dev/null bs=1M count=20000"
    r = awl("-e", "profile:hz:199 { @[kstack] = count(); }", "-c", burn)
    assert re.search(r"^ +\w+\+\d+$", r.out, re.M), r


def test_interval_prints_and_clears(awl):
    r = awl("-q", "-e", "interval:ms:50 { @ = count(); print(@); clear(@); @n++; if (@n == 3) { exit(); } }")
    assert r.lines.count("@: 1") >= 3, r


def test_software_page_faults(awl):
    r = awl("-e", "software:page-faults:1 { @[comm, pid] = count(); }", "-c", "/bin/ls /")
    assert re.search(r"^@\[ls, \d+\]: \d+$", r.out, re.M), r


def test_watchpoint(trace, target):
    p = subprocess.Popen([target("calls"), "25", "go"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    address = p.stdout.readline().split()[2]
    with trace("-e", f"watchpoint:{address}:8:w {{ @ = count(); }}", "-p", p.pid) as t:
        p.communicate("go\n")
        r = t.finish(sig=None)
    assert "@: 25" in r.lines, r


@pytest.mark.needs("ITER", "BTF")
def test_iter_task(awl):
    r = awl("-e", 'iter:task { printf("%s %d\\n", ctx.task.comm, ctx.task.pid); }')
    assert r.code == 0 and re.search(r"^awl \d+$", r.out, re.M) and "kthreadd 2" in r.lines, r


@pytest.mark.needs("ITER", "BTF")
def test_exit_ends_an_iterator(awl):
    """Not only the object that it is called for: nothing runs behind exit() but end."""
    r = awl("-q", "-e", "iter:task { @n++; if (@n == 3) { exit(7); } } end { print((1, @n)); clear(@n); }")
    assert r.code == 7 and r.lines[0] == "(1, 3)", r


def test_self_signal_begin_end(trace):
    with trace("-e", 'begin { printf("begin\\n"); } end { printf("end\\n"); } self:signal:SIGUSR1 { printf("usr1\\n"); }') as t:
        t.p.send_signal(signal.SIGUSR1)
        t.wait_output("usr1")
        r = t.finish()
    assert r.lines[:3] == ["begin", "usr1", "end"], r


@pytest.mark.needs("HARDWARE")
def test_hardware_cycles(awl):
    r = awl("-e", "hardware:cpu-cycles:1000000 { @ = count(); } interval:ms:300 { exit(); }")
    assert re.search(r"^@: [1-9]\d*$", r.out, re.M), r


@pytest.mark.needs("KPROBE")
def test_kprobe(awl):
    r = awl("-e", "kprobe:vfs_read { @ = count(); }", "-c", "cat /etc/hostname")
    assert re.search(r"^@: [1-9]\d*$", r.out, re.M), r


def test_pid_filter(trace, target):
    p = subprocess.Popen([target("calls"), "50", "go"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    p.stdout.readline()
    with trace("-e", f"uprobe:{target('calls')}:tick {{ @u = count(); }} tracepoint:syscalls:sys_enter_write {{ @w[comm] = count(); }}",
               "-p", p.pid) as t:
        subprocess.run([target("calls"), "20"], stdout=subprocess.DEVNULL)
        p.communicate("go\n")
        r = t.finish(sig=None)
    assert "@u: 50" in r.lines and [line for line in r.lines if line.startswith("@w")] == ["@w[calls]: 1"], r


def test_list_and_explain(awl, target):
    assert "tracepoint:sched:sched_switch" in awl("-l", "tracepoint:sched:*").lines
    assert "next_comm" in awl("-lv", "tracepoint:sched:sched_switch").out
    assert "software:page-faults:" in awl("-l", "software:*").lines
    assert f"uprobe:{target('calls')}:tick" in awl("-l", f"uprobe:{target('calls')}:*").lines
    r = awl("--explain", "-e", f"uprobe:{target('calls')}:tick {{ @ = count(); }}")
    assert f"uprobe:{target('calls')}:tick" in r.out and "per hit" in r.out, r
