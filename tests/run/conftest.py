"""What the system tests share: running awl, targets to trace, and honest skips."""
import functools
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build-check"))
AWL = os.environ.get("AWL", str(BUILD / "src/cli/awl"))
TARGETS = BUILD / "tests/run/targets"


@functools.lru_cache(maxsize=None)
def features():
    """Names of the features that this kernel has, as awl sees them."""
    out = subprocess.run([AWL, "--info"], capture_output=True, text=True, timeout=60).stdout
    rows = [line.split() for line in out.splitlines() if line.startswith("  ")]
    return {row[0] for row in rows if len(row) > 1 and row[1] == "yes"}


CAPABILITIES = {"CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39}  # root in a container may lack them


def capabilities_missing():
    status = open("/proc/self/status").read()
    effective = int(status.split("CapEff:")[1].split()[0], 16)
    return [name for name, bit in CAPABILITIES.items() if not effective >> bit & 1]


def pytest_configure(config):
    config.addinivalue_line("markers", "unprivileged: runs without root, too")
    config.addinivalue_line("markers", "needs(*features): skipped, with the reason, where the kernel lacks one")


def pytest_collection_modifyitems(config, items):
    missing = capabilities_missing()
    for item in items:
        if missing and "unprivileged" not in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs " + ", ".join(missing)))
        for mark in item.iter_markers("needs"):
            lacking = [f for f in mark.args if f not in features()]
            if lacking:
                item.add_marker(pytest.mark.skip(reason="this kernel has no " + ", ".join(lacking)))


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.lines = out.rstrip("\n").split("\n")  # without the empty lines at the end

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def run_awl(*args, timeout=60, stdin=None, env=None):
    """Runs awl to its end."""
    p = subprocess.run([AWL, *map(str, args)], input=stdin, capture_output=True, timeout=timeout,
                       env=dict(os.environ, **(env or {})))
    r = Result(p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace"))
    assert "Sanitizer" not in r.err and "runtime error" not in r.err, r
    return r


class Tracer:
    """awl in the background: entered when it has attached, stopped by SIGINT at the latest on leaving."""

    def __init__(self, *args, timeout=60):
        self.p = subprocess.Popen([AWL, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.timeout = timeout
        self.err = b""
        self.out = b""
        self.attached = threading.Event()
        self.readers = [threading.Thread(target=self._read_err), threading.Thread(target=self._read_out)]
        for t in self.readers:
            t.start()

    def _read_err(self):
        for line in self.p.stderr:
            self.err += line
            if line.startswith(b"Attached"):
                self.attached.set()
        self.attached.set()

    def _read_out(self):
        while chunk := self.p.stdout.read1(65536):
            self.out += chunk

    def wait_attached(self):
        assert self.attached.wait(self.timeout), "awl did not attach in time"
        assert b"Attached" in self.err, self.err.decode(errors="replace")

    def wait_output(self, text, timeout=20):
        end = time.monotonic() + timeout
        while text.encode() not in self.out:
            assert time.monotonic() < end, f"{text!r} did not appear in:\n{self.out.decode(errors='replace')}"
            time.sleep(0.01)

    def finish(self, sig=signal.SIGINT):
        if sig is not None and self.p.poll() is None:
            self.p.send_signal(sig)
        code = self.p.wait(self.timeout)
        for t in self.readers:
            t.join(self.timeout)
        r = Result(code, self.out.decode(errors="replace"), self.err.decode(errors="replace"))
        assert "Sanitizer" not in r.err and "runtime error" not in r.err, r
        return r

    def __enter__(self):
        self.wait_attached()
        return self

    def __exit__(self, *exc):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGINT)
            try:
                self.p.wait(self.timeout)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()


@pytest.fixture
def awl():
    return run_awl


@pytest.fixture
def trace():
    return Tracer


@pytest.fixture
def target():
    """target('calls'): the path of a program to trace."""
    return lambda name: str(TARGETS / name)
