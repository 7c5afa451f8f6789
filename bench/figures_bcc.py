"""Figures 11 to 14: bcc's front-line commands beside bcc itself.

bcc needs the headers of a kernel: where those of the running one are not installed, BCC_KERNEL_SOURCE names others
(README.md). Commands of bcc that do not begin are rows without a peer.
"""

import os
import re
import shutil
import signal
import subprocess
import time

from measure import Row, median


def bcc(name):
    return shutil.which(f"{name}-bpfcc") or shutil.which(name)


class Watched:
    """A command, its output followed: when it is ready, what it took, how long it takes to leave."""

    def __init__(self, bench, command):
        self.out = os.path.join(bench.work, "bcc.out")
        with open(self.out, "w") as out:
            self.begin = time.monotonic()
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                            env={**os.environ, "PYTHONUNBUFFERED": "1"})

    def text(self):
        with open(self.out, errors="replace") as f:
            return f.read(1 << 16)

    def ready(self, marker, limit=60):
        """Milliseconds until `marker` is there; None when it does not come."""
        end = self.begin + limit
        while time.monotonic() < end:
            if marker in self.text():
                return (time.monotonic() - self.begin) * 1e3
            if self.exited():
                return None
            time.sleep(0.001)
        return None

    def exited(self):
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def memory(self):
        """The peak in MB, as the kernel has it for the process: wait4() would tell the parent's at the time of the fork."""
        with open(f"/proc/{self.process.pid}/status") as f:
            peak = re.search(r"VmHWM:\s+(\d+)", f.read())
        return int(peak.group(1)) / 1024 if peak else None

    def leave(self, limit=180):
        """Milliseconds from Ctrl-C to the end, and the peak of memory in MB."""
        memory, begin = self.memory(), time.monotonic()
        os.kill(self.process.pid, signal.SIGINT)  # send_signal() would reap one that has ended
        while not self.exited() and time.monotonic() < begin + limit:
            time.sleep(0.001)
        took = (time.monotonic() - begin) * 1e3
        self.process.kill()
        self.process.wait()
        return took, memory


def one_run(bench, command, marker, patience):
    w = Watched(bench, command)
    ready = w.ready(marker)
    leave, memory = w.leave(patience)
    return (ready, leave, memory) if ready is not None else None


def contenders(bench, name, *args):
    out = {"awl": [bench.awl, name, *args]}
    if bcc(name):
        out["bcc"] = [bcc(name), *args]
    return out


def runs(bench, name, marker, rounds, args, patience=180):
    """{"awl": [(ready, leave, memory)], "bcc": …}; bcc's trace may not leave at all while events come."""
    got = {"awl": [], "bcc": []}
    for _ in range(rounds):
        for who, command in contenders(bench, name, *args).items():
            r = one_run(bench, command, marker, patience)
            if r:
                got[who].append(r)
    return got


def middle(got, who, i):
    return median([r[i] for r in got[who]]) if got[who] else None


NO_PEER = "bcc does not begin here"


# Those that print something when they have attached: argdist does not.
STARTS = (("funccount", "Tracing", ["t:sched:sched_switch"]),
          ("stackcount", "Tracing", ["-K", "t:sched:sched_switch"]),
          ("trace", "PID", ['t:sched:sched_switch "%d", args->prev_prio']),
          ("funclatency", "Tracing", ["c:nanosleep"]),
          ("funcslower", "Tracing", ["c:nanosleep"]))


def starting(bench):
    for name, marker, args in STARTS:
        got = runs(bench, name, marker, min(bench.rounds, 3), args, 5)
        note = "" if got["bcc"] else NO_PEER
        yield Row(11, f"{name} {args[-1].split()[0]}: to ready", "ms", middle(got, "awl", 0), "bcc", middle(got, "bcc", 0),
                  ">= 30x", lambda a, p: p is not None and p / a >= 30, note)
        yield Row(12, f"{name} {args[-1].split()[0]}: peak memory", "MB", middle(got, "awl", 2), "bcc",
                  middle(got, "bcc", 2), ">= 20x", lambda a, p: p is not None and p / a >= 20, note)


def detaching(bench):
    args = ["t:syscalls:sys_enter_*"]
    got = runs(bench, "funccount", "Tracing", 1, args)
    w = Watched(bench, contenders(bench, "funccount", *args)["awl"])
    w.ready("Tracing")
    probes = re.search(r"Tracing (\d+)", w.text())
    w.leave()
    note = f"{probes.group(1)} tracepoints" if probes else ""
    yield Row(13, "funccount: Ctrl-C to the end, all sys_enter_*", "ms", middle(got, "awl", 1), "bcc", middle(got, "bcc", 1),
              ">= 100x", lambda a, p: p is not None and p / a >= 100, note if got["bcc"] else NO_PEER)


def printed(bench, command, pace, seconds=2):
    """How many events happened and how many lines were printed, at so many a second; None when it does not begin."""
    w = Watched(bench, command)
    if w.ready("PID") is None:
        w.leave(5)
        return None
    time.sleep(0.3)
    n = int(pace * seconds)
    begin = time.monotonic()
    subprocess.run([bench.tool("loop"), "-n", str(n), "-r", str(int(pace)), "nop5"], stdout=subprocess.DEVNULL, check=True)
    took = time.monotonic() - begin
    end = time.monotonic() + 5
    while lines(w.out) < n and time.monotonic() < end:  # what is under way
        time.sleep(0.2)
    w.leave(10)
    return n / took, n - lines(w.out)


def lines(path):
    with open(path, "rb") as f:
        return sum(line[16:21] == b"loop " for line in f)


def kept_all(bench, command, pace):
    """The rate that was reached when every event was printed, else None. A second try: the machine has other work, too."""
    for _ in range(2):
        r = printed(bench, command, pace)
        if r and r[1] == 0:
            return r[0]
    return None


def highest(bench, command, pace):
    """The highest rate without loss: steps of half as much again until events are lost, then one in between.

    Ends, too, where the traced program itself does not get faster: what it calls is the probe's cost."""
    best, last = None, 0
    while True:
        got = kept_all(bench, command, pace)
        if got is None:
            break
        best, last = max(best or 0, got), pace
        if got < 0.75 * pace:
            return best
        pace *= 1.5
    got = kept_all(bench, command, (last + pace) / 2) if last else None
    return max(best, got) if got else best


def lossless(bench):
    best, begin = {}, {"awl": 200_000, "bcc": 5_000}
    probe = f'{bench.tool("loop")}:loop_nop5 "%d", arg1'
    for who, command in contenders(bench, "trace", probe).items():
        best[who] = highest(bench, command, begin[who])
    yield Row(14, "trace: highest rate without loss", "/s", best.get("awl"), "bcc", best.get("bcc"), ">= 10x",
              lambda a, p: p is not None and a / p >= 10, "" if best.get("bcc") else NO_PEER, more=True)


def bcc_commands(bench):
    yield from starting(bench)
    yield from detaching(bench)
    yield from lossless(bench)
