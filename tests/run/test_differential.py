"""The same scripts under awl and under Debian's bpftrace 0.17, beside each other on the same run of the same
program: both must print the same.

Each tests/run/scripts/*.bt says in its head what is needed:

    // target: calls          a program that is copied under the script's own name: @TARGET@, @COMM@ in the text
    // run: @TARGET@ 10       what is run, by bash, once both have attached; without: the script ends itself
    // fact: @n: 10           a line that awl must print, whether the peer is there or not
    // order: any             lines may come in another order (ties among equal values)
    // differs: WHY           awl is right and the peer is not, or its form is another: only facts are checked

Then the scripts that Debian ships, where this kernel has their probes: lines about the workload are compared,
with times and latencies cut out.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from conftest import AWL, TARGETS

HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = sorted((HERE / "scripts").glob("*.bt"))
PEER = shutil.which("bpftrace")
READY = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"


class Case:
    """One script with its head, made ready to run under a name of its own."""

    def __init__(self, path, work):
        text = path.read_text()
        self.name = path.stem
        self.comm = self.name[:15]
        self.target = str(work / self.comm)
        self.head = {}
        for key, value in re.findall(r"^// (\w+): (.*)$", text, re.M):
            self.head.setdefault(key, []).append(self.fill(value))
        program = self.one("target")
        if program:
            source = program if program.startswith("/") else TARGETS / program
            shutil.copy(os.path.realpath(source), self.target)
        self.script = work / (self.name + ".bt")
        self.script.write_text(self.fill(text))

    def fill(self, text):
        return text.replace("@TARGET@", self.target).replace("@COMM@", self.comm)

    def one(self, key):
        return self.head.get(key, [None])[0]


class Side:
    """A tracer, awl or the peer, on one script."""

    def __init__(self, program, script, work):
        self.out = work / (pathlib.Path(program).name + ".out")
        self.err = work / (pathlib.Path(program).name + ".err")
        env = dict(os.environ, **{READY: "1"}, BPFTRACE_MISSING_PROBES="warn", BPFTRACE_STRLEN="64")
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.p = subprocess.Popen([program, "-B", "none", str(script)], stdout=out, stderr=err, env=env, cwd=work)

    def wait_ready(self, timeout=60):
        end = time.monotonic() + timeout
        while READY not in self.text() + self.said() and self.p.poll() is None and time.monotonic() < end:
            time.sleep(0.02)

    def text(self):
        return self.out.read_text(errors="replace")

    def said(self):
        return self.err.read_text(errors="replace")

    def finish(self):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGINT)
        try:
            self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        return self.p.returncode, self.text(), self.said()


def run_both(script, command, work, peer=PEER):
    """As run_once; again when the peer hung, which it does now and then at its end."""
    for _ in range(3):
        sides = run_once(script, command, work, peer)
        if sides[-1][0] != -signal.SIGKILL or len(sides) == 1:
            break
    return sides


def run_once(script, command, work, peer):
    """Both tracers attached, the command once, both ended. [(code, out, err)] of awl and, if there, the peer."""
    sides = [Side(program, script, work) for program in ([AWL, peer] if peer else [AWL])]
    for side in sides:
        side.wait_ready()
    if command:
        subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=60, cwd=work)
        time.sleep(0.5)
    else:
        for side in sides:
            try:
                side.p.wait(60)
            except subprocess.TimeoutExpired:
                pass
    for side in sides[1:]:
        if side.p.poll() is None:
            side.p.send_signal(signal.SIGINT)
    return [side.finish() for side in sides]


def normal(text):
    """The lines that a script made: what the two say about themselves and empty lines are no part of it."""
    lines = []
    for line in text.splitlines():
        if not line.strip() or line == READY or re.match(r"Attach(ing|ed) \d+ probes?", line):
            continue
        # 0.24 changed the form of stats; awl prints the new one.
        line = re.sub(r"\{ \.count = (\d+), \.average = (-?\d+), \.total = (-?\d+) \}", r"count \1, average \2, total \3",
                      line)
        lines.append(line.rstrip())
    return lines


@pytest.fixture(scope="module")
def results(request):
    """Starts all scripts that are wanted, some at a time, in the background."""
    wanted = {i.callspec.params["path"] for i in request.session.items
              if getattr(i, "callspec", None) and "path" in i.callspec.params}

    def one(path):
        with tempfile.TemporaryDirectory(prefix="diff.") as d:
            work = pathlib.Path(d)
            case = Case(path, work)
            sides = run_both(case.script, case.one("run"), work)
            if len(sides) == 2 and not case.one("differs") and sorted(normal(sides[0][1])) != sorted(normal(sides[1][1])):
                # One of the two may have missed an event at its start or end on a busy machine: once more.
                print(f"{path.stem}: the two differ; run again\n{sides[0][1]}{sides[1][1]}")
                sides = run_both(case.script, case.one("run"), work)
            return case, sides

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield {path: pool.submit(one, path) for path in SCRIPTS if path in wanted}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_script(path, results):
    case, sides = results[path].result()
    code, out, err = sides[0]
    said = f"--- awl {code}\n{out}{err}"
    assert code == 0, said
    lines = normal(out)
    for fact in case.head.get("fact", []):
        assert any(fact.strip() in line.strip() for line in lines), f"no line has {fact!r}\n{said}"
    if case.one("differs"):
        return
    if len(sides) < 2:
        if not case.head.get("fact"):
            pytest.skip("bpftrace is not installed: nothing to compare with (tests/install-deps peer)")
        return
    peer_code, peer_out, peer_err = sides[1]
    said += f"--- bpftrace {peer_code}\n{peer_out}{peer_err}"
    theirs = normal(peer_out)
    if case.one("order") == "any":
        lines, theirs = sorted(lines), sorted(theirs)
    assert lines == theirs, said


def test_enough_scripts_are_compared():
    """Those of which the output of both must be the same, and not only some facts."""
    assert sum("\n// differs:" not in "\n" + path.read_text() for path in SCRIPTS) >= 80


# ---- what Debian ships

DEBIAN = {
    # name: (command, pattern of the lines to compare, [(cut, put)])
    "bashreadline": ("printf 'echo readline_mark\\nexit\\n' | script -qc 'bash --norc -i' /dev/null", r"readline_mark",
                     [(r"^\S+ +", "")]),
    "bitesize": ("dd if=/dev/zero of=bite bs=64k count=4 oflag=direct conv=fsync", r"^@\[dd\]", []),
    "execsnoop": ("/bin/true exec_mark a b", r"exec_mark a b", [(r"^\d+ +", "")]),
    "gethostlatency": ("getent ahosts localhost", r"getent", [(r"^\S+ +", ""), (r" +\d+ +localhost", " localhost")]),
    "killsnoop": ("bash -c 'printf kill_mark >/proc/$$/comm; kill -0 $$'", r"kill_mark +0 ", [(r"^\S+ +", "")]),
    "naptime": ("/usr/bin/python3 -c 'import ctypes, struct; "
                "ctypes.CDLL(None).syscall(35, struct.pack(\"qq\", 0, 250000000), None)'",
                r" 0\.250$", [(r"^\S+ +", "")]),
    "opensnoop": ("cat /etc/hostname /nonexistent_mark", r"cat .*(hostname|nonexistent_mark)", []),
    "setuids": ("python3 -c 'import os; os.setuid(0); os.setresuid(0, 0, 0)'", r"python3.*set", [(r"^\S+ +", "")]),
    "statsnoop": ("ls -l /nonexistent_mark", r"nonexistent_mark", []),
    "syncsnoop": ("sync", r" sync ", [(r"^\S+ +", "")]),
    "syscount": ("true", r"^Top 10", []),
    "threadsnoop": ("true", r"^TIME", []),
    "pidpersec": ("sleep 1.2", r"^Tracing", []),
    "writeback": ("true", r"^Tracing|^TIME", []),
    "ssllatency": ("true", r"^Tracing|^Latency", []),
    "sslsnoop": ("true", r"^Tracing|^TIME", []),
}


def debian_lines(text, pattern, cuts):
    lines = [line.rstrip() for line in text.splitlines() if re.search(pattern, line)]
    for cut, put in cuts:
        lines = [re.sub(cut, put, line) for line in lines]
    return sorted(lines)


@pytest.mark.parametrize("name", sorted(DEBIAN))
def test_script_of_debian(name, tmp_path):
    script = pathlib.Path("/usr/sbin") / (name + ".bt")
    if not PEER or not script.exists():
        pytest.skip("bpftrace is not installed (tests/install-deps peer)")
    command, pattern, cuts = DEBIAN[name]
    for _ in range(3):  # either may have seen nothing yet when the other had: sampling is chance
        ours, theirs = run_both(script, command, tmp_path)
        said = f"--- awl {ours[0]}\n{ours[1]}{ours[2]}--- bpftrace {theirs[0]}\n{theirs[1]}{theirs[2]}"
        assert ours[0] == 0, said
        lines = debian_lines(ours[1], pattern, cuts)
        if lines and lines == debian_lines(theirs[1], pattern, cuts):
            break
    assert lines and lines == debian_lines(theirs[1], pattern, cuts), said


@pytest.mark.parametrize("name", ["runqlat", "tcpdrop"])
def test_script_of_debian_that_the_peer_cannot_compile(name, tmp_path):
    """The peer needs kernel headers for these; awl takes the kernel's own types."""
    script = pathlib.Path("/usr/sbin") / (name + ".bt")
    if not script.exists():
        pytest.skip("bpftrace is not installed (tests/install-deps peer)")
    code, out, err = run_both(script, "sleep 0.1", tmp_path, peer=None)[0]
    assert code == 0 and "Tracing" in out, out + err
