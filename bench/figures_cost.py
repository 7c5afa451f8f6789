"""Figures 4, 5 and 6: what an event costs, how long the code is, and how many lines a second get out."""

import os
import re
import subprocess

from measure import Paused, Row, Tracer, counted_in_output, loop_command, lost_events, median

NOISE = 1.05  # what two runs of the same program differ by, at the median of some rounds

JOBS = {  # (traced by, job): the script, the object and the program of the peer in C
    ("getppid", "count"): ("tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }", "count", "count_syscall"),
    ("getppid", "hist"): ("tracepoint:raw_syscalls:sys_enter { @ = hist(args->id); }", "hist", "hist_syscall"),
    ("getppid", "printf"): ('tracepoint:raw_syscalls:sys_enter /pid == %d/ '
                            '{ printf("%%d %%s %%s\\n", pid, comm, str(uptr(args->args[1]), 64)); }', "line", "line_syscall"),
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
    with Tracer(command, settle=0.5 if name == "bpftrace" else 0.0,
                count_lines=bench.tool("lines") if job == "printf" else None) as tracer:
        result = loop.go()
    if not tracer.ok:
        return None, (tracer.err or tracer.out).strip().splitlines()[:1]
    return result, adds_up(name, mode, job, result["calls"], tracer)


def adds_up(name, mode, job, calls, tracer):
    """Seen plus lost is what happened? sys_enter sees the loop's other system calls, too, so there it is at least that."""
    if job == "printf":
        seen = tracer.lines
    elif name == "C":
        m = re.search(r'"counted": (\d+)', tracer.err)
        seen = int(m.group(1)) if m else None
    else:
        seen = counted_in_output(tracer.out)
    if seen is None:
        return False
    seen += lost_events(tracer.err + tracer.out)
    return seen >= calls if mode == "getppid" else seen == calls


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
    for name in names:
        if ns[name] is not None and not exact[name]:
            note += f" the numbers of {name} do not add up;"
    below = lambda a, p: p is not None and a <= p * NOISE
    yield Row(4, f"{mode}, {job}", "ns", ns["awl"], "C", ns["C"], "<= C", below, note.strip(" ;"))
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
        note = f"C bare {bare}, bpftrace 0.17 {theirs}"
        if symbol == "line_openat":
            note += f"; C exact on sys_enter {clang_slots(bench, obj, 'exact', 'line_openat_raw')}"
        yield Row(5, what, "slots", ours, "C exact", exact, "<= C exact",
                  lambda a, p: p is not None and a <= p, note)


def flood(bench, name, mode, calls, pace=None):
    """A loop of so many calls under a tracer that prints a line for each: lines, lost, happened, seconds."""
    paced = ["-r", str(pace)] if pace else []
    loop = Paused(loop_command(bench, ["-n", str(calls), "-s", "31"] + paced, mode))
    command = job_commands(bench, mode, "printf", loop.pid)[name]
    with Tracer(command, settle=0.5 if name == "bpftrace" else 0.0, count_lines=bench.tool("lines")) as tracer:
        result = loop.go()
    return tracer.lines or 0, lost_events(tracer.err + tracer.out), result["calls"], result["seconds"]


def flat_out(bench, mode, calls):
    """Lines a second that come out when the loop goes as fast as the tracer lets it. Where the probe itself takes
    most of the time, C that does the same gets no more out: then there is no more to be had."""
    got = {"awl": [], "C": [], "bpftrace": []}
    for _ in range(min(bench.rounds, 5)):
        for name, samples in got.items():
            if name == "bpftrace" and not bench.bpftrace:
                continue
            lines, _lost, _happened, seconds = flood(bench, name, mode, 100_000 if name == "bpftrace" else calls)
            samples.append(lines / seconds)
    limit = median(got["C"])
    return Row(6, f"printf, {mode}, flat out: lines printed per second", "/s", median(got["awl"]), "bpftrace",
               median(got["bpftrace"]), ">= 20x or C's", lambda a, p: p and (a >= 20 * p or a * NOISE >= limit),
               f"C {limit:,.0f} /s", more=True)


def rate(bench, calls=10_000_000):
    """Figure 6: lines a second, and that printed and lost are all there was."""
    for mode in ("nop5", "getppid"):
        yield flat_out(bench, mode, calls // 5)
    lines, lost, happened, seconds = flood(bench, "awl", "nop5", calls)
    yield Row(6, f"printed + lost of {happened:,} events", "", lines + lost, "", None, "exactly all",
              lambda a, p: a == happened, f"{lines:,} printed, {lost:,} lost, {lines / seconds / 1e6:.2f} M/s")
    for mode in ("nop5", "getppid"):
        yield highest_rate(bench, mode)


def highest_rate(bench, mode):
    """The highest pace of some at which nothing is lost, and the same for the peer in C.

    A pace that the loop does not reach under the tracer is the limit of the probe, not of the way out."""
    best, notes = {"awl": 0, "C": 0}, []
    for pace in (500_000, 1_000_000, *[1_500_000, 2_000_000, 2_500_000] * min(bench.rounds, 3)):
        for name in best:
            _lines, lost, happened, seconds = flood(bench, name, mode, pace * 2, pace)
            reached = happened / seconds
            if not lost:
                best[name] = max(best[name], reached)
            elif name == "awl":
                notes.append(f"at {reached / 1e6:.2f} M/s {lost / happened:.1%} lost")
    notes = notes or ["nothing lost at any pace: the probe is the limit"]
    return Row(6, f"printf, {mode}: highest rate without loss", "/s", best["awl"], "C", best["C"], ">= 1.5 M/s or C's",
               lambda a, p: a >= 1_500_000 or a * NOISE >= p, "; ".join(notes[:3]), more=True)
