"""The examples of bcc's own documentation for its front-line commands, as they stand there, each on a workload that it is about.

Those of kernel functions run in virtual machines (tests/vm/bcc.part). Where an example traces read, write or malloc of the whole
system, -p of this process is added: the machine has other work.
"""
import ctypes
import os
import platform
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from bcc_commands import CALLS, Calls, Command
from conftest import run_awl

libc = ctypes.CDLL(None, use_errno=True)
x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="a system call or a register of x86-64")


class timespec(ctypes.Structure):
    _fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]


def example(line, act, pattern, seconds=30):
    """What `line` prints; `act` is done until a line matches, or once more for a command that prints at its end alone."""
    with Command(*shlex.split(line.replace("-p PID", f"-p {os.getpid()}"))) as c:
        end = time.monotonic() + seconds
        act()
        while not line.startswith(("funccount", "stackcount", "argdist")) and time.monotonic() < end and \
                c.p.poll() is None and not re.search(pattern, c.out.decode(errors="replace"), re.M):
            time.sleep(0.05)
            act()
        r = c.stop()
    assert r.code == 0 and re.search(pattern, r.out, re.M), r
    return r


def times(n, f, *args):
    return lambda: [f(*args) for _ in range(n)]


# ---- what the examples are about -----------------------------------------------------------------------------------


def execute(*command):
    return lambda: subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def open_test_txt():
    fd = libc.open(b"test.txt", os.O_RDONLY)
    if fd >= 0:
        os.close(fd)


def nanosleep():
    libc.nanosleep(ctypes.byref(timespec(0, 5_000_000)), None)


def lock_contention():
    """Threads that wait for each other: futex."""
    lock = threading.Lock()
    lock.acquire()
    threads = [threading.Thread(target=lambda: lock.acquire() and lock.release()) for _ in range(3)]
    for t in threads:
        t.start()
    time.sleep(0.01)
    lock.release()
    for t in threads:
        t.join()


def set_tos():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(0, 1, 0x6c)


def send_packet():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", ("127.0.0.1", 9))


def type_into_bash(text):
    """A shell of somebody who types."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execl("/bin/bash", "bash", "--norc", "-i")
    os.write(fd, text + b"\nexit\n")
    try:
        while os.read(fd, 1000):
            pass
    except OSError:  # it has left
        pass
    os.close(fd)
    os.waitpid(pid, 0)


def write_to_disk(path):
    with open(path, "wb") as f:
        f.write(os.urandom(1 << 16))
        f.flush()
        os.fsync(f.fileno())


def curses_version():
    """The text is in the library's file: its page is there for a probe to read when somebody has read it before."""
    library = ctypes.CDLL("libtinfo.so.6")
    library.curses_version.restype = ctypes.c_char_p
    assert library.curses_version().startswith(b"ncurses")


def read_zeros():
    fd = os.open("/dev/zero", os.O_RDONLY)
    libc.read(fd, ctypes.create_string_buffer(100), 100)
    return fd


def silent_stdout():
    """write(1, …) of 17 bytes, to nowhere."""
    saved, null = os.dup(1), os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, 1)
    libc.write(1, b"hello, somebody!\n", 17)
    os.dup2(saved, 1)
    os.close(saved)
    os.close(null)


# ---- trace -----------------------------------------------------------------------------------------------------------

HEAD = "PID     TID     COMM            FUNC             "
LINE = r"^\d+ +\d+ +\S.{14} "
STACK = r"\n(?: {8}\S.*\+0x[0-9a-f]+ \[[^\]]+\]\n)+\n"
TRACE = {
    """trace 'sys_execve "%s", arg1'""": (HEAD + "-", execute("/bin/true"), LINE + "sys_execve +/bin/true$"),
    """trace 'sys_read (arg3 > 20000) "read %d bytes", arg3'""":
        (HEAD + "-", execute("dd", "if=/dev/zero", "of=/dev/null", "bs=1M", "count=4", "status=none"),
         r"^\d+ +\d+ +dd +sys_read +read 1048576 bytes$"),
    """trace 'sys_openat "%s", arg2@user' -UK -f temp""":
        (HEAD + "-", execute("cat", "temp.1"), LINE + r"sys_openat +temp\.1" + STACK),
    """trace 'sys_openat "%s", arg2@user' -UK -n out""":
        (HEAD + "-", execute("timeout", "1", "true"), r"^\d+ +\d+ +timeout +sys_openat +\S+" + STACK),
    """trace 'r:bash:readline "%s", retval'""": (HEAD + "-", lambda: type_into_bash(b"echo hi!"),
                                                r"^\d+ +\d+ +bash +readline +echo hi!$"),
    """trace -U -a 'r::sys_futex "%d", retval'""":
        (HEAD + "-", lock_contention, LINE + r"sys_futex +-?\d+\n(?: {8} *[0-9a-f]{8,16} .*\n)+\n"),
    """trace -p PID 'r:c:read ((int)retval < 0) "read failed: %d", retval'"""
    """ 'r:c:write ((int)retval < 0) "write failed: %d", retval' -T""":
        ("TIME     " + HEAD + "-", lambda: libc.read(-1, None, 0) + libc.write(-1, None, 0),
         r"(?s)^\d\d:\d\d:\d\d \d+ .* read +read failed: -1$.*^\d\d:\d\d:\d\d \d+ [^\n]* write +write failed: -1$"),
    """trace -s /lib/x86_64-linux-gnu/libc.so.6,/bin/ping 'p:c:inet_pton' -U""":
        (HEAD, lambda: libc.inet_pton(2, b"127.0.0.1", ctypes.create_string_buffer(4)),
         LINE + r"inet_pton +\n {8}(?:__GI_|__)?inet_pton\+0x[0-9a-f]+ \[libc.so.6\]\n"),
    """trace 'r:/lib/x86_64-linux-gnu/libtinfo.so.6:curses_version "Version=%s", retval'""":
        (HEAD + "-", curses_version, LINE + r"curses_version +Version=ncurses \d"),
    """trace 'p:c:open (STRCMP("test.txt", arg1)) "opening %s", arg1' -T""":
        ("TIME     " + HEAD + "-", open_test_txt, r"^\d\d:\d\d:\d\d \d+ .* open +opening test\.txt$"),
    """trace 'p:c:open(char *filename) "opening %s", filename'""":
        (HEAD + "-", open_test_txt, LINE + r"open +opening test\.txt$"),
    """trace -p PID 'sys_openat "%s", arg2@user' -T""":
        ("TIME     " + HEAD + "-", lambda: os.stat(".") and os.path.exists("test.txt") and open("test.txt").close() or
         os.close(os.open("/etc/passwd", os.O_RDONLY)), r"^\d\d:\d\d:\d\d \d+ .* sys_openat +/etc/passwd$"),
    """trace 'sys_setsockopt(int fd, int level, int optname, char* optval, int optlen)(level==0 && optname == 1 && """
    """STRCMP("{0x6C, 0x00, 0x00, 0x00}", optval))' -U -M 1 --bin_cmp""":
        (HEAD, set_tos, LINE + r"sys_setsockopt +\n {8}__setsockopt\+0x[0-9a-f]+ \[libc.so.6\]\n".replace("__", "(?:__)?")),
    """trace 'c:open (arg2 == 42) "%s %d", arg1, arg2'""":
        (HEAD + "-", lambda: libc.open(b"/no/such", 42), LINE + r"open +/no/such 42$"),
    """trace -p PID 'c:malloc "size = %d", arg1'""":
        (HEAD + "-", lambda: libc.free(ctypes.c_void_p(libc.malloc(4321))), LINE + r"malloc +size = 4321$"),
    """trace -p PID 'p:c:write (arg1 == 1) "writing %d bytes to STDOUT", arg3'""":
        (HEAD + "-", silent_stdout, LINE + r"write +writing 17 bytes to STDOUT$"),
    """trace -p PID 'r:c:malloc (retval) "allocated = %x", retval'""":
        (HEAD + "-", lambda: libc.malloc(1), LINE + r"malloc +allocated = [0-9a-f]+$"),
}


@pytest.mark.parametrize("line", TRACE)
def test_trace(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    libc.malloc.restype = ctypes.c_void_p
    (tmp_path / "test.txt").write_text("")
    (tmp_path / "temp.1").write_text("")
    head, act, pattern = TRACE[line]
    r = example(line, act, pattern)
    assert r.out.splitlines()[0] == head


@x86
def test_trace_calls_that_programs_of_today_do_not_make():
    r = example("""trace 'p::SyS_nanosleep(struct timespec *ts) "sleep for %lld ns", ts->tv_nsec'""",
                lambda: libc.syscall(35, ctypes.byref(timespec(0, 500_000)), None), LINE + "SyS_nanosleep +sleep for 500000 ns$")
    assert r.out.splitlines()[0] == HEAD + "-"
    example("trace sys_open", lambda: libc.syscall(2, b"/no/such", 0), LINE + "sys_open +$")
    example("trace __x64_sys_nanosleep __x64_sys_clone", lambda: libc.syscall(35, ctypes.byref(timespec(0, 500_000)), None),
            LINE + "__x64_sys_nanosleep +$")


def test_trace_block_tracepoint(tmp_path):
    r = example("""trace 't:block:block_rq_complete "sectors=%d", args->nr_sector' -T""", lambda: write_to_disk(tmp_path / "file"),
                r"^\d\d:\d\d:\d\d \d+ +\d+ +\S.* block_rq_complete sectors=\d+$")
    assert r.out.splitlines()[0] == "TIME     " + HEAD + "-"
    assert re.match(r"block:block_rq_complete\n    dev_t dev;\n    sector_t sector;\n    unsigned int nr_sector;\n",
                    run_awl("tplist", "-v", "block:block_rq_complete").out)


@x86
def test_trace_registers_at_offsets(tmp_path):
    """The program of bcc's documentation, whose values are in a register between two instructions."""
    (tmp_path / "a.s").write_text("""
        .globl main
        .type main, @function
main:   sub $8, %rsp
        mov $0xdead, %edx
        mov $1, %edi
        mov $0xbeef, %edx
        xor %eax, %eax
        add $8, %rsp
        ret
        .size main, .-main
        .section .note.GNU-stack,"",@progbits
""")
    subprocess.run(["cc", "-o", tmp_path / "a.out", tmp_path / "a.s"], check=True)
    a = tmp_path / "a.out"
    r = example(f"""trace 'p:{a}:main+0x9 "%x", ctx->dx' 'p:{a}:main+19 "%x", ctx->dx'""", execute(a), "beef$")
    assert r.out.splitlines()[0] == HEAD + "-"
    assert [line.split()[2:] for line in r.out.splitlines()[1:3]] == [["a.out", "main", "dead"], ["a.out", "main", "beef"]]


def test_trace_usdt_by_provider():
    """'u:pthread:libpthread:pthread_create (arg4 != 0)' of a library that has no such probes today: the same of another."""
    with Command("trace", f"u:{CALLS}:demo:tick (arg1 != 0)", "-T", "-C") as c:
        calls = Calls(3)
        calls.go()
        r = c.stop()
    assert re.fullmatch(r"TIME     CPU PID     TID     COMM            FUNC             \n"
                        r"(?:\d\d:\d\d:\d\d \d+ +%d +%d +calls +tick +\n){2}" % (calls.pid, calls.pid), r.out), r


# ---- argdist ---------------------------------------------------------------------------------------------------------

def histogram(unit):
    return r"^     %s : count     distribution\n(?: +\d+ -> \d+ +: \d+ +\|[* ]{40}\|\n)+" % re.escape("%-19s" % unit)


def counts(label, rows):
    return r"^\[\d\d:\d\d:\d\d\]\n%s\n\tCOUNT      EVENT\n(?:\t.*\n)*\t%s$" % (re.escape(label), rows)


SIZE = "p:c:malloc(size_t size):size_t:size"
WRITE = "p:c:write(int fd, void *buf, size_t len):size_t:len"
ARGDIST = {
    f"argdist -p PID -c -C '{SIZE}'": (lambda: libc.malloc(4321), counts(SIZE, r"\d+ +size = 4321")),
    f"argdist -p PID -C '{SIZE}:size==16'": (times(4, libc.malloc, 16), counts(f"{SIZE}:size==16", r"\d+ +size = 16")),
    f"argdist -p PID -c -H '{WRITE}'": (silent_stdout, histogram("len")),
    f"argdist -p PID -c -H '{WRITE}:fd==1'": (times(3, silent_stdout), r"^        16 -> 31         : 3        \|\*{40}\|$"),
    "argdist -i 10 -n 1 -C 'p:c:puts(char *str):char*:str'":
        (execute(sys.executable, "-c", "import ctypes; [ctypes.CDLL(None).puts(b'Press ENTER to start.') for _ in range(2)]"),
         counts("p:c:puts(char *str):char*:str", r"2 +str = Press ENTER to start\.")),
    "argdist -i 10 -n 1 -C 'r:c:gets():char*:(char*)$retval:$retval!=0'":
        (lambda: subprocess.run([sys.executable, "-c", "import ctypes; b = ctypes.create_string_buffer(99); [ctypes.CDLL(None).gets(b) for _ in '123']"],
                                input=b"sasha\nhello\nhello\n", check=True),
         counts("r:c:gets():char*:(char*)$retval:$retval!=0", r"1 +\(char\*\)\$retval = sasha\n\t2 +\(char\*\)\$retval = hello")),
    "argdist -p PID -H 'r:c:read()'": (lambda: os.close(read_zeros()), histogram("retval")),
    "argdist -p PID -H 'r:c:malloc(size_t size):u64:$latency/$entry(size);ns per byte' -n 1 -i 10":
        (times(9, libc.malloc, 100), histogram("ns per byte")),
    "argdist -p PID -H 'r:c:malloc(size_t size):u64:$latency/$entry(size)#ns per byte'":
        (times(9, libc.malloc, 100), histogram("ns per byte")),
    "argdist -C 't:net:net_dev_start_xmit():u16:args->protocol'":
        (send_packet, counts("t:net:net_dev_start_xmit():u16:args->protocol", r"\d+ +args->protocol = 2048")),
    """argdist -c -H 'r:c:open(char *file):u64:$latency/1000:STRCMP("test.txt",$entry(file))'""":
        (times(3, open_test_txt), histogram("$latency/1000")),
    "argdist -p PID -c -C 'p:c:write():int:$PID;write per process' -n 2":
        (silent_stdout, counts("write per process", rf"\d+ +\$PID = {os.getpid()}")),
    "argdist -C 'p:c:fork()#fork calls'": (execute("bash", "-c", "(:); (:)"), counts("fork calls", r"\d+ +total calls")),
    "argdist -H 'p:c:sleep(u32 seconds):u32:seconds' -H 'p:c:nanosleep(struct timespec *req):long:req->tv_nsec'":
        (lambda: (libc.sleep(0), nanosleep()), histogram("seconds") + r"(?s:.*)" + histogram("req->tv_nsec")),
    "argdist -p PID -z 120 -C 'p:c:write(int fd, char* buf, size_t len):char*:buf:fd==1'":
        (silent_stdout, counts("p:c:write(int fd, char* buf, size_t len):char*:buf:fd==1", r"1 +buf = hello, somebody!\n")),
    "argdist -p PID -C 'p:c:write(int fd):int:fd' -T 5": (silent_stdout, counts("p:c:write(int fd):int:fd", r"\d+ +fd = 1")),
    "argdist -C 'r::sys_read():u32:$PID:$latency > 1000'":
        (execute("dd", "if=/dev/zero", "of=/dev/null", "bs=1M", "count=40", "status=none"),
         counts("r::sys_read():u32:$PID:$latency > 1000", r"\d+ +\$PID = \d+")),
    """argdist -C 'p::sys_openat(int dfd, const char __user *filename, int flags, umode_t mode):char*:filename:"""
    """STRCMP("test.txt", filename)'""":
        (execute("cat", "test.txt"), r"^\t1 +filename = test\.txt$"),
}


@pytest.mark.parametrize("line", ARGDIST)
def test_argdist(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test.txt").write_text("")
    act, pattern = ARGDIST[line]
    if " -i " not in line:
        line += " -i 60"
    example(line, act, pattern)


def test_argdist_cumulative_and_not():
    """The first example: with -c counts grow from table to table; without, they begin anew."""
    libc.malloc.restype = ctypes.c_void_p
    for option, per_table in (("-c", [1, 2, 3]), ("", [1, 1, 1])):
        with Command(*shlex.split(f"argdist -i 0.5 -p {os.getpid()} {option} -C '{SIZE}:size==4321'")) as c:
            seen = 0
            for n in range(3):
                libc.malloc(4321)
                end = time.monotonic() + 30
                while c.out.count(b"size = 4321") <= seen and time.monotonic() < end:
                    time.sleep(0.01)
                seen = c.out.count(b"size = 4321")
            r = c.stop()
        got = [int(n) for n in re.findall(r"^\t(\d+) +size = 4321$", r.out, re.M)]
        assert (sorted(set(got)) == per_table) if option else got == per_table, r


# ---- funccount, stackcount ---------------------------------------------------------------------------------------------

TABLE = r"^Tracing \d+ functions for \"%s\"\.\.\. Hit Ctrl-C to end\.\n(?s:.*)^FUNC {36}COUNT\n(?:\S+ +\d+\n)*%s +\d+\n(?s:.*)Detaching\.\.\.\n$"


def table(pattern, name):
    return TABLE % (re.escape(pattern), name)


def test_funccount(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{os.path.dirname(CALLS)}:{os.environ['PATH']}")
    r = example("funccount -p PID -r 'c:(write|read)$'", silent_stdout, table("c:(write|read)$", "write"))
    assert r.out.startswith("Tracing 2 functions"), r  # from their beginning on: not fwrite
    example("funccount t:block:*", lambda: write_to_disk(tmp_path / "file"), table("t:block:*", "block:block_rq_complete"))
    for place in (CALLS, "calls"):  # the second is found in $PATH
        calls = Calls(5)
        r = example(f"funccount -p {calls.pid} {place}:*", calls.go, table(f"{place}:*", "tick"))
        assert re.search(r"^tick +5$", r.out, re.M) and re.search(r"^outer +5$", r.out, re.M), r
        assert [int(n) for n in re.findall(r"^\S+ +(\d+)$", r.out, re.M)] == sorted(int(n) for n in re.findall(r"^\S+ +(\d+)$", r.out, re.M))
    calls = Calls(5)
    example(f"funccount u:{CALLS}:*ic* -p {calls.pid}", calls.go, table(f"u:{CALLS}:*ic*", "demo:tick"))


def test_funccount_of_one_processor():
    cpus = sorted(os.sched_getaffinity(0))
    r = run_awl("funccount", "-i", 1, "-c", cpus[-1], "-d", 2, "t:sched:sched_switch")
    assert r.code == 0 and len(re.findall(r"^FUNC +COUNT$", r.out, re.M)) == 2 and r.out.endswith("Detaching...\n"), r
    r = run_awl("funccount", "-Ti", 1, "-d", 1, "t:sched:sched_switch")
    assert re.search(r"\n\d\d:\d\d:\d\d\nFUNC {36}COUNT\nsched:sched_switch +\d+\nDetaching\.\.\.\n$", r.out), r


def test_stackcount():
    r = example("stackcount -p PID c:malloc", lambda: libc.malloc(1), r"^  (?:__libc_|__GI___libc_|__GI___)?malloc\n(?:  .*\n)+    \d+\n")
    assert r.out.startswith('Tracing 1 functions for "c:malloc"... Hit Ctrl-C to end.\n') and r.out.endswith("Detaching...\n"), r
    example("stackcount -P t:sched:sched_switch", nanosleep, r"^  __schedule\n(?:  .*\n)*    \S.* \[\d+\]\n    \d+\n")
    example("stackcount -P -df t:sched:sched_switch", nanosleep, r"^[^;\n]+;(?:.*;)?-;.*;__schedule(?:;__traceiter_sched_switch)? \d+$")
    example("stackcount -U t:sched:sched_switch", nanosleep, r"^    \d+$")
    r = example("stackcount -K t:sched:sched_switch", nanosleep, r"^  __schedule\n(?:  .*\n)*    \d+\n")
    assert r.out.count("nanosleep") and "main" not in re.findall(r"^  (.*)$", r.out, re.M), r


def test_stackcount_intervals():
    r = run_awl("stackcount", "-P", "-T", "-d", "-i", "0.5", "-D", "1", "t:sched:sched_switch", timeout=120)
    assert r.code == 0 and len(re.findall(r"^\d\d:\d\d:\d\d$", r.out, re.M)) == 2 and re.search(r"^    --$", r.out, re.M), r
