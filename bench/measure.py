"""What the figures are made of: running tracers, timing them, and one row of the table.

A figure is a function that yields rows. Each round of a figure runs every contender once, one after the other,
so that what the machine does meanwhile hits all alike; a row has the medians over the rounds.
"""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time


class Row:
    """One line of the table. Numbers may be None: not measured, then `note` says why.

    `met` is worked out from `limit`, a function of (awl, peer): true when the target is reached."""

    def __init__(self, figure, case, unit, awl, peer_name, peer, target, limit=None, note="", more=False):
        self.figure, self.case, self.unit = figure, case, unit
        self.awl, self.peer_name, self.peer = awl, peer_name, peer
        self.target, self.note = target, note
        self.more = more  # more is better
        self.met = None
        if awl is not None and limit is not None:
            self.met = bool(limit(awl, peer))

    def ratio(self):
        """How many times better awl is: below 1, it is worse."""
        if self.awl is None or self.peer is None or not self.awl or not self.peer:
            return None
        return self.awl / self.peer if self.more else self.peer / self.awl

    def cells(self):
        def number(x):
            return "-" if x is None else f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.3g}"

        ratio = self.ratio()
        met = {None: "not measured" if self.awl is None else "-", True: "yes", False: "NO"}[self.met]
        return [str(self.figure), self.case, f"{number(self.awl)} {self.unit}",
                f"{self.peer_name} {number(self.peer)}" if self.peer_name else "-",
                f"{ratio:.2f}" if ratio else "-", self.target, met, self.note]

    def as_dict(self):
        return {"figure": self.figure, "case": self.case, "unit": self.unit, "awl": self.awl,
                "peer_name": self.peer_name, "peer": self.peer, "ratio": self.ratio(), "target": self.target,
                "met": self.met, "note": self.note}


class Bench:
    """Where things are, and how often to measure."""

    def __init__(self, build, awl, rounds):
        self.build = os.path.abspath(build)
        self.awl = os.path.abspath(awl or os.path.join(build, "src/cli/awl"))
        self.rounds = rounds
        self.bpftrace = shutil.which("bpftrace")
        self.work = tempfile.mkdtemp(prefix="awl-bench-")

    def tool(self, name):
        return os.path.join(self.build, "bench", name)

    def close(self):
        shutil.rmtree(self.work, ignore_errors=True)

    def write(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w") as f:
            f.write(text)
        return path


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def run_result(command, limit=120):
    """Runs `timed` or `ready`, which write their result to descriptor 3. None when it could not be had."""
    read, write = os.pipe()
    try:
        # Descriptor 3 of the child is the pipe, whatever its number is here.
        subprocess.run(["sh", "-c", f'exec 3>&{write}; exec "$@"', "sh"] + command, pass_fds=[write],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        os.close(write)
        with os.fdopen(read) as f:
            text = f.read()
    return json.loads(text) if text else None


class Tracer:
    """A tracer that runs beside a target: attached after __enter__, gone after __exit__.

    `out` and `err` are what it wrote; with `count_lines` the the path of `lines`) the output goes to it, and
    `lines` are those with the loop's string in them."""

    def __init__(self, command, settle=0.0, count_lines=None):
        self.command, self.settle, self.count_lines = command, settle, count_lines
        self.out = self.err = ""
        self.lines = None
        self.ok = False

    def __enter__(self):
        self.files = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self.counter = None
        out = self.files[0]
        if self.count_lines:
            self.counter = subprocess.Popen([self.count_lines], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            text=True)
            out = self.counter.stdin
        self.process = subprocess.Popen(self.command, stdout=out, stderr=self.files[1])
        if self.counter:
            self.counter.stdin.close()
        self.wait_attached()
        return self

    def wait_attached(self):
        """Until "attached" is said; bpftrace says "Attaching" before, so it gets `settle` seconds more."""
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            said = self.read(1) + ("" if self.count_lines else self.read(0))
            unseen = self.settle and self.count_lines  # the message goes to the counter
            if unseen or re.search(r"[Aa]ttached|Attaching", said):
                time.sleep(self.settle * (3 if unseen else 1) + 0.02)
                self.ok = self.process.poll() is None
                return
            time.sleep(0.005)

    def read(self, which):
        # Through a descriptor of its own: the writer's position must stay where it is.
        with open(f"/proc/self/fd/{self.files[which].fileno()}", errors="replace") as f:
            return f.read(1 << 20)

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(180)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.ok = False
        if self.counter:
            self.lines, lost = map(int, self.counter.stdout.read().split())
            self.counter.wait()
            self.out = f"Lost {lost} events"
        else:
            self.out = self.read(0)
        self.err = self.read(1)
        for f in self.files:
            f.close()


def loop_command(bench, arguments, mode):
    return [bench.tool("loop")] + arguments + [mode]


class Paused:
    """A loop that is started and stopped before its first turn: its pid is known before it is traced."""

    def __init__(self, command):
        self.process = subprocess.Popen(["sh", "-c", 'kill -STOP $$; exec "$@"', "sh"] + command,
                                        stdout=subprocess.PIPE, text=True)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
        self.pid = self.process.pid

    def go(self):
        os.kill(self.pid, signal.SIGCONT)
        return json.loads(self.process.communicate()[0])


class Ready(Paused):
    """A loop that has stopped itself before its first turn: what it makes at its start is there."""

    def __init__(self, bench, seconds, mode):
        self.process = subprocess.Popen(loop_command(bench, ["-w", "-t", str(seconds)], mode), stdout=subprocess.PIPE,
                                        text=True)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
        self.pid = self.process.pid


def lost_events(text):
    """The sum of what a tracer says it lost."""
    said = re.findall(r'Lost (\d+) |"lost": (\d+)', text)
    return sum(int(a or b) for a, b in said)


def counted_in_output(text, comm="loop"):
    """The sum of a count by name, or of the buckets of a histogram, as both tracers print them."""
    m = re.search(r"@\[%s\]: (\d+)" % re.escape(comm), text)
    if m:
        return int(m.group(1))
    buckets = re.findall(r"^[\[(].*[\])]\s+(\d+) \|", text, re.M)
    return sum(map(int, buckets)) if buckets else None
