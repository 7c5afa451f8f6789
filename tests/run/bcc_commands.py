"""What the tests of bcc's commands share: commands in the background, the program that they trace."""
import os
import re
import signal
import subprocess
import threading
import time

from conftest import AWL, TARGETS, Result, run_awl

CALLS = str(TARGETS / "calls")
STORM = str(TARGETS / "storm")
LIBC = re.search(r"^uprobe:(/\S+):malloc$", subprocess.run([AWL, "-l", "uprobe:libc:malloc"], capture_output=True,
                                                           text=True).stdout, re.M).group(1)


class Command:
    """A command in the background: entered when its first line is there, which it prints when it has attached."""

    def __init__(self, *args, program=(AWL,), timeout=60):
        self.p = subprocess.Popen([*program, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.timeout, self.out, self.err = timeout, b"", b""
        self.threads = [threading.Thread(target=self._read, args=(n,)) for n in ("out", "err")]
        for t in self.threads:
            t.start()

    def _read(self, name):
        stream = self.p.stdout if name == "out" else self.p.stderr
        while chunk := stream.read1(65536):
            setattr(self, name, getattr(self, name) + chunk)

    def links(self):
        """How many probes the process holds: argdist and folded stacks print nothing at the start."""
        n, fds = 0, f"/proc/{self.p.pid}/fd"
        for fd in os.listdir(fds) if self.p.poll() is None else []:
            try:
                n += "bpf_link" in os.readlink(f"{fds}/{fd}") or "perf_event" in os.readlink(f"{fds}/{fd}")
            except OSError:
                pass
        return n

    def __enter__(self):
        end, links, since = time.monotonic() + self.timeout, 0, time.monotonic()
        while b"\n" not in self.out and self.p.poll() is None and time.monotonic() < end:
            now = self.links()
            if now != links:
                links, since = now, time.monotonic()
            if links and time.monotonic() > since + 1:
                return self
            time.sleep(0.02)
        assert b"\n" in self.out, (self.out, self.err)
        return self

    def stop(self, sig=signal.SIGINT):
        if sig is not None and self.p.poll() is None:
            self.p.send_signal(sig)
        code = self.p.wait(self.timeout)
        for t in self.threads:
            t.join(self.timeout)
        r = Result(code, self.out.decode(errors="replace"), self.err.decode(errors="replace"))
        assert "Sanitizer" not in r.err and "runtime error" not in r.err, r
        return r

    def __exit__(self, *exc):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()


class Calls:
    """The traced program, waiting for its go."""

    def __init__(self, n):
        self.p = subprocess.Popen([CALLS, str(n), "go"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.p.stdout.readline()
        self.pid = self.p.pid

    def go(self):
        self.p.stdin.write(b"\n")
        self.p.stdin.close()
        self.p.stdout.read()
        assert self.p.wait(60) == 0


def traced(n, *args, stop=signal.SIGINT, program=(AWL,)):
    """The command's result over one run of the traced program; @PID@ in the arguments is that of the program."""
    calls = Calls(n) if "@PID@" in args else None
    with Command(*[str(a).replace("@PID@", str(calls and calls.pid)) for a in args], program=program) as c:
        calls = calls or Calls(n)
        calls.go()
        r = c.stop(stop)
    r.pid = calls.pid
    return r


def script_of(*args):
    r = run_awl(*args, "--show-script")
    assert r.code == 0 and r.err == "", r
    return r.out
