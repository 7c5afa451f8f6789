"""Figures 1, 2, 3, 7, 8 and 9: starting, compiling, leaving, size, and listing."""

import glob
import json
import os
import re
import shutil
import subprocess

from measure import Row, median, run_result

COUNT_SYSCALLS = "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }"


def hello(bench):
    """Figure 1: the shortest program there is."""
    ours, theirs = [], []
    for _ in range(bench.rounds):
        ours.append(run_result([bench.tool("timed"), bench.awl, "-e", "begin { exit(); }"]))
        if bench.bpftrace:
            theirs.append(run_result([bench.tool("timed"), bench.bpftrace, "-e", "BEGIN { exit(); }"]))
    ours = [r for r in ours if r and r["status"] == 0]
    theirs = [r for r in theirs if r and r["status"] == 0]
    pick = lambda rows, key: median([r[key] for r in rows])
    yield Row(1, "begin { exit(); }: wall", "ms", pick(ours, "wall_ms"), "bpftrace", pick(theirs, "wall_ms"),
              ">= 25x", lambda a, p: p is not None and p / a >= 25)
    yield Row(1, "begin { exit(); }: processor", "ms", pick(ours, "cpu_ms"), "bpftrace", pick(theirs, "cpu_ms"), "-")
    rss = pick(ours, "rss_kb")
    yield Row(1, "begin { exit(); }: peak memory", "MB", rss and rss / 1024, "bpftrace",
              (pick(theirs, "rss_kb") or 0) / 1024 or None, "< 8 MB", lambda a, p: a < 8)


def attach(bench):
    """Figure 2: from exec to attached, and back; seen from the kernel, the same way for all."""
    contenders = {"awl": [bench.awl, "-e", COUNT_SYSCALLS], "bare": [bench.tool("bare_attach")]}
    if bench.bpftrace:
        contenders["bpftrace"] = [bench.bpftrace, "-e", COUNT_SYSCALLS]
    got = {name: [] for name in contenders}
    for _ in range(max(bench.rounds, 9)):
        for name, command in contenders.items():
            result = run_result([bench.tool("ready")] + command)
            if result and result["status"] == 0:
                got[name].append(result)

    def pick(name, key):
        return median([r[key] for r in got.get(name, []) if r[key] >= 0])

    yield Row(2, "exec to attached: raw_syscalls:sys_enter", "ms", pick("awl", "effect_ms"), "bpftrace",
              pick("bpftrace", "effect_ms"), ">= 4x", lambda a, p: p is not None and p / a >= 4)
    yield Row(2, "exec to attached: raw_syscalls:sys_enter", "ms", pick("awl", "effect_ms"), "bare C",
              pick("bare", "effect_ms"), "<= 2x of bare", lambda a, p: p is not None and a <= 2 * p)
    yield Row(2, "SIGINT to end: raw_syscalls:sys_enter", "ms", pick("awl", "exit_ms"), "bpftrace",
              pick("bpftrace", "exit_ms"), "-")


def listing(bench):
    """Figure 9: all probes of the kernel, functions as well where they can be listed."""
    for pattern in (None, "kprobe:*", "tracepoint:*"):
        args = ["-l"] + ([pattern] if pattern else [])
        case = "awl " + " ".join(args)
        ours = [run_result([bench.tool("timed"), bench.awl] + args) for _ in range(max(bench.rounds, 9))]
        ours = [r for r in ours if r and r["status"] == 0]
        theirs = [run_result([bench.tool("timed"), bench.bpftrace] + args) for _ in range(bench.rounds)] if bench.bpftrace else []
        theirs = [r for r in theirs if r and r["status"] == 0]
        lines = subprocess.run([bench.awl] + args, capture_output=True, text=True, timeout=60).stdout.count("\n")
        yield Row(9, case, "ms", median([r["wall_ms"] for r in ours]), "bpftrace", median([r["wall_ms"] for r in theirs]) if theirs else None,
                  "-" if pattern else "< 100 ms", None if pattern else lambda a, p: a < 100, note=f"{lines:,} lines")
        if not pattern:  # the elapsed time is that of an idle machine, this one nearly so on a busy one, too
            yield Row(9, case + ": of the processor", "ms", median([r["cpu_ms"] for r in ours]), "bpftrace",
                      median([r["cpu_ms"] for r in theirs]) if theirs else None, "< 100 ms", lambda a, p: a < 100)


STATEMENTS = [  # what a long script is made of; N makes each different
    "$vN = (uint64)N * 3 + pid;",
    "@count[N] = count();",
    "if (pid > N) { @sum += pid & N; }",
    "@last[N, tid] = nsecs + N;",
    'printf("N: %d\\n", pid);',
]


def long_script(n, block):
    """`n` statements, `block` of them in each probe."""
    text, number = [], 0
    while number < n:
        body = []
        for _ in range(min(block, n - number)):
            body.append("  " + STATEMENTS[number % len(STATEMENTS)].replace("N", str(number)))
            number += 1
        text.append("interval:s:%d {\n%s\n}" % (number, "\n".join(body)))
    return "\n".join(text) + "\n"


def compile_times(bench):
    """Figure 3: how the time to compile grows. Up to the bytecode; the kernel's verifier is not asked."""
    for block, kind in ((10, "probes of 10"), (10000, "one probe")):
        paths = {n: bench.write(f"s{n}-{block}.bt", long_script(n, block)) for n in (1000, 2000, 5000, 10000)}
        ms = {}
        for n, path in paths.items():
            try:
                p = subprocess.run([bench.tool("compile_time"), str(max(5, bench.rounds)), path],
                                   capture_output=True, text=True, timeout=120)
            except subprocess.TimeoutExpired:
                yield Row(3, f"{n:,} statements in {kind}", "ms", None, "", None, "", note="over 120 s")
                continue
            if p.returncode:
                yield Row(3, f"{n:,} statements in {kind}", "ms", None, "", None, "",
                          note=p.stderr.strip().splitlines()[0][:80] if p.stderr else f"status {p.returncode}")
                continue
            ms[n] = json.loads(p.stdout)["median_ms"]
            yield Row(3, f"{n:,} statements in {kind}", "ms", ms[n], "", None,
                      "< 200 ms" if n == 10000 else "-", (lambda a, _: a < 200) if n == 10000 else None)
        if 1000 in ms and 10000 in ms:
            yield Row(3, f"growth from 1,000 to 10,000, {kind}", "x", ms[10000] / ms[1000], "", None,
                      "<= 12 (linear)", lambda a, _: a <= 12)
    if bench.bpftrace:
        text = long_script(1000, 10).replace("(uint64)", "")
        path = bench.write("peer.bt", text)
        theirs = run_result([bench.tool("timed"), bench.bpftrace, "-d", path], 120)
        ours = run_result([bench.tool("timed"), bench.awl, "-d", "bpf", path], 120)
        yield Row(3, "1,000 statements, to the dump of the code", "ms", ours and ours["wall_ms"], "bpftrace",
                  theirs and theirs["wall_ms"], "-", note="" if theirs else "bpftrace: over 120 s")


def wildcards(bench):
    """Figure 7: a thousand uprobes, and all sys_enter tracepoints: attaching and leaving."""
    many = bench.tool("many")
    target = subprocess.Popen([many])
    try:
        script = "uprobe:%s:many_* { @ = count(); }" % many
        rows = [run_result([bench.tool("ready"), "-w", bench.awl, "-e", script]) for _ in range(bench.rounds)]
        theirs = None
        if bench.bpftrace:
            ten = "uprobe:%s:many_00* { @ = count(); }" % many
            theirs = run_result([bench.tool("ready"), bench.bpftrace, "-e", ten])
    finally:
        target.kill()
        target.wait()
    rows = [r for r in rows if r and r["line_ms"] >= 0]
    line, leave = median([r["line_ms"] for r in rows]), median([r["exit_ms"] for r in rows])
    yield Row(7, "1,000 uprobes by wildcard: exec to attached", "ms", line, "bpftrace, of 10",
              theirs and theirs["effect_ms"], "< 300 ms", lambda a, p: a < 300)
    yield Row(7, "1,000 uprobes by wildcard: SIGINT to end", "ms", leave, "bpftrace, of 10",
              theirs and theirs["exit_ms"], "< 300 ms", lambda a, p: a < 300)
    script = "tracepoint:syscalls:sys_enter_* { @[probe] = count(); }"
    rows = [run_result([bench.tool("ready"), "-w", bench.awl, "-e", script]) for _ in range(bench.rounds)]
    rows = [r for r in rows if r and r["line_ms"] >= 0]
    theirs = bench.bpftrace and run_result([bench.tool("ready"), bench.bpftrace, "-e", script])
    yield Row(7, "tracepoint:syscalls:sys_enter_*: exec to attached", "ms", median([r["line_ms"] for r in rows]),
              "bpftrace", theirs and theirs["effect_ms"], "-")
    yield Row(7, "tracepoint:syscalls:sys_enter_*: SIGINT to end", "ms", median([r["exit_ms"] for r in rows]),
              "bpftrace", theirs and theirs["exit_ms"], "< 1,000 ms", lambda a, p: a < 1000)


LIBC = re.compile(r"lib(c|m|pthread|dl|rt|resolv)\.so|ld-linux|linux-vdso")


def closure_size(path):
    """Bytes of all shared libraries that a program needs, without those of libc."""
    text = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    libs = {os.path.realpath(p) for p in re.findall(r"=> (/\S+)", text) if not LIBC.search(os.path.basename(p))}
    return sum(os.path.getsize(p) for p in libs)


def stripped_size(bench, path):
    copy = os.path.join(bench.work, "stripped")
    shutil.copy(path, copy)
    subprocess.run(["strip", copy], check=True)
    return os.path.getsize(copy)


def static_build(bench):
    """A static awl, built for this run; its path, or None and why."""
    source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    build = os.path.join(bench.work, "static")
    setup = ["meson", "setup", build, source, "--buildtype=release", "-Dstatic=true", "-Dtests=false",
             "-Dwerror=false"]
    for command in (setup, ["ninja", "-j2", "-C", build, "src/cli/awl"]):
        p = subprocess.run(command, capture_output=True, text=True)
        if p.returncode:
            tail = [l for l in p.stdout.splitlines() if "rror" in l or "undefined" in l]
            return None, (tail[0] if tail else "the build failed")[:100]
    return os.path.join(build, "src/cli/awl"), ""


def size(bench):
    """Figure 8: what has to be shipped."""
    mb = 1e6
    theirs = None
    if bench.bpftrace:
        theirs = (os.path.getsize(os.path.realpath(bench.bpftrace)) + closure_size(bench.bpftrace)) / mb
    binary, shared = stripped_size(bench, bench.awl) / mb, closure_size(bench.awl) / mb
    yield Row(8, "stripped binary", "MB", binary, "", None, "< 1.5 MB", lambda a, p: a < 1.5)
    yield Row(8, "shared libraries without libc", "MB", shared, "", None, "< 6 MB", lambda a, p: a < 6)
    yield Row(8, "binary and shared libraries without libc", "MB", binary + shared, "bpftrace", theirs, "-")
    path, why = static_build(bench)
    note = why
    if path:
        kind = subprocess.run(["ldd", path], capture_output=True, text=True)
        ok = run_result([bench.tool("timed"), path, "-e", "begin { exit(); }"])
        note = f"{'static' if 'not a dynamic' in kind.stderr + kind.stdout or 'statically' in kind.stdout else 'NOT static'}, " \
               f"{'runs' if ok and ok['status'] == 0 else 'does not run'}"
    yield Row(8, "static binary, stripped", "MB", path and stripped_size(bench, path) / mb, "", None, "builds, runs",
              lambda a, p: note == "static, runs", note)
