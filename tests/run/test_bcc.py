"""bcc's front-line commands: their documented output on known workloads, the script they stand for, wrong command lines.

What bcc of today gets wrong is tested to be right here: each such test says what bcc does.
"""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from bcc_commands import CALLS, LIBC, STORM, Calls, Command, script_of, traced
from conftest import AWL, TARGETS, run_awl

# ---- funccount -------------------------------------------------------------------------------------------------


def test_funccount_table():
    r = traced(25, "funccount", f"{CALLS}:{{say,tick}}")
    rows = "".join(f"{name:<36} {n:>8}\n" for name, n in (("say", 25), ("tick", 25)))
    assert r.code == 0 and r.err == "", r
    assert r.out == (f'Tracing 2 functions for "{CALLS}:{{say,tick}}"... Hit Ctrl-C to end.\n\n'
                     f"{'FUNC':<36} {'COUNT':>8}\n{rows}Detaching...\n")


def test_funccount_glob_regex_and_zero_rows():
    for args in ((f"{CALLS}:t?ck",), ("-r", f"{CALLS}:^(tick|nosuch)$"), (f"p:{CALLS}:tic*",)):
        r = traced(7, "funccount", *args)
        assert re.findall(r"^(\w+) +(\d+)$", r.out, re.M) == [("tick", "7")], r
    r = traced(7, "funccount", "-p", "@PID@", f"{CALLS}:{{tick,main}}")  # main began before: it is not shown as 0
    assert "main" not in r.out.split("COUNT\n")[1]


def test_funccount_filters():
    assert "tick" in traced(3, "funccount", "-p", "@PID@", f"{CALLS}:tick").out.split("COUNT\n")[1]
    assert "tick" not in traced(3, "funccount", "-p", os.getpid(), f"{CALLS}:tick").out.split("COUNT\n")[1]
    assert "tick" not in traced(3, "funccount", "-c", 4000, f"{CALLS}:tick").out.split("COUNT\n")[1]


def test_funccount_returns_and_usdt():
    """bcc: "Type must be 'p','t','u'"; u: never works with Python 3."""
    assert re.search(r"^tick +5$", traced(5, "funccount", f"r:{CALLS}:tick").out, re.M)
    assert re.search(r"^demo:tick +5$", traced(5, "funccount", f"u:{CALLS}:tick").out, re.M)
    assert re.search(r"^demo:tick +5$", traced(5, "funccount", f"u:{CALLS}:demo:tick").out, re.M)


def test_funccount_tracepoints():
    """bcc 0.26 dies of "'str' object has no attribute 'decode'"."""
    r = run_awl("funccount", "-d", "0.3", "t:sched:sched_*")
    assert r.code == 0 and re.search(r"^sched:sched_switch +\d+$", r.out, re.M), r
    assert re.match(r'Tracing \d+ functions for "t:sched:sched_\*"\.\.\. Hit Ctrl-C to end\.\n', r.out)


def test_funccount_intervals():
    """bcc: -i 0.5 is "invalid literal for int()"."""
    r = run_awl("funccount", "-T", "-i", "0.2", "-d", "0.6", "t:sched:sched_switch")
    assert len(re.findall(r"^\d\d:\d\d:\d\d\nFUNC", r.out, re.M)) == 3 and r.out.endswith("Detaching...\n"), r
    r = run_awl("funccount", "-i", "0.2", "-d", "0.5", "t:sched:sched_switch")
    assert r.out.count("FUNC") == 3, r


def test_funccount_clears_between_intervals():
    calls = Calls(9)
    with Command("funccount", "-i", "0.2", f"{CALLS}:tick") as c:
        calls.go()
        while c.out.count(b"FUNC") < 4:
            time.sleep(0.02)
        r = c.stop()
    assert sum(int(n) for n in re.findall(r"^tick +(\d+)$", r.out, re.M)) == 9, r


def test_funccount_own_kinds():
    r = run_awl("funccount", "-d", "0.3", "rawtracepoint:sched_switch")
    assert re.search(r"^sched_switch +\d+$", r.out, re.M), r
    r = run_awl("funccount", "-d", "0.3", "syscall:{read,write,futex,clock_nanosleep,ppoll,openat}")
    assert "Tracing 6 functions" in r.out or "error" in r.err, r
    assert run_awl("funccount", "-d", "0.1", "software:cpu-clock:1000000").code == 0


@pytest.fixture(scope="module")
def libc(tmp_path_factory):
    """A copy, which no process has mapped: two thousand breakpoints in every program that runs take their time."""
    return shutil.copy(LIBC, tmp_path_factory.mktemp("libc") / "libc.so.6")


def test_funccount_every_function_of_libc(libc):
    r = run_awl("funccount", "-d", "0.3", f"{libc}:*")
    n = int(re.match(r"Tracing (\d+) functions", r.out).group(1))
    assert r.code == 0 and n > 1000, r
    unprobed, names, others, refused = map(int, re.search(
        r"(\d+) of (\d+) names are not probed on their own: (\d+) are other names .*, (\d+) are functions that", r.err).groups())
    assert n + unprobed >= names > n and others + refused == unprobed and refused > 0  # a name may be several functions'
    named = run_awl("funccount", "-v", "-d", "0.1", f"{libc}:str*").err.splitlines()
    assert any("indirect function" in line for line in named), named


def test_funccount_regex_leaves_out_what_cannot_be_probed(libc):
    """As a glob does, with the number and, asked, the names; what matches nothing else is an error."""
    r = run_awl("funccount", "-v", "-d", "0.1", "-r", f"{libc}:str.*")
    n, names, refused = map(int, re.search(r"^funccount: (\d+) of (\d+) names .*, (\d+) are functions that cannot be probed$", r.err, re.M).groups())
    assert r.code == 0 and r.out.startswith(f"Tracing {names - refused} functions") and 0 < refused == n < names, r
    assert r.err.count("indirect function") == refused
    r = run_awl("funccount", "-r", f"{libc}:strcasecmp$")
    assert r.code == 1 and "indirect function" in r.err and r.err.count("\n") == 1, r


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node")
def test_funccount_every_function_of_a_large_program():
    """bcc: at most 1000 probes."""
    node = os.path.realpath(shutil.which("node"))
    r = run_awl("funccount", "-d", "0.1", f"{node}:*", timeout=300)
    n = int(re.match(r"Tracing (\d+) functions", r.out).group(1))
    unprobed, names = map(int, re.search(r"(\d+) of (\d+) names are not probed on their own", r.err).groups())
    assert r.code == 0 and n > 20_000 and n + unprobed >= names and r.out.endswith("Detaching...\n"), r
    r = run_awl("funccount", "-d", "0.1", "-r", f"{node}:.*Array", timeout=300)
    assert r.code == 0 and int(re.match(r"Tracing (\d+) functions", r.out).group(1)) > 100, r


def test_funccount_system_calls():
    r = run_awl("funccount", "-d", "0.3", "t:syscalls:*")
    assert r.code == 0 and int(re.match(r"Tracing (\d+) ", r.out).group(1)) > 500, r


def test_the_first_line_tells_that_all_is_attached():
    """What is done when it is there is counted; and no line of an event comes before it."""
    with Command("funccount", "t:sched:*") as c:
        assert c.links() >= int(re.match(rb"Tracing (\d+) ", c.out).group(1)) > 20
        assert c.stop().code == 0
    r = run_awl("-q", "-e", "config = { begin_attached = true } software:cpu-clock:100000 { printf(\"event\\n\"); } "
                "begin { printf(\"first\\n\"); } interval:ms:300 { exit(); }")
    assert r.lines[0] == "first" and "event" in r.lines, r
    r = run_awl("-q", "-e", "config = { begin_attached = true } software:cpu-clock:100000 { printf(\"event\\n\"); } "
                "begin { printf(\"first\\n\"); exit(7); }")
    assert r.code == 7 and r.lines == ["first"], r


def test_relative_path_with_pid():
    """bcc resolves it under /proc/PID/root: "could not determine address of symbol"."""
    calls = Calls(4)
    cwd = os.getcwd()
    os.chdir(TARGETS)
    try:
        with Command("funccount", "-p", calls.pid, "./calls:tick") as c:
            calls.go()
            r = c.stop()
    finally:
        os.chdir(cwd)
    assert re.search(r"^tick +4$", r.out, re.M), r


# ---- the script ------------------------------------------------------------------------------------------------

SCRIPTS = [
    ("funccount", f"{CALLS}:{{tick,say}}"),
    ("stackcount", "-U", f"{CALLS}:tick"),
    ("stackcount", "-f", "-P", "-d", f"{CALLS}:tick"),
    ("argdist", "-i", "60", "-C", f"p:{CALLS}:say(char *s, int n):char*,int:s,n#said"),
    ("trace", f'{CALLS}:say "%s %d", arg1, arg2'),
]


@pytest.mark.parametrize("args", SCRIPTS, ids=lambda a: " ".join(a)[:30])
def test_the_script_prints_the_same(args):
    def same(r):
        return re.sub(r"\[?\d\d:\d\d:\d\d\]?|\b%d +%d\b|\b%d\b" % (r.pid, r.pid, r.pid), "-", r.out)

    script = script_of(*args)
    direct, by_script = traced(6, *args), traced(6, "-q", "-e", script)
    assert direct.code == by_script.code == 0 and by_script.err == "", by_script
    assert same(direct) == same(by_script)


@pytest.mark.parametrize("name", ["funccount", "funccount-bpfcc"])
def test_links(name, tmp_path):
    (tmp_path / name).symlink_to(AWL)
    r = traced(3, f"{CALLS}:tick", program=(str(tmp_path / name),))
    assert r.code == 0 and re.search(r"^tick +3$", r.out, re.M), r


COMMANDS = ["funccount", "stackcount", "trace", "argdist", "tplist", "funclatency", "funcslower"]


@pytest.mark.unprivileged
@pytest.mark.parametrize("name", COMMANDS)
def test_help(name):
    r = run_awl(name, "--help")
    assert r.code == 0 and r.err == "" and r.out.startswith(f"usage: {name} [-h]"), r
    assert "\nexamples:\n" in r.out and "  -h, --help " in r.out and "--show-script" in r.out
    assert run_awl(name, "-h").out == r.out


# ---- stackcount ------------------------------------------------------------------------------------------------


def test_stackcount_blocks():
    r = traced(6, "stackcount", "-d", "-P", f"{CALLS}:tick")
    assert re.fullmatch(
        r'Tracing 1 functions for "[^"]+"\.\.\. Hit Ctrl-C to end\.\n\n'
        r"    --\n  tick\n  outer\n  main\n(?:  \S+\n)*    calls \[%d\]\n    6\n\nDetaching\.\.\.\n" % r.pid, r.out), r


def test_stackcount_names_user_frames_without_p():
    """bcc drops the process without -P, so that every user frame is [unknown]."""
    r = traced(6, "stackcount", "-U", f"{CALLS}:tick")
    assert "  tick\n  outer\n  main\n" in r.out and "[" not in r.out.split("main\n")[0].split("end.")[1], r


def test_stackcount_offsets_and_addresses():
    assert re.search(r"^  tick\+0x[0-9a-f]+$", traced(3, "stackcount", "-Us", f"{CALLS}:tick").out, re.M)
    assert re.search(r"^  [0-9a-f]{8,16} +tick$", traced(3, "stackcount", "-Uv", f"{CALLS}:tick").out, re.M)
    assert re.search(r"^  [0-9a-f]{8,16} +tick\+0x", traced(3, "stackcount", "-Usv", f"{CALLS}:tick").out, re.M)


def test_stackcount_folded():
    r = run_awl("stackcount", "-f", "-P", "-d", "-D", "0.1", f"{CALLS}:tick")
    assert r.code == 0 and r.out == "", r  # nothing happened
    script = script_of("stackcount", "-f", "-P", "-d", f"{CALLS}:tick")
    r = run_awl("-q", "-e", script, "-c", f"{CALLS} 6")
    assert re.search(r"^calls;(?:[^;]+;)*main;outer;tick;- 6$", r.out, re.M), r


def test_stackcount_kernel_stacks_and_cpu():
    """bcc: -c CPU does not compile, and -c 0 is ignored."""
    r = run_awl("stackcount", "-K", "-D", "0.3", "t:sched:sched_switch")
    assert re.search(r"^  __schedule$", r.out, re.M) and re.search(r"^    \d+$", r.out, re.M), r
    r = run_awl("stackcount", "-c", 4000, "-D", "0.2", "t:sched:sched_switch")
    assert r.code == 0 and not re.search(r"^    \d+$", r.out, re.M), r


def test_stackcount_usdt():
    """bcc: "'bytes' object has no attribute 'encode'"."""
    assert re.search(r"^    5$", traced(5, "stackcount", "-U", f"u:{CALLS}:tick").out, re.M)


# ---- trace -----------------------------------------------------------------------------------------------------

LINE = "{pid:<7} {pid:<7} {comm:<15} {func:<16} "


def lines_of(r, func, *messages):
    return [LINE.format(pid=r.pid, comm="calls", func=func) + m for m in messages]


def body(r):
    assert r.code == 0 and r.err == "", r
    return r.out.splitlines()[1:]


def test_trace_default_line():
    r = traced(2, "trace", f"{CALLS}:tick")
    assert r.out.splitlines()[0] == "PID     TID     COMM            FUNC             "
    assert body(r) == lines_of(r, "tick", "", "")


def test_trace_values_and_predicate():
    r = traced(6, "trace", f'{CALLS}:say (STRCMP("odd", arg1)) "s=%s n=%d", arg1, arg2')
    assert r.out.splitlines()[0] == "PID     TID     COMM            FUNC             -"
    assert len(body(r)) == 3 and all(re.search(r" s=odd n=\d+$", line) for line in body(r)), r


def test_trace_strings_compare():
    r = traced(6, "trace", f'{CALLS}:say(char *text, int n) (text == "odd" && n >= 0) "%s", text')
    assert body(r) == lines_of(r, "say", *["odd"] * 3)


def test_trace_formats():
    """bcc: %5d, %-8s, %p are "list index out of range"; %c, %K, %U do not work with Python 3."""
    r = traced(1, "trace", f'{CALLS}:say "[%5d|%-8s|%05d|%c|%p|%%|%.2s]", arg2, arg1, 42, \'x\', 255, arg1')
    assert re.search(r"\[ +\d+\|[\w ]+\|00042\|x\|0xff\|%\|\w\w\]$", r.out), r
    r = traced(1, "trace", f'{CALLS}:tick "%U", reg("ip")')
    assert re.search(r"tick\+?\S*$", r.out.strip()), r


def test_trace_32_bits():
    r = traced(1, "trace", f'{CALLS}:tick "%d %u %lx %x", (long)-1, (int)-1, -1, -1')
    assert body(r) == lines_of(r, "tick", "-1 4294967295 ffffffffffffffff ffffffff")


def test_trace_words_are_whole():
    """bcc replaces arg1 in arg10 as well."""
    r = run_awl("trace", "--show-script", f'{CALLS}:add_numbers "%d", arg8')
    assert "arg7" in r.out and "arg0" not in r.out


def test_trace_commas_and_colons():
    r = traced(2, "trace", f'{CALLS}:tick "a:%d,b:%d", arg1 > 0 ? 1 : 0, sizeof(unsigned long)')
    assert body(r) == lines_of(r, "tick", "a:0,b:8", "a:1,b:8")


def test_trace_header_types(tmp_path):
    (tmp_path / "t.h").write_text("struct text { char first; char rest[3]; };\n")
    r = traced(2, "trace", "-I", tmp_path / "t.h", f'{CALLS}:say(struct text *t, int n) (t->first == \'o\') "%c %s", t->first, t->rest')
    assert body(r) == lines_of(r, "say", "o dd"), r


def test_trace_names_from_debug_information():
    """bcc knows parameters by a signature only."""
    r = traced(4, "trace", f'{CALLS}:say (n > 1) "%s %d", text, n')
    assert body(r) == lines_of(r, "say", "even number 2", "odd 3")


def test_trace_values_of_the_entry():
    r = traced(3, "trace", f'r:{CALLS}:say ($entry(n) > 0) "%s %d %d", $entry(text), retval, $latency > 0',
               f'r:{CALLS}:tick(uint64_t number) "%d", $entry(number)')
    assert sorted(body(r)) == sorted([*lines_of(r, "tick", "0", "1", "2"),
                                      *lines_of(r, "say", "odd 4 1", "even number 13 1")]), r


def test_trace_addresses_and_errors():
    """bcc has no such conversions; those behind %p are spelled as in the kernel."""
    r = traced(1, "trace", f'{CALLS}:tick "%pI4 %I %pe %E|%-10E|", 0x0100007f, 0x0200007f, -2, 13, 0')
    assert body(r) == lines_of(r, "tick", "127.0.0.1 127.0.0.2 No such file or directory Permission denied|Success   |")


def test_trace_system_calls_by_the_names_of_tutorials(tmp_path):
    """The functions sys_openat, SyS_openat … are on no kernel of today; bcc needs kprobes for __x64_sys_openat."""
    for name in ("sys_openat", "SyS_openat", "__x64_sys_openat", "syscall:openat"):
        with Command("trace", "-M", 1, f'{name}(int dir, const char *path) (STRCMP("{tmp_path}/a", path)) '
                                       '"%s %d", arg2, flags & 3') as c:
            (tmp_path / "a").write_text("")
            r = c.stop(None)
        assert r.out.splitlines()[1].endswith(f"{tmp_path}/a 1"), r
        assert name.replace("syscall:", "sys_enter_") in r.out
    with Command("trace", "-M", 1, f'r::sys_read (retval == 77) "%d of %d, fd %d %d", retval, $entry(arg3), $entry(fd), $latency > 0') as c:
        fd = os.open("/dev/zero", os.O_RDONLY)
        assert os.read(fd, 77)
        r = c.stop(None)
    assert r.out.splitlines()[1].endswith(f"77 of 77, fd {fd} 1"), r
    os.close(fd)


def test_trace_binary_comparison():
    with Command("trace", "-M", 1, "--bin_cmp", 'sys_pwrite64(int fd, char *data) (arg3 == 3 && STRCMP("{0x6c, 0, 254}", data)) "found"') as c:
        fd = os.memfd_create("bin")
        for data in (b"l\0\xff", b"l\0\xfe"):
            os.pwrite(fd, data, 0)
        r = c.stop(None)
        os.close(fd)
    assert re.search(r"sys_pwrite64 +found$", r.out.strip()), r


def test_trace_user_structures_of_system_calls():
    with Command("trace", "-M", 1, "-p", os.getpid(), 'sys_clock_nanosleep(int c, int f, struct timespec *ts) "%d", ts->tv_nsec') as c:
        time.sleep(0.012345678)
        r = c.stop(None)
    assert r.code == 0 and re.search(r"sys_clock_nanosleep +\d+$", r.out.strip()), r


def test_trace_returns_and_several_probes():
    r = traced(1, "trace", f"{CALLS}:say", f'r:{CALLS}:say "%d", retval')
    assert body(r) == lines_of(r, "say", "", "11")


def test_trace_usdt_without_pid():
    """bcc needs -p for a probe with a semaphore."""
    r = traced(2, "trace", f'u:{CALLS}:tick "%d %d", arg1, arg2')
    assert body(r) == lines_of(r, "tick", "0 -5", "1 -5")


def test_trace_columns():
    r = traced(1, "trace", "-t", "-C", f"{CALLS}:tick")
    assert re.fullmatch(r"TIME     CPU PID     TID     COMM            FUNC             \n"
                        r"\d+\.\d{6} +\d+ +\d+ +\d+ +calls +tick +\n", r.out), r
    assert re.search(r"^\d{10}\.\d{6} \d+ ", traced(1, "trace", "-t", "-u", f"{CALLS}:tick").out, re.M)
    assert re.search(r"^\d\d:\d\d:\d\d \d+ ", traced(1, "trace", "-T", f"{CALLS}:tick").out, re.M)


def test_trace_stops_after_max_events():
    r = traced(50, "trace", "-M", 3, f"{CALLS}:tick", stop=None)
    assert len(body(r)) == 3


def test_trace_stacks():
    r = traced(1, "trace", "-U", f"{CALLS}:tick")
    assert re.search(r"tick +\n        tick\+0x[0-9a-f]+ \[calls\]\n        outer\+0x[0-9a-f]+ \[calls\]\n(?:        .*\n)*\n$",
                     r.out), r
    assert re.search(r"^ {8} *[0-9a-f]{8,16} tick\+0x", traced(1, "trace", "-U", "-a", f"{CALLS}:tick").out, re.M)


def test_trace_aggregates():
    r = traced(6, "trace", "-M", 6, "-A", f'{CALLS}:say "%s", arg1', stop=None)
    assert re.search(r"^\d+ .* odd\n-->COUNT 3\n\n", r.out, re.M), r


def test_trace_filters():
    assert body(traced(2, "trace", "-n", "call", f"{CALLS}:tick"))
    assert not body(traced(2, "trace", "-n", "nosuch", f"{CALLS}:tick"))
    assert not body(traced(2, "trace", "--uid", 12345, f"{CALLS}:tick"))
    assert not body(traced(2, "trace", "-L", 1, f"{CALLS}:tick"))
    assert len(body(traced(2, "trace", "-p", "@PID@", f"{CALLS}:tick"))) == 2


def test_trace_message_filter():
    r = traced(8, "trace", "-f", "odd 3", f'{CALLS}:say "%s %d", arg1, arg2')
    assert r.out.splitlines()[0].startswith("PID ") and body(r) == lines_of(r, "say", "odd 3")
    assert not body(traced(4, "trace", "-f", "calls", f'{CALLS}:say "%s %d", arg1, arg2'))  # the message, not the line
    r = traced(8, "trace", "-M", 2, "-f", "odd", f'{CALLS}:say "%s %d", arg1, arg2', stop=None)
    assert body(r) == lines_of(r, "say", "odd 1", "odd 3")  # those that are printed count


def test_trace_tracepoint_strings():
    """bcc: __data_loc fields of tracepoints are compile errors."""
    with Command("trace", "-M", 1, 't:sched:sched_process_exec (STRCMP("/bin/true", args->filename)) "%s", args->filename') as c:
        subprocess.run(["/bin/true"])
        r = c.stop(None)
    assert r.out.splitlines()[1].endswith(" /bin/true"), r


def test_trace_system_call():
    with Command("trace", "-M", 1, "-n", "cat", 'syscall:openat (STRCMP("/etc/passwd", args->filename)) "%s", args->filename') as c:
        subprocess.run(["cat", "/etc/passwd"], stdout=subprocess.DEVNULL)
        r = c.stop(None)
    assert r.out.splitlines()[1].endswith("sys_enter_openat /etc/passwd"), r


def test_trace_ends_under_a_flood():
    """bcc swallows the Ctrl-C in a callback and goes on for ever."""
    storm = subprocess.Popen([STORM, "2", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with Command("trace", f'{STORM}:hit "%ld", arg1') as c:
            time.sleep(0.5)
            r = c.stop()
        assert r.code == 0
    finally:
        storm.kill()
        storm.wait()


# ---- argdist ---------------------------------------------------------------------------------------------------


def test_argdist_counts():
    r = traced(6, "argdist", "-i", 60, "-C", f"p:{CALLS}:say(char *s, int n):char*:s#what was said")
    assert re.fullmatch(r"\[\d\d:\d\d:\d\d\]\nwhat was said\n\tCOUNT      EVENT\n"
                        r"\t3          s = even number\n\t3          s = odd\n", r.out), r  # bcc: nothing on Ctrl-C, b'odd'


def test_argdist_default_and_label():
    spec = f"p:{CALLS}:tick(long i)"
    r = traced(6, "argdist", "-i", 60, "-C", spec)
    assert r.out.split("\n", 1)[1] == f"{spec}\n\tCOUNT      EVENT\n\t6          total calls\n", r
    r = traced(6, "argdist", "-i", 60, "-C", f"r:{CALLS}:add_numbers()")
    assert re.search(r"^\t\d+ +retval = \d+$", r.out, re.M), r


def test_argdist_filter_and_top():
    r = traced(8, "argdist", "-i", 60, "-T", 2, "-C", f"p:{CALLS}:tick(long i):long:i:i > 2 && i != 5")
    assert re.findall(r"i = (\d+)$", r.out, re.M) == ["6", "7"], r


def test_argdist_histogram_of_entry_and_latency():
    r = traced(8, "argdist", "-i", 60, "-H", f"r:{CALLS}:tick(long i):u64:$entry(i)#index",
               "-H", f"r:{CALLS}:tick(long i):u64:$latency:$entry(i) < 4#ns")
    assert re.search(r"^     index               : count     distribution\n"
                     r"         0 -> 1          : 2        \|\*{20} {20}\|\n"
                     r"         2 -> 3          : 2        \|\*{20} {20}\|\n"
                     r"         4 -> 7          : 4        \|\*{40}\|$", r.out, re.M), r
    ns = r.out.split("     ns ")[1]
    assert sum(int(n) for n in re.findall(r"-> \d+ +: (\d+)", ns)) == 4, r


def test_argdist_usdt_and_comm():
    """bcc: u: has no 'htab_batch_ops'; $COMM is rejected by the verifier."""
    r = traced(4, "argdist", "-i", 60, "-C", f"u:{CALLS}:tick():int,char*:arg2,$COMM")
    assert "\t4          arg2 = -5, $COMM = calls\n" in r.out, r


def test_argdist_ternary_and_list():
    """bcc splits at every colon and comma."""
    r = traced(6, "argdist", "-i", 60, "-C", f"p:{CALLS}:tick(long i):long,long:i > 2 ? 1 : 0,i & 0")
    assert "\t3          i > 2 ? 1 : 0 = 0, i & 0 = 0\n" in r.out, r


def test_argdist_system_calls():
    r = run_awl("argdist", "-i", "0.3", "-n", 1, "-C", "p::sys_read(int fd):int:fd", "-C", "r::sys_read()")
    assert re.search(r"fd = \d+$", r.out, re.M) and re.search(r"retval = -?\d+$", r.out, re.M), r


def test_argdist_names_from_debug_information():
    r = traced(4, "argdist", "-i", 60, "-C", f"r:{CALLS}:say():char*,int:$entry(text),$entry(n)",
               "-C", f"p:{CALLS}:say():int:n:n > 1")
    assert "\t1          $entry(text) = odd, $entry(n) = 3\n" in r.out, r
    assert re.findall(r"\t1 +n = (\d)$", r.out, re.M) == ["2", "3"], r


def test_argdist_entries_by_number():
    r = traced(4, "argdist", "-i", 60, "-C", f"r:{CALLS}:say():int:$entry(arg2)")
    assert re.findall(r"= (\d)$", r.out, re.M) == ["0", "1", "2", "3"], r


def test_argdist_number_of_outputs():
    r = run_awl("argdist", "-i", "0.2", "-n", 3, "-C", "t:sched:sched_switch():int:args->prev_prio")
    assert len(re.findall(r"^\[\d\d:\d\d:\d\d\]$", r.out, re.M)) == 3, r


# ---- tplist ----------------------------------------------------------------------------------------------------


def test_tplist_tracepoints():
    everything = run_awl("tplist").out.splitlines()
    assert len(everything) > 300 and "sched:sched_switch" in everything
    r = run_awl("tplist", "-v", "sched:sched_swit*")
    assert r.out.startswith("sched:sched_switch\n    char prev_comm[16];\n    pid_t prev_pid;\n"), r
    assert "common_" not in r.out


def test_tplist_usdt():
    assert run_awl("tplist", "-l", CALLS).out == f"{CALLS} demo:tick\n"
    r = run_awl("tplist", "-vv", "-l", CALLS, "demo:*")
    assert re.fullmatch(r"demo:tick \[sema 0x[0-9a-f]+\]\n  1 location\(s\)\n  3 argument\(s\)\n"
                        r"  location #1 \S+ 0x[0-9a-f]+\n    argument #1 8 signed   bytes @ .*\n"
                        r"    argument #2 4 signed   bytes @ -5\n    argument #3 4 signed   bytes @ .*\n", r.out), r
    calls = Calls(1)
    assert f"{CALLS} demo:tick\n" in run_awl("tplist", "-p", calls.pid).out
    calls.go()


# ---- funclatency, funcslower -----------------------------------------------------------------------------------


def test_funclatency():
    r = traced(12, "funclatency", f"{CALLS}:tick")
    m = re.fullmatch(
        r'Tracing 1 functions for "[^"]+"\.\.\. Hit Ctrl-C to end\.\n\n\nFunction = tick \[%d\]\n'
        r"     nsecs               : count     distribution\n"
        r"((?: +\d+ -> \d+ +: \d+ +\|[* ]{40}\|\n)+)"
        r"\navg = (\d+) nsecs, total: (\d+) nsecs, count: 12\n\nDetaching\.\.\.\n" % r.pid, r.out)
    assert m and sum(int(n) for n in re.findall(r": (\d+) ", m.group(1))) == 12, r
    assert int(m.group(2)) == int(m.group(3)) // 12


def test_funclatency_units_and_functions():
    r = traced(5, "funclatency", "-u", "-F", f"{CALLS}:{{tick,outer}}")
    assert set(re.findall(r"^Function = (\w+) \[", r.out, re.M)) == {"tick", "outer"} and "usecs" in r.out, r
    assert re.search(r"count: 10$", r.out, re.M), r  # outer calls tick: both are whole


def test_funcslower():
    r = traced(3, "funcslower", "-u", "0", "-a", 2, f"{CALLS}:say")
    lines = r.out.splitlines()
    assert lines[0] == "Tracing function calls slower than 0 us... Ctrl+C to quit."
    assert lines[1] == "COMM           PID    LAT(us)             RVAL FUNC ARGS"
    assert len(lines) == 5 and all(re.fullmatch(
        r"calls          %-6d +\d+\.\d\d {16}\w %s:say 0x[0-9a-f]+ 0x[0-9a-f]+" % (r.pid, re.escape(CALLS)), line)
        for line in lines[2:]), r
    assert len(traced(3, "funcslower", "-m", 1000, f"{CALLS}:say").out.splitlines()) == 2


def test_funcslower_nested():
    """bcc has one slot for each thread: a function that calls another traced one loses its own."""
    r = traced(3, "funcslower", "-u", "0", f"{CALLS}:outer", f"{CALLS}:tick")
    assert r.out.count(":outer") == 3 and r.out.count(":tick") == 3, r


# ---- wrong command lines ---------------------------------------------------------------------------------------

PY = "/usr/bin/python3"
WRONG = [
    ("funccount", "required: pattern"),
    ("funccount -x foo", "no option -x"),
    ("funccount --durration 1 c:malloc", "did you mean --duration?"),
    ("funccount -d x c:malloc", '-d/--duration: "x" is not a length of time'),
    ("funccount -d 0 c:malloc", '"0" is not a length of time above 0'),
    ("funccount -i -1 c:malloc", "-i/--interval"),
    ("funccount -p abc c:malloc", '-p/--pid: "abc" is not a number'),
    ("funccount -p 999999999 c:malloc", "there is no process 999999999"),
    ("funccount -c zero c:malloc", "-c/--cpu"),
    ("funccount c:malloc c:free", "one pattern is possible"),
    ("funccount a:b:c:d", "too many ':'-separated components"),
    ("funccount x:c:malloc", "probe type must be '', 'p', 't', 'r', or 'u', but got 'x'"),
    ("funccount c:", "the name of the function is missing"),
    ("funccount c:mallok", "did you mean malloc?"),
    ("funccount nosuchlib:foo", "nosuchlib: no such program"),
    ("funccount /no/such/file:foo", "find /no/such/file: No such file or directory"),
    (f"funccount {CALLS}:tikc", "did you mean tick?"),
    ("funccount t:sched:sched_swich", "did you mean tracepoint:sched:sched_switch?"),
    ("funccount t:shed:sched_switch", "did you mean tracepoint:sched:sched_switch?"),
    ("funccount t:sched", "a tracepoint is written t:category:event"),
    ("funccount t:sched:", "a tracepoint is written t:category:event"),
    ("funccount c:nosuch*", "no probe matches"),
    ("funccount -r c:(", "is no regular expression"),
    ("funccount -r c:^nosuch$", 'nothing matches "^nosuch$"'),
    (f"funccount u:{CALLS}:tikc", "did you mean tick?"),
    ("funccount u:nolib:x", "nolib: no such program"),
    (f"funccount {CALLS}:0xzz", "no probe matches"),
    (f"funccount {CALLS}:tick+0xzz", "invalid offset format '+0xzz', must be decimal or hexadecimal"),
    (f"funccount r:{CALLS}:tick+3", "a return probe takes no offset"),
    (f"funccount {CALLS}:add_numbers+2", "middle of an instruction"),
    ("funccount /etc/passwd:foo", "not an ELF file"),
    ("funccount -d", "expected DURATION"),
    ("stackcount", "required: pattern"),
    ("stackcount -K -U c:malloc", "-K and -U are mutually exclusive. If you want both stacks, that is the default."),
    ("stackcount -D nan c:malloc", "-D/--duration"),
    ("trace", "required: probe"),
    ("trace -p 1 -L 1 c:malloc", "only one of -p and -L may be specified"),
    ("trace -A c:malloc", "-M/--max-events should be specified with -A/--aggregate"),
    ("trace -b 3 c:malloc", "3 is not a power of two"),
    ("trace -u c:malloc", "requires -t"),
    ("trace -M 0 c:malloc", "at least one event"),
    ("trace q::foo", "probe type must be '', 'p', 't', 'r', or 'u', but got 'q'"),
    (["trace", "c:malloc (arg1 > 1"], "unmatched end of predicate"),
    (["trace", 'c:malloc (arg1 == ) "x"'], "expected an expression"),
    (["trace", 'c:malloc "s'], 'expected format string in "s'),
    (["trace", "c:malloc %d, arg1"], "expected format string"),
    (["trace", 'c:malloc "%q", arg1'], "unknown conversion %q"),
    (["trace", 'c:malloc "%M", pton("::1")'], "array of 6 bytes"),
    (["trace", 'c:malloc "%d %d", arg1'], "more conversions than values"),
    (["trace", 'c:malloc "%d", arg1, arg2'], 'no conversion for "arg2"'),
    (["trace", 'c:malloc "%d" arg1'], "a comma and the values are expected"),
    (["trace", 'c:malloc "%d", nosuchname'], "the name nosuchname is not known"),
    (["trace", 'c:malloc "%d", $pidd'], "there is no $pidd; there are $pid"),
    (["trace", 'c:malloc(long) "%d", arg1'], "is not a type and a name"),
    (["trace", 't:sched:sched_switch "%s", args->next_com'], "did you mean `next_comm`?"),
    (["trace", 't:sched:sched_switch(int a) "x"'], "can't have a function signature; use arg1, arg2, ... instead"),
    (["trace", 't:sched:sched_switch "%d", arg1'], "args->name"),
    (["trace", 'r:c:malloc "%d", arg1'], "arguments are gone"),
    (["trace", 'c:malloc "%d", retval'], "retval is not available"),
    (["trace", "-B", 'sys_read (STRCMP("{1,999}", arg2)) "x"'], "STRCMP takes 1 to 64 bytes"),
    (["trace", 'sys_read "%d", arg4'], "the system call has no argument 4"),
    (["trace", 'c:malloc (STRCMP("a")) "x"'], "STRCMP takes two operands"),
    (["trace", 'c:malloc (arg1 = 3) "x"'], "= assigns; == compares"),
    (["trace", "c:malloc (arg1 == 'ab') \"x\""], "is one character"),
    (["trace", 'c:malloc "%d", (arg1'], "unmatched '('"),
    (["trace", 'c:malloc () "x"'], "the predicate is empty"),
    (["trace", "-I", "/no/such.h", 'c:malloc "x"'], "cannot read /no/such.h"),
    (["trace", 'c:malloc(struct nosuch *p) "%d", p->x'], "no type struct nosuch"),
    ("argdist", "at least one specifier is required"),
    ("argdist -C", "expected SPECIFIER"),
    ("argdist -C q:c:malloc()", "probe type must be 'p', 'r', 't', or 'u' but got 'q'"),
    ("argdist -C p:c", "at least the probe type, library, and function signature must be specified"),
    ("argdist -C p:c:malloc", "function signature 'malloc' has an invalid format"),
    ("argdist -C p:c:malloc(int", "has an invalid format"),
    (["argdist", "-C", "p:c:malloc(size_t size):u64"], "the values are missing"),
    (["argdist", "-C", "p:c:malloc(size_t size):u64,u64:size"], "mismatched # of exprs (1) and types (2)"),
    (["argdist", "-H", "p:c:malloc(size_t size):u64,u64:size,size"], "histograms can only have 1 expr"),
    (["argdist", "-H", "p:c:malloc(size_t size)"], "histograms must have expr"),
    (["argdist", "-C", "p:c:malloc(size_t size):u64:size:size>0:x"], "extraneous ':'-separated parts"),
    (["argdist", "-C", "p:c:malloc(size_t size):u64:$latency"], "$latency is possible in return probes only"),
    (["argdist", "-C", "r:c:malloc(size_t size):u64:$entry(siz)"], "$entry(siz): neither signature nor debug information has such a parameter"),
    (["argdist", "-C", "p:c:malloc(size_t size):u64:siz"], "did you mean size?"),
    ("tplist nosuch:*", 'nothing matches "nosuch:*"'),
    ("tplist sched:sched_swich", "did you mean sched:sched_switch?"),
    ("tplist -l nolib", "nolib"),
    (f"tplist -l {STORM}", "there are no USDT probes"),
    ("tplist -p 999999999", "there is no process 999999999"),
    ("tplist a b", "one filter is possible"),
    ("funclatency", "required: pattern"),
    ("funclatency -u -m c:malloc", "exclude each other"),
    ("funclatency t:sched:sched_switch", "functions only"),
    ("funclatency a:b:c:d", "too many ':'-separated components"),
    ("funcslower", "required: function"),
    ("funcslower -m 1 -u 1 c:malloc", "not allowed with argument -m/--min-ms"),
    ("funcslower -a 9 c:malloc", "at most 6 arguments"),
    ("funcslower nolib:x", "nolib: no such program"),
    ("funcslower -f c:malloc", "needs stacks"),
    # misspelled: the nearest name is said
    ("funccount --d 1 c:malloc", "option --d is ambiguous: it could be --duration, --debug"),
    ("funccount rawtracepoint:sched_swich", "did you mean sched_switch?"),
    ("funccount software:page-fault:1", "did you mean page-faults?"),
    ("funccount r:syscall:opnat", "did you mean tracepoint:syscalls:sys_exit_openat?"),
    ("stackcount c:mallco", "did you mean malloc?"),
    ("stackcount --offst c:malloc", "did you mean --offset?"),
    ("stackcount -D 1 t:sched:sched_swich", "did you mean tracepoint:sched:sched_switch?"),
    (f"stackcount u:{CALLS}:demo:tikc", "did you mean demo:tick?"),
    ("trace --max-evnts 1 c:malloc", "did you mean --max-events?"),
    (f"trace u:{CALLS}:dmo:tick", "did you mean demo:tick?"),
    ("trace sys_opnat", "did you mean tracepoint:syscalls:sys_enter_openat?"),
    ("trace syscall:opnat", "did you mean tracepoint:syscalls:sys_enter_openat?"),
    (f"trace {CALLS}:add_numbers+2", "middle of an instruction"),
    (["trace", 'c:malloc "%d", $tgidd'], "did you mean $tgid?"),
    (["trace", f'{CALLS}:say "%d", texts'], "did you mean text?"),
    (["trace", f'r:{CALLS}:say "%d", $entry(txt)'], "did you mean text?"),
    (["trace", 'c:malloc(size_t size) "%d", sise'], "did you mean size?"),
    ("argdist -C p:c:mallco()", "did you mean malloc?"),
    ("argdist --histogran x", "did you mean --histogram?"),
    (["argdist", "-C", "r:c:malloc(size_t size):u64:$latencie"], "did you mean $latency?"),
    (["argdist", "-C", "r:c:malloc(size_t size):u64:$entry(sise)"], "did you mean size?"),
    (["argdist", "-C", "t:sched:sched_switch():int:args->prev_proi"], "did you mean `prev_prio`?"),
    ("argdist -C t:sched:sched_swich()", "did you mean tracepoint:sched:sched_switch?"),
    ("tplist --pdi 1", "did you mean --pid?"),
    ("funclatency --functin c:malloc", "did you mean --function?"),
    ("funclatency c:mallco", "did you mean malloc?"),
    (f"funclatency {CALLS}:tikc", "did you mean tick?"),
    ("funcslower --min-sm 1 c:malloc", "did you mean --min-ms?"),
    ("funcslower c:mallco c:free", "did you mean malloc?"),
]


def test_enough_is_done_wrong():
    """Every command has its share, and each wrong line is another one."""
    lines = [line if isinstance(line, str) else " ".join(line) for line, _ in WRONG]
    assert len(set(lines)) == len(lines) >= 120
    for name in COMMANDS:
        assert sum(line.startswith(name) for line in lines) >= 7, name
    assert sum("did you mean" in message for _, message in WRONG) >= 35


@pytest.mark.parametrize("line,message", WRONG, ids=lambda v: v if isinstance(v, str) else " ".join(v))
def test_wrong_command_line(line, message):
    args = line.split() if isinstance(line, str) else line
    r = run_awl(*args, timeout=20)
    assert r.code == 1 and r.out == "", r
    assert r.err.count("\n") == 1 and r.err.endswith("\n") and r.err.startswith(args[0] + ": ") and message in r.err, r
