"""config = { new_files = true }: files that take the place of the probed one are probed, too."""
import os
import shutil
import subprocess
import time

import pytest

CC = shutil.which("cc")
pytestmark = pytest.mark.skipif(not CC, reason="no C compiler")

# Builds differ in what work() adds, and in where it is.
SOURCE = r"""#include <unistd.h>
#ifdef SECOND
__attribute__((noinline, used)) int before(int v) { __asm__ volatile("" : "+r"(v)); return v * 3 + 1; }
#endif
__attribute__((noinline)) int work(int n) { __asm__ volatile("nop; nop; nop; nop" : "+r"(n)); return n + 1; }
int main(void)
{
    for (;;) {
        work(77);
        usleep(2000);
    }
}
"""
ON = "config = { new_files = true } "


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    where = tmp_path_factory.mktemp("builds")
    (where / "app.c").write_text(SOURCE)
    for name, flags in (("first", []), ("second", ["-DSECOND"])):
        for kind, debug in (("", "-g"), ("bare-", "-g0")):
            subprocess.run([CC, debug, "-O1", "-Wl,--build-id", *flags, "-o", kind + name, "app.c"], cwd=where, check=True)
    return where


@pytest.fixture
def app(builds, tmp_path):
    """app(build): the program is there, as a new file, started; what was started is ended."""
    path, started = tmp_path / "app", []

    def put(build):
        shutil.copy(builds / build, tmp_path / "new")
        os.rename(tmp_path / "new", path)
        return str(path)

    def start(build, *command):
        put(build)
        started.append(subprocess.Popen([*command, str(path)]))
        return started[-1].pid

    start.put = put
    start.path = put("first")
    yield start
    for p in started:
        p.kill()
        p.wait()


def wait_error(tracer, text, timeout=30):
    end = time.monotonic() + timeout
    while text.encode() not in tracer.err:
        assert time.monotonic() < end, tracer.err.decode(errors="replace")
        time.sleep(0.01)


def test_the_same_build(trace, app):
    """All that is known of the build holds: arguments by name, places inside of functions."""
    script = ON + r"""uprobe:APP:work { printf("%d called %d\n", pid, args.n); } uretprobe:APP:work { @[pid] = count(); }""".replace("APP", app.path)
    with trace("-v", "-e", script) as t:
        first = app("first")
        t.wait_output(f"{first} called 77\n")
        second = app("first")
        t.wait_output(f"{second} called 77\n")
        r = t.finish()
    assert r.code == 0 and f"@[{first}]: " in r.out and f"@[{second}]: " in r.out, r
    assert r.err.count("has mapped another file as") == 2 and "2 probes attached to it" in r.err, r


def test_another_build(trace, app):
    """Functions are found again by their names. (Of a result whose type is known one build is known.)"""
    app.put("bare-first")
    script = ON + r"""uprobe:APP:work { printf("%d called %d\n", pid, arg0); } uretprobe:APP:work { printf("%d got %d\n", pid, (int32)retval); }"""
    with trace("-v", "-e", script.replace("APP", app.path)) as t:
        pid = app("bare-second")
        t.wait_output(f"{pid} called 77\n")
        t.wait_output(f"{pid} got 78\n")
        r = t.finish()
    assert "another build" not in r.err and "2 probes attached to it" in r.err, r


def test_what_is_known_of_one_build_only(trace, app):
    """Where an argument is in another build nobody knows: it is said, and the others fire."""
    script = ON + r"""uprobe:APP:work { @[pid, args.n] = count(); } uprobe:APP:work { printf("%d plain\n", pid); } uprobe:APP:work+4 { @i[pid] = count(); }"""
    with trace("-e", script.replace("APP", app.path)) as t:
        pid = app("second")
        t.wait_output(f"{pid} plain\n")
        wait_error(t, "another build")
        r = t.finish()
    assert f"process {pid} has mapped another build of {app.path}: 2 of its probes" in r.err, r
    assert "@[" not in r.out and "@i[" not in r.out, r


def test_of_another_root(trace, app, builds, tmp_path):
    """As in a container: under its path there is another file than under ours."""
    inside = tmp_path / "inside"
    shutil.copy(builds / "second", inside)
    mounted = ["unshare", "-m", "sh", "-c", f'mount --bind {inside} "$0" && exec "$0"']
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    with trace("-e", ON + r'uprobe:APP:work { printf("%d called\n", pid); }'.replace("APP", app.path)) as t:
        pid = app("first", *mounted)
        t.wait_output(f"{pid} called\n")


def test_only_when_asked_for(trace, app):
    """A probe sits in a file: what takes its place is another one."""
    with trace("-e", r'uprobe:APP:work { printf("%d called\n", pid); }'.replace("APP", app.path)) as t:
        old = subprocess.Popen([app.path])
        try:
            t.wait_output(f"{old.pid} called\n")
            pid = app("first")
            before = t.out.count(b"called")
            end = time.monotonic() + 30
            while t.out.count(b"called") < before + 20:  # meanwhile the new one has called, too
                assert time.monotonic() < end
                time.sleep(0.01)
            r = t.finish()
        finally:
            old.kill()
            old.wait()
    assert f"{pid} called" not in r.out, r


def test_files_that_cannot_be_read(trace, app, tmp_path):
    """Something else under the path: a file that nobody maps as code changes nothing."""
    with trace("-e", ON + r'uprobe:APP:work { printf("%d called\n", pid); }'.replace("APP", app.path)) as t:
        os.rename(app.path, tmp_path / "old")
        (tmp_path / "app").write_text("#!/bin/sh\nexit 0\n")
        (tmp_path / "app").chmod(0o755)
        assert subprocess.run([app.path]).returncode == 0
        pid = app("first")
        t.wait_output(f"{pid} called\n")
        r = t.finish()
    assert r.code == 0 and "warning" not in r.err, r
