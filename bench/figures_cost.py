"""Figures 4, 5 and 6: what an event costs, how long the code is, and how many lines a second get out."""

import os
import re
import subprocess
import time

from measure import Paused, Row, Tracer, counted_in_output, loop_command, lost_events, median

NOISE = 1.05  # what two runs of the same program differ by, at the median of some rounds

JOBS = {  # (traced by, job): the script, the object and the program of the peer in C
    ("getppid", "count"): ("tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }", "count", "count_syscall"),
    ("getppid", "hist"): ("tracepoint:raw_syscalls:sys_enter { @ = hist(args->id); }", "hist", "hist_syscall"),
    ("getppid", "printf"): ('tracepoint:raw_syscalls:sys_enter /pid == %d/ '
                            '{ printf("%%d %%s %%s\\n", pid, comm, str(args->args[1], 64)); }', "line", "line_syscall"),
    ("uprobe", "count"): ("uprobe:%s { @[comm] = count(); }", "count", "count_function"),
    ("uprobe", "hist"): ("uprobe:%s { @ = hist(arg0); }", "hist", "hist_function"),
    ("uprobe", "printf"): ('uprobe:%s { printf("%%d %%s %%s\\n", pid, comm, str(arg1, 64)); }', "line",
                           "line_function"),
}


def job_commands(bench, mode, job, pid):
    """How each contender does a job."""
    script, obj, prog = JOBS[mode if mode == "getppid" else "uprobe", job]
    place = "%s:loop_%s" % (bench.tool("loop"), mode)
    if mode != "getppid":
        script = script % place
    elif job == "printf":
        script = script % pid
    where = [] if mode == "getppid" else ["-u", place]
    commands = {"awl": [bench.awl, "-e", script],
                "C": [bench.tool("bpf_load"), "-p", str(pid)] + where + [bench.tool(obj + ".exact.bpf.o"), prog]}
    if bench.bpftrace:
        commands["bpftrace"] = [bench.bpftrace, "-e", script]
    return commands


def traced_loop(bench, name, mode, job, seconds):
    """The loop's own report under one tracer, and whether the tracer's numbers add up."""
    loop = Paused(loop_command(bench, ["-t", str(seconds)], mode))
    command = job_commands(bench, mode, job, loop.pid)[name]
    with Tracer(command, settle=0.5 if name == "bpftrace" else 0.0, count_lines=job == "printf") as tracer:
        result = loop.go()
    if not tracer.ok:
        return None, (tracer.err or tracer.out).strip().splitlines()[:1]
    return result, adds_up(name, mode, job, result["calls"], tracer)


def adds_up(name, mode, job, calls, tracer):
    """Seen plus lost against what happened; a system call is made by the start and the end of the loop, too."""
    if job == "printf":
        seen = len(re.findall("abcdefgh", tracer.out)) if tracer.lines is None else tracer.lines - 3
        seen = tracer.lines if name == "C" else seen
    elif name == "C":
        m = re.search(r'"counted": (\d+)', tracer.err)
        seen = int(m.group(1)) if m else None
    else:
        seen = counted_in_output(tracer.out)
    if seen is None:
        return False
    seen += lost_events(tracer.err + tracer.out)
    return abs(seen - calls) <= 4 if mode != "getppid" or job == "printf" else seen >= calls


def per_event(bench, modes=("getppid", "nop5", "push"), jobs=("count", "hist", "printf"), seconds=0.25):
    """Figure 4: nanoseconds that an event adds to the loop."""
    for mode in modes:
        for job in jobs:
            yield from one_cost(bench, mode, job, seconds)


def one_cost(bench, mode, job, seconds):
    names = ["awl", "C"] + (["bpftrace"] if bench.bpftrace else [])
    added, exact, why = {n: [] for n in names}, {n: True for n in names}, {}
    for turn in range(bench.rounds):
        base = Paused(loop_command(bench, ["-t", str(seconds)], mode)).go()["median_ns"]
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            result, good = traced_loop(bench, name, mode, job, seconds)
            if result is None:
                why[name] = " ".join(good)[:90] or "did not attach"
                continue
            added[name].append(result["median_ns"] - base)
            exact[name] &= good
    ns = {n: median(v) for n, v in added.items()}
    note = "; ".join(f"{n}: {w}" for n, w in why.items())
    if ns["awl"] is not None and not exact["awl"]:
        note += " awl's numbers do not add up"
    if ns.get("bpftrace") is not None and not exact["bpftrace"]:
        note += " bpftrace's numbers do not add up"
    below = lambda a, p: p is not None and a <= p * NOISE
    yield Row(4, f"{mode}, {job}", "ns", ns["awl"], "C", ns["C"], "<= C", below, note.strip())
    if bench.bpftrace:
        yield Row(4, f"{mode}, {job}", "ns", ns["awl"], "bpftrace", ns["bpftrace"], "<= bpftrace", below)


PROGRAMS = [  # what; script; which of its programs; object and symbol of the peer; bpftrace 0.17's length
    ("@[comm] = count()", "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }", 0, "count",
     "count_syscall", 27),
    ("/pid == 1234/ { @ = hist(arg2) }", "uprobe:{loop}:loop_nop5 /pid == 1234/ {{ @ = hist(arg2); }}", 0, "hist",
     "hist_filtered", 63),
    ("openat: printf of pid, comm, filename",
     'tracepoint:syscalls:sys_enter_openat {{ printf("%d %s %s\\n", pid, comm, str(args.filename, 64)); }}', 0,
     "line", "line_openat", 56),
    ("@start[tid] = nsecs", "tracepoint:raw_syscalls:sys_enter {{ @start[tid] = nsecs; }}", 0, "latency",
     "latency_start", 17),
    ("/@start[tid]/ { @ = hist(nsecs - @start[tid]); delete }",
     "tracepoint:raw_syscalls:sys_enter {{ @start[tid] = nsecs; }} tracepoint:raw_syscalls:sys_exit "
     "/@start[tid]/ {{ @ = hist(nsecs - @start[tid]); delete(@start, tid); }}", 1, "latency", "latency_end", 90),
]


def awl_slots(bench, script, which):
    """Eight-byte slots of one program, from the dump. A 64-bit load takes two."""
    p = subprocess.run([bench.awl, "-d", "bpf", "-e", script], capture_output=True, text=True, timeout=60)
    lengths, last = [], None
    for number, code in re.findall(r"(?:^|\s)(\d+): \(([0-9a-f]{2})\) ", p.stdout):
        number = int(number)
        if number == 0:
            lengths.append(0)
        if lengths:
            lengths[-1] = number + (2 if code == "18" else 1)
    return lengths[which] if which < len(lengths) else None


def clang_slots(bench, obj, kind, symbol):
    path = bench.tool(f"{obj}.{kind}.bpf.o")
    if not os.path.exists(path):
        return None
    text = subprocess.run(["readelf", "-sW", path], capture_output=True, text=True).stdout
    m = re.search(r":\s+\S+\s+(\d+)\s+FUNC\s.*\s%s$" % re.escape(symbol), text, re.M)
    return int(m.group(1)) // 8 if m else None


def instructions(bench):
    """Figure 5: length of the code. bpftrace 0.17 does not show its code; its numbers were counted once, in the
    kernel, for the same five programs."""
    for what, script, which, obj, symbol, theirs in PROGRAMS:
        script = script.format(loop=bench.tool("loop")) if "{{" in script else script
        ours = awl_slots(bench, script, which)
        bare, exact = (clang_slots(bench, obj, kind, symbol) for kind in ("bare", "exact"))
        yield Row(5, what, "slots", ours, "C exact", exact, "<= C exact",
                  lambda a, p: p is not None and a <= p, f"C bare {bare}, bpftrace 0.17 {theirs}")


def flood(bench, command, mode, calls, rate=None, settle=0.0):
    """A loop of so many calls under a tracer that prints a line for each: lines, lost, seconds."""
    pace = ["-r", str(rate)] if rate else []
    loop = Paused(loop_command(bench, ["-n", str(calls), "-s", "31"] + pace, mode))
    with Tracer(command, settle=settle, count_lines=True) as tracer:
        result = loop.go()
    return result["seconds"], tracer, result["calls"]


def lines_script(bench, mode):
    return 'uprobe:%s:loop_%s { printf("%%d %%s %%s\\n", pid, comm, str(arg1, 64)); }' % (bench.tool("loop"), mode)


def printed(tracer, command):
    """Lines of events: without the empty ones and the heading that a tracer adds."""
    extra = {"awl": 0, "bpftrace": 1, "bpf_load": 0}[os.path.basename(command[0])]
    return (tracer.lines or 0) - extra


def rate(bench, calls=10_000_000):
    """Figure 6: lines a second, and that printed and lost are all there was."""
    bpftrace_rates, rates, exact = [], [], True
    awl = [bench.awl, "-q", "-e", lines_script(bench, "nop5")]
    awl_said = [bench.awl, "-e", lines_script(bench, "nop5")]
    for _ in range(min(bench.rounds, 3)):
        seconds, tracer, happened = flood(bench, awl_said, "nop5", calls // 5)
        rates.append(printed(tracer, awl) / seconds)
        if bench.bpftrace:
            command = [bench.bpftrace, "-e", lines_script(bench, "nop5")]
            seconds, tracer, happened = flood(bench, command, "nop5", 100_000, settle=1.0)
            bpftrace_rates.append(printed(tracer, command) / seconds)
    yield Row(6, "printf, flat out: lines printed per second", "/s", median(rates), "bpftrace", median(bpftrace_rates),
              ">= 20x", lambda a, p: p is not None and a >= 20 * p)
    seconds, tracer, happened = flood(bench, awl_said, "nop5", calls)
    lost, shown = lost_events(tracer.err), printed(tracer, awl)
    yield Row(6, f"printed + lost of {happened:,} events", "", shown + lost, "", None, "exactly all",
              lambda a, p: abs(a - happened) <= 1, f"{shown:,} printed, {lost:,} lost, {shown / seconds / 1e6:.2f} M/s")
    yield from highest_rate(bench, awl_said)


def highest_rate(bench, command):
    """The highest pace of some at which nothing is lost, and the same for the peer in C."""
    c = [bench.tool("bpf_load"), "-u", bench.tool("loop") + ":loop_nop5", bench.tool("line.exact.bpf.o"),
         "line_function"]
    best = {"awl": 0, "C": 0}
    notes = []
    for pace in (500_000, 750_000, 1_000_000, 1_250_000, 1_500_000, 1_750_000, 2_000_000):
        for name, how in (("awl", command), ("C", c)):
            seconds, tracer, happened = flood(bench, how, "nop5", pace * 2, rate=pace)
            lost, reached = lost_events(tracer.err), happened / seconds
            if not lost and reached > 0.95 * pace:
                best[name] = max(best[name], reached)
            elif lost:
                notes.append(f"{name} at {pace / 1e6:g} M/s: {lost / happened:.1%} lost")
            elif name == "awl":
                notes.append(f"at {pace / 1e6:g} M/s the probe itself is the limit ({reached / 1e6:.2f} M/s)")
    yield Row(6, "highest rate without loss", "/s", best["awl"], "C", best["C"], ">= 1.5 M/s",
              lambda a, p: a >= 0.98 * 1_500_000, "; ".join(notes[:3]))
