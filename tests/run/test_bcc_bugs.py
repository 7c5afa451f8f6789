"""What bcc's commands get wrong that no other test has: each test says what bcc does there."""
import datetime
import os
import re
import signal
import subprocess
import time

import pytest

from bcc_commands import CALLS, Calls, Command, traced
from conftest import AWL, run_awl

TICK = f"{CALLS}:tick"

RECURSIVE = """
#include <stdlib.h>
__attribute__((noinline)) long fact(long n)
{
	long below;

	if (n <= 1)
		return 1;
	below = fact(n - 1);
	asm volatile("" : "+r"(below));
	return n * below;
}
int main(int argc, char **argv) { return fact(atol(argv[1])) == 0; }
"""


@pytest.fixture(scope="module")
def recursive(tmp_path_factory):
    at = tmp_path_factory.mktemp("recursive")
    (at / "fact.c").write_text(RECURSIVE)
    subprocess.run(["cc", "-O1", "-g", "-o", "fact", "fact.c"], cwd=at, check=True)
    return str(at / "fact")


def run_on(program, n, *args):
    with Command(*args) as c:
        subprocess.run([program, str(n)], check=True)
        return c.stop()


def test_every_call_of_a_recursion(recursive):
    """bcc: one slot for each thread, of 20 nested calls it shows the innermost."""
    r = run_on(recursive, 20, "funclatency", f"{recursive}:fact")
    assert re.search(r"^avg = \d+ nsecs, total: \d+ nsecs, count: 20$", r.out, re.M), r
    r = run_on(recursive, 20, "funcslower", "-u", 0, "-a", 1, f"{recursive}:fact")
    rows = re.findall(r"^fact +\d+ +(\d+\.\d\d) +[0-9a-f]+ \S+:fact 0x([0-9a-f]+)$", r.out, re.M)
    assert [int(n, 16) for _, n in rows] == list(range(1, 21)), r  # the innermost returns first
    took = [float(t) for t, _ in rows]
    assert took == sorted(took), "a call takes at least as long as those that it makes"
    r = run_on(recursive, 5, "argdist", "-i", 60, "-C", f"r:{recursive}:fact(long n):long,long:$entry(n),$retval")
    assert sorted(re.findall(r"= (\d+), \$retval = (\d+)$", r.out, re.M)) == [("1", "1"), ("2", "2"), ("3", "6"), ("4", "24"), ("5", "120")], r


def test_the_time_is_that_of_the_event():
    """bcc prints the time at which it prints: here it is stopped while the events happen, and goes on later."""
    calls = Calls(3)
    with Command("trace", "-T", TICK) as c:
        c.p.send_signal(signal.SIGSTOP)
        begin = datetime.datetime.now().replace(microsecond=0)
        calls.go()
        end = datetime.datetime.now()
        while (datetime.datetime.now() - end).total_seconds() < 2.5:
            time.sleep(0.1)
        c.p.send_signal(signal.SIGCONT)
        r = c.stop()
    times = re.findall(rf"^(\d\d:\d\d:\d\d) +{calls.pid} ", r.out, re.M)
    possible = {(begin + datetime.timedelta(seconds=s)).strftime("%H:%M:%S") for s in range(int((end - begin).total_seconds()) + 1)}
    assert len(times) == 3 and set(times) <= possible, (possible, r)


def test_processor_zero():
    """bcc ignores -c 0."""
    cpus = sorted(os.sched_getaffinity(0))
    if 0 not in cpus or len(cpus) < 2:
        pytest.skip("processor 0 and another one are needed")
    for option, seen in ((0, True), (cpus[-1], False)):
        for command in (("funccount",), ("stackcount", "-U")):
            with Command(*command, "-c", option, TICK) as c:
                subprocess.run([CALLS, "5"], check=True, stdout=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, {0}))
                r = c.stop()
            assert bool(re.search(r"^(?:tick +|    )5$", r.out, re.M)) == seen, r


def test_the_caller_of_a_function_without_frame_pointers():
    """bcc walks frame pointers, by which the caller of a function is missing at its first instruction."""
    r = traced(3, "stackcount", "-U", "-p", "@PID@", TICK)
    assert re.search(r"^  tick\n  outer\n  main\n", r.out, re.M), r
    r = traced(3, "trace", "-U", TICK)
    assert re.search(r"^ {8}tick\+0x[0-9a-f]+ \[calls\]\n {8}outer\+0x[0-9a-f]+ \[calls\]\n {8}main\+0x", r.out, re.M), r


def test_a_second_interrupt_does_no_harm():
    """bcc ignores it while it detaches for half a minute; the table is there by then, and is whole."""
    with Command("funccount", "t:syscalls:sys_enter_*") as c:
        c.p.send_signal(signal.SIGINT)
        while b"FUNC" not in c.out and c.p.poll() is None:
            time.sleep(0.01)
        if c.p.poll() is None:
            c.p.send_signal(signal.SIGINT)
        r = c.stop(None)
    assert re.search(r"^FUNC {36}COUNT\n(?:syscalls:sys_enter_\w+ +\d+\n)+", r.out, re.M), r
    assert r.code in (0, -signal.SIGINT, 130), r


def test_libraries_that_are_parts_of_libc():
    """libpthread of the tutorials is an empty file since glibc 2.34: bcc finds no function there."""
    for pattern, least in (("pthread:pthread_mutex_lock", 1), ("pthread:pthread_mutex_*", 5), ("dl:dlsym", 1)):
        script = run_awl("funccount", pattern, "--show-script").out
        assert int(re.search(r"Tracing (\d+) functions", script).group(1)) >= least and "uprobe:lib" in script, script


def test_options_as_argparse_reads_them():
    for args in (("--dur", "0.1"), ("--dur=0.1",), ("-d0.1",), ("-Td0.1",), ("-Td", "0.1"), ("--time", "-d", "0.1")):
        r = run_awl("funccount", *args, "t:sched:sched_switch")
        assert r.code == 0 and r.out.endswith("Detaching...\n"), (args, r)
        assert bool(re.search(r"^\d\d:\d\d:\d\d$", r.out, re.M)) == ("T" in args[0] or "--time" in args), (args, r)
    r = run_awl("funccount", "t:sched:sched_switch", "-d", "0.1")
    assert r.code == 0 and "sched:sched_switch" in r.out, r


def test_a_list_within_a_name():
    r = traced(4, "funccount", f"{CALLS}:{{ti,ou}}*")
    assert sorted(re.findall(r"^(\w+) +(\d+)$", r.out, re.M)) == [("outer", "4"), ("tick", "4")], r


@pytest.mark.parametrize("name", ["trace", "argdist", "stackcount", "tplist", "funclatency", "funcslower"])
def test_links_of_debian(name, tmp_path):
    (tmp_path / f"{name}-bpfcc").symlink_to(AWL)
    r = subprocess.run([tmp_path / f"{name}-bpfcc", "--help"], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0 and r.stdout.startswith(f"usage: {name} ") and "examples:" in r.stdout, r
