"""Options of bcc's commands that no other test has: each by what it changes in the output."""
import os
import re
import time

import pytest

from bcc_commands import CALLS, Calls, Command, script_of, traced
from conftest import run_awl

TICK = f"{CALLS}:tick"
SAY = f"{CALLS}:say"


def lines(r):
    assert r.code == 0 and r.err == "", r
    return r.out.splitlines()


def test_trace_thread_and_user():
    for option in (("-L", "@PID@"), ("--tid", "@PID@"), ("--uid", os.geteuid()), ("--pid", "@PID@")):
        assert len(lines(traced(3, "trace", *option, TICK))) == 4, option


def test_trace_string_size():
    assert lines(traced(1, "trace", "-Z", 5, f'{SAY} "%s|", arg1'))[1].endswith(" even |")
    assert lines(traced(1, "trace", "--string-size", 80, f'{SAY} "%s|", arg1'))[1].endswith(" even number|")


def test_trace_itself():
    """Without -S, trace's own events are left out; its writing would be an event for each event."""
    write = 'sys_write (arg3 > 0) "%d", arg3'
    with Command("trace", "-S", "-n", "awl", write) as c:
        while c.out.count(b"\n") < 4:
            assert c.p.poll() is None
        pid, r = c.p.pid, c.stop()
    assert re.search(rf"^{pid} +\d+ +awl +sys_write +\d+$", r.out, re.M), r
    with Command("trace", write) as c:
        calls = Calls(1)
        calls.go()
        pid, r = c.p.pid, c.stop()
    assert not re.search(rf"^{pid} ", r.out, re.M) and re.search(rf"^{calls.pid} ", r.out, re.M), r


def test_trace_buffer_pages():
    """bcc has a ring for each processor: of so many pages, all of them together."""
    cpus, shared = os.sysconf("SC_NPROCESSORS_CONF"), 1
    while shared < 128 * cpus:
        shared *= 2
    assert f"perf_rb_pages = {shared};" in script_of("trace", "-b", 128, TICK)
    assert int(re.search(r"perf_rb_pages = (\d+);", script_of("trace", TICK)).group(1)) >= max(512, 64 * min(cpus, 64))
    assert len(lines(traced(3, "trace", "-b", 1, TICK))) == 4
    assert "at most" in run_awl("trace", "-b", 1 << 40, TICK).err


def test_trace_cgroup():
    """Nobody is in a group that was just made. (Version 2, where it is mounted.)"""
    root = next((m.split()[1] for m in open("/proc/mounts") if m.split()[2] == "cgroup2"), None)
    if not root:
        r = run_awl("trace", "-c", "/sys/fs/cgroup", TICK)
        assert r.code == 1 and "cgroup" in r.err and r.err.count("\n") == 1, r
        return
    group = f"{root}/awl-test-{os.getpid()}"
    os.mkdir(group)
    try:
        assert len(lines(traced(3, "trace", "-c", group, TICK))) == 1
        with Command("trace", "-c", group, TICK) as c:
            calls = Calls(3)
            open(f"{group}/cgroup.procs", "w").write(str(calls.pid))
            calls.go()
            assert len(lines(c.stop())) == 4
    finally:
        os.rmdir(group)


@pytest.mark.parametrize("args", [("trace", "-v", TICK), ("trace", "--ebpf", TICK), ("argdist", "-v", "-i", 60, "-C", f"p:{TICK}()"),
                                  ("funccount", "-D", TICK), ("stackcount", "--debug", TICK), ("funclatency", "-v", TICK),
                                  ("funcslower", "-v", TICK)], ids=lambda a: " ".join(map(str, a[:2])))
def test_the_program_is_printed_first(args):
    script = script_of(*[a for a in args if a not in ("-v", "--ebpf", "-D", "--debug")])
    if "--ebpf" in args:
        assert run_awl(*args).out == script
        return
    with Command(*args) as c:
        end = time.monotonic() + 60
        while len(c.out) <= len(script) and not c.links() and time.monotonic() < end:
            time.sleep(0.02)  # it attaches
        r = c.stop()
    assert r.code == 0 and r.out.startswith(script) and len(r.out) > len(script), r


def test_argdist_thread_duration_and_header(tmp_path):
    spec = f"p:{TICK}(long i):long:i"
    assert len(re.findall(r"i = \d+$", traced(3, "argdist", "-t", "@PID@", "-i", 60, "-C", spec).out, re.M)) == 3
    assert not re.findall(r"i = \d+$", traced(3, "argdist", "-t", 1, "-i", 60, "-C", spec).out, re.M)
    r = run_awl("argdist", "-i", "0.2", "-d", "0.6", "-C", spec)
    assert r.code == 0 and len(re.findall(r"^\[\d\d:\d\d:\d\d\]$", r.out, re.M)) == 3, r
    (tmp_path / "t.h").write_text("struct text { char first; char rest[3]; };\n")
    r = traced(4, "argdist", "-I", tmp_path / "t.h", "-i", 60, "-C", f"p:{SAY}(struct text *t):char:t->first")
    assert re.findall(r"^\t2 +t->first = (?:101|111|e|o)$", r.out, re.M), r


def test_stackcount_regex_and_time():
    r = run_awl("stackcount", "-K", "-r", "-i", "0.3", "-D", "0.6", "-T", "t:sched:sched_swit.*$")
    assert r.code == 0 and len(re.findall(r"^\d\d:\d\d:\d\d$", r.out, re.M)) == 2 and "  __schedule" in r.out, r
    r = traced(4, "stackcount", "-U", "-r", f"{CALLS}:(tick|say)$")
    assert len(re.findall(r"^    4$", r.out, re.M)) >= 1 and "  tick\n  outer\n  main\n" in r.out, r


def test_funclatency_options():
    r = traced(4, "funclatency", "-m", "-T", "-p", "@PID@", TICK)
    assert re.search(r"^ +msecs +: count +distribution$", r.out, re.M) and re.search(r"^\d\d:\d\d:\d\d$", r.out, re.M), r
    assert re.search(r"^avg = 0 msecs, total: 0 msecs, count: 4$", r.out, re.M) or "count: 4" in r.out, r
    r = traced(4, "funclatency", "-l", 2, "-r", f"{CALLS}:^(tick|outer)$")
    assert r.out.startswith("Tracing 2 functions") and "count: 8" in r.out, r
    r = run_awl("funclatency", "-i", "0.2", "-d", "0.6", TICK)
    assert r.code == 0 and r.out.endswith("Detaching...\n"), r


def test_funclatency_allocates_what_can_be_used():
    """Of histograms by function there are as many as functions; by process, room for as many as bcc's buckets have."""
    def size(*args):
        found = re.findall(r"^let @hist = percpuhash\((\d+)\);$", script_of("funclatency", *args), re.M)
        return int(found[0]) if found else None

    calls = Calls(1)
    assert size(TICK) == 2048 and size("-p", calls.pid, TICK) is None
    assert size("-F", "-p", calls.pid, f"{CALLS}:{{tick,say}}") == 2
    calls.go()
    r = traced(4, "funclatency", "-F", "-p", "@PID@", f"{CALLS}:{{tick,say,outer}}")
    assert r.code == 0 and r.err == "" and r.out.count("Function = ") == 3, r


def test_funcslower_options():
    row = r"calls +%d +\d+\.\d\d {16}\w " + re.escape(SAY)
    r = traced(2, "funcslower", "-u", 0, "-T", "-p", "@PID@", SAY)
    assert r.out.splitlines()[1].startswith("TIME       COMM") and re.search(r"^\d\d:\d\d:\d\d +" + row % r.pid, r.out, re.M), r
    r = traced(2, "funcslower", "-u", 0, "-t", SAY)
    assert re.search(r"^\d+\.\d+ +" + row % r.pid, r.out, re.M), r
    r = traced(2, "funcslower", "-u", 0, "-U", TICK)
    assert re.search(r"tick\n    outer\n    main\n", r.out) or re.search(r"^    outer$", r.out, re.M), r
    r = traced(2, "funcslower", "-u", 0, "-f", "-U", TICK)
    assert re.search(r"^calls;.*main;outer.* 1$", r.out, re.M), r


@pytest.mark.parametrize("args", [("funclatency", f"{CALLS}:{{tick,say}}"), ("funclatency", "-F", "-u", TICK),
                                  ("funcslower", "-u", 0, "-a", 2, SAY)], ids=lambda a: " ".join(map(str, a)))
def test_the_script_of_times_prints_the_same(args):
    """Times differ from run to run: the numbers are left out, and the rows that depend on them."""
    def shape(r):
        rows = [re.sub(r"0x[0-9a-f]+|\b[0-9a-f]+\b", "#", line) for line in r.out.splitlines() if " -> " not in line]
        return [re.sub(r" +", " ", row) for row in rows]

    args = [str(a) for a in args]
    direct, by_script = traced(6, *args), traced(6, "-q", "-e", script_of(*args))
    assert direct.code == by_script.code == 0 and by_script.err == "", by_script
    assert shape(direct) == shape(by_script) and len(shape(direct)) > 5
