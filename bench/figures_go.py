"""Figures 15 and 16: what probes cost a Go program: thousands of functions of a server, and one beside bpftrace."""

import os
import re
import shutil
import subprocess

from measure import Paused, Row, Tracer, median

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "goserver.go")
FUNCTIONS = 4000


class Stopped(Paused):
    """The program when it has stopped itself, ready to work."""

    def __init__(self, program, mode, n):
        self.process = subprocess.Popen([program, mode, str(n)], stdout=subprocess.PIPE, text=True)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
        self.pid = self.process.pid


def build(bench):
    program = os.path.join(bench.work, "goserver")
    if shutil.which("go") and not os.path.exists(program):
        subprocess.run(["go", "build", "-o", program, SOURCE], check=True, timeout=600,
                       env=dict(os.environ, GO111MODULE="off", GOCACHE=os.path.join(bench.work, "gocache")))
    return program if os.path.exists(program) else None


def packages(bench, program):
    """Patterns of whole packages, without the runtime's, that have FUNCTIONS functions or all there are; and how many."""
    names = subprocess.run([bench.awl, "-l", f'go:{program}:"*"'], capture_output=True, text=True).stdout
    counts = {}
    for name in re.findall(r':"(.*)"$', names, re.M):
        m = re.match(r"(?:[^.(/]+/)*[^.(/]+\.", name)
        if m and not m[0].startswith(("runtime", "internal/", "sync", "go.", "type.")):
            counts[m[0]] = counts.get(m[0], 0) + 1
    chosen, n = [], 0
    for package, count in sorted(counts.items(), key=lambda c: -c[1]):
        if n < FUNCTIONS:
            chosen.append(package + "*")
            n += count
    return chosen, n


def measured(bench, program, mode, n, command):
    """Nanoseconds of one piece of work, and what the tracer printed."""
    work = Stopped(program, mode, n)
    if command is None:
        return work.go()["ns"], None
    with Tracer([c.replace("PID", str(work.pid)) for c in command], settle=3.0 if "bpftrace" in command[0] else 0.0) as tracer:
        ns = work.go()["ns"]
    return ns, tracer


def counted(tracer):
    return sum(map(int, re.findall(r"^@\w*: (\d+)$", tracer.out, re.M)))


WAYS = {"a request": ("serve", 2000), "a request on a new connection": ("fresh", 300)}


def server(bench):
    """Figure 15: a server under load, unprobed, with a count on thousands of its functions, and with one on their first
    instructions, where other tracers put it."""
    program = build(bench)
    if not program:
        yield Row(15, "a server", "ns", None, "unprobed", None, "", note="there is no Go toolchain")
        return
    patterns, functions = packages(bench, program)
    for name, (mode, n) in WAYS.items():
        ns, hits = {"bare": [], "go": [], "uprobe": []}, []
        for _ in range(min(bench.rounds, 3)):
            ns["bare"].append(measured(bench, program, mode, n, None)[0])
            for kind in ("go", "uprobe"):
                script = ", ".join(f'{kind}:{program}:"{p}"' for p in patterns) + " { @ = count(); }"
                took, tracer = measured(bench, program, mode, n, [bench.awl, "-e", "config = { max_probes = 20000 } " + script])
                ns[kind].append(took)
                if kind == "go":
                    hits.append(counted(tracer) / n)
        bare, go, first = (median(v) for v in ns.values())
        note = f"{median(hits):.0f} hits a request, {(go - bare) / max(median(hits), 1):.0f} ns each; {go / bare:.1f} times unprobed, first instructions {first / bare:.1f} times"
        yield Row(15, f"{name}, {functions} functions counted", "ns", go, "first instructions", first, "", note=note)


def one(bench, n=200000):
    """Figure 16: one function, counted by go and by the uprobe of bpftrace."""
    program = build(bench)
    if not program:
        yield Row(16, "a call", "ns", None, "bpftrace", None, "", note="there is no Go toolchain")
        return
    commands = {"bare": None, "awl": [bench.awl, "-e", f'go:{program}:"main.target" {{ @ = count(); }}'],
                "awl returns": [bench.awl, "-e", f'goret:{program}:"main.target" {{ @ = count(); }}']}
    if bench.bpftrace:
        commands["bpftrace"] = [bench.bpftrace, "-e", f'uprobe:{program}:"main.target" {{ @ = count(); }}']
    ns, exact = {name: [] for name in commands}, {}
    for _ in range(bench.rounds):
        for name, command in commands.items():
            took, tracer = measured(bench, program, "call", n, command)
            exact[name] = counted(tracer) if tracer else n
            if exact[name] >= n:  # it was attached all the time
                ns[name].append(took)
    cost = {name: median(v) - median(ns["bare"]) if v else None for name, v in ns.items()}
    note = "; ".join(f"{name} counted {c} of {n}" for name, c in exact.items() if c != n)
    yield Row(16, "a call, counted", "ns", cost["awl"], "bpftrace", cost.get("bpftrace"), "<= bpftrace",
              lambda a, p: p is None or a <= p * 1.05, note + (" (a function is entered again when its stack grows)" if note else ""))
    yield Row(16, "a return with its pairing, counted", "ns", cost["awl returns"], "", None, "")
