"""Go programs that others built: stripped, of many releases, servers under load.

Those of the system, and those that tests/go/programs has fetched."""
import collections
import concurrent.futures
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from conftest import ROOT, Tracer
from test_go import build, unwound, value
from test_gotools import requests

FETCHED = ROOT / "build-go" / "programs"


def programs(name):
    """The system's, if there is one, and those that were fetched."""
    found = [shutil.which(name)] if shutil.which(name) else []
    found += sorted(str(p) for p in FETCHED.glob(f"{name}-*") if p.is_file() and os.access(p, os.X_OK))
    return [pytest.param(p, id=p.rsplit("/", 1)[1]) for p in found] or [
        pytest.param(None, marks=pytest.mark.skip(reason=f"no {name}: tests/go/programs fetches some"))]


# ---- command lines -----------------------------------------------------------------------------


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "a.js").write_text('import {a} from "./b.js"; console.log(a + 1);\n')
    (tmp_path / "b.js").write_text("export const a = 5; export function unused() { return [1, 2].map(x => x * 2) }\n")
    return f"--bundle {tmp_path}/a.js --outfile={tmp_path}/out.js"


@pytest.mark.parametrize("program", programs("esbuild"))
def test_a_bundler(awl, program, bundle):
    functions = "github.com/evanw/esbuild/internal/js_*"
    r = awl("-q", "-e", f'go:{program}:"{functions}" {{ @calls = count(); }} goret:{program}:"{functions}" {{ @rets = count(); }}'
            f'go:{program}:"main.main" {{ @goid = sum(goid); }}', "-c", f"{program} {bundle}", timeout=120)
    assert r.code == 0 and value(r, "goid") == 1, r
    assert value(r, "calls") > 10000 and value(r, "calls") == value(r, "rets") + unwound(r), r


@pytest.mark.parametrize("program", programs("esbuild") + programs("restic"))
def test_goroutines_of_a_stripped_program(awl, program):
    """main.main is called in runtime.main, with which its goroutine began."""
    r = awl("-q", "-e", f'go:{program}:"main.main" {{ printf("%d %d %s\\n", goid, gostart, ustack(raw, 3)); }}', "-c",
            f"{program} {'version' if 'restic' in program else '--version'}", timeout=120)
    found = re.search(r"^1 (\d+)\s+([0-9a-f]+)\s+([0-9a-f]+)\s+([0-9a-f]+)", r.out, re.M)
    assert found and 0 < int(found[3], 16) - int(found[1]) < 4096, r


@pytest.mark.parametrize("program", programs("restic"))
def test_a_command(awl, program):
    functions = "github.com/spf13/*"
    r = awl("-q", "-e", f'go:{program}:"{functions}" {{ @calls = count(); }} goret:{program}:"{functions}" {{ @rets = count(); }}',
            "-c", f"{program} version --json", timeout=120)
    # What it ends in has not returned: main.main calls Execute, and leaves by os.Exit.
    assert r.code == 0 and value(r, "calls") > 1000 and 0 <= value(r, "calls") - value(r, "rets") - unwound(r) < 30, r


# ---- servers -----------------------------------------------------------------------------------

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answer(port, method, path):
    """The status, 0: there was none."""
    body = b"query=up" if method == "POST" else None
    try:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=30) as r:
            r.read()
            return r.status
    except urllib.error.HTTPError as e:
        return e.code
    except OSError:
        return 0


def served_under_load(command, port, ready, load, times, **popen):
    """gohttp's requests and their milliseconds while four clients do `load`, (method, path) → status, so many times each."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **popen) as server:
        try:
            end = time.monotonic() + 120
            while answer(port, "GET", ready) != 200:
                assert time.monotonic() < end and server.poll() is None
                time.sleep(0.1)
            t = Tracer("gohttp", str(server.pid), timeout=120)
            try:
                t.wait_output("TIME", timeout=120)
                begin = time.monotonic()
                with concurrent.futures.ThreadPoolExecutor(4) as clients:
                    asked = [(clients.submit(answer, port, *what), status) for _ in range(times) for what, status in load.items()]
                    assert all(a.result() == status for a, status in asked)
                took = time.monotonic() - begin
            finally:
                r = t.finish(signal.SIGINT)
            assert server.poll() is None and "Lost" not in r.err, r
        finally:
            server.kill()
    served, ms = requests(r, "in")
    assert all(0 < t <= took * 1000 for times in ms.values() for t in times), (took, r)
    counts = collections.Counter()
    for (method, path, status, _), n in served.items():
        counts[method, path, status] += n
    return counts, r


@pytest.mark.parametrize("program", programs("caddy"))
def test_a_file_server(program, tmp_path):
    (tmp_path / "a.txt").write_text("hello\n")
    load, port = {("GET", "/a.txt"): 200, ("GET", "/none"): 404}, free_port()
    served, r = served_under_load([program, "file-server", "--listen", f"127.0.0.1:{port}"], port, "/a.txt", load, 300, cwd=tmp_path,
                                  env=dict(os.environ, HOME=str(tmp_path)))
    assert served == {(*what, status): 300 for what, status in load.items()}, r


@pytest.mark.parametrize("program", programs("prometheus"))
def test_a_database(program, tmp_path):
    (tmp_path / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    port = free_port()
    load = {("GET", "/api/v1/labels"): 200, ("POST", "/api/v1/query"): 200, ("GET", "/nothing"): 404, ("GET", "/metrics"): 200}
    served, r = served_under_load([program, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
                                   f"--web.listen-address=127.0.0.1:{port}"], port, "/-/ready", load, 150, cwd=tmp_path)
    assert served == {(*what, status): 150 for what, status in load.items()}, r


# ---- releases ----------------------------------------------------------------------------------

needs_go = pytest.mark.skipif(not shutil.which("go") or not shutil.which("objcopy"), reason="no Go toolchain or objcopy")


def renamed(program, to, at):
    """A copy of the program that says it is of release 1.99, in the text that begins at or behind `at`."""
    data = bytearray(program.read_bytes())
    begin = re.compile(rb"go1\.\d+\.\d+").search(data, at)
    text = b"go1.99." + b"0" * (begin.end() - begin.start() - 7)
    data[begin.start():begin.end()] = text
    to.write_bytes(data)
    return text.decode()


@needs_go
def test_an_unknown_release_is_refused(awl, tmp_path):
    program = tmp_path / "new"
    built = tmp_path / build(tmp_path)
    text = renamed(built, program, built.read_bytes().index(b"\xff Go buildinf:"))
    for command in (["-e", f'go:{program}:"main.main" {{ }}'], ["gohttp", program], ["gotrace", program, "main.*"],
                    ["golist", program, "main.*"]):
        r = awl(*command)
        assert r.code == 1 and f"was built by {text}, and awl knows the releases 1.13 to" in r.err, r


@needs_go
def test_without_the_section_that_tells_the_release(awl, tmp_path):
    built, program, other = build(tmp_path, "-ldflags=-s -w"), tmp_path / "bare", tmp_path / "other"
    subprocess.run(["objcopy", "--remove-section", ".go.buildinfo", built, program], check=True)
    r = awl("-q", "-e", f'go:{program}:"main.panics" {{ @calls = count(); }} goret:{program}:"main.panics" {{ @rets = count(); }}',
            "-c", f"{program} panic 30", timeout=120)
    assert (value(r, "calls"), value(r, "rets"), unwound(r)) == (120, 80, 40), r
    text = renamed(program, other, 0)
    r = awl("-e", f'go:{other}:"main.main" {{ }}')
    assert r.code == 1 and (f"was built by {text}" in r.err or "does not tell its release" in r.err), r
