"""gohttp, gosql, gogc, gosched, goheap on programs whose requests, statements and allocations are known."""
import collections
import re
import subprocess

import pytest

from conftest import ROOT
from go_program import build_target, needs_go

TOOLS = ["gohttp", "gosql", "gogc", "gosched", "goheap"]

pytestmark = needs_go


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """programs("web"), programs("web", "stripped"), programs("web", "pie"): built once."""
    directory, done = tmp_path_factory.mktemp("gotools"), {}

    def get(name, how="plain"):
        if (name, how) not in done:
            where = directory / how
            where.mkdir(exist_ok=True)
            flags = {"plain": [], "stripped": ["-ldflags=-s -w"], "pie": ["-buildmode=pie"]}[how]
            done[name, how] = build_target(where, name, *flags)
            if how == "stripped":
                subprocess.run(["strip", "--strip-all", done[name, how]], check=True)
        return done[name, how]
    return get


HOW = ["plain", "stripped", "pie"]


def run(awl, tool, program, n, *args):
    r = awl(tool, program, *args, "-c", f"{program} {n}", timeout=120)
    assert r.code == 0 and f"done {n}" in r.out and "Lost" not in r.err, r
    return r


def requests(r, side):
    """(method, path, status, bytes): how often; and the milliseconds of each path."""
    found, ms = collections.Counter(), collections.defaultdict(list)
    for line in r.lines:
        m = re.match(rf"\S+ {side} +(\S+) +(\S+) +(\S+) +(-?\d+) +(-?\d+) +([\d.]+) +(\d+)$", line)
        if m:
            found[m[1], m[3], int(m[4]), int(m[5])] += 1
            ms[m[3]].append(float(m[6]))
            assert m[2].startswith("127.0.0.1:") and int(m[7]) > 0, line
    return found, ms


@pytest.mark.parametrize("how", HOW)
def test_requests(awl, programs, how):
    n = 5
    r = run(awl, "gohttp", programs("web", how), n)
    served, ms = requests(r, "in")
    expected = {("POST", "/none", 404, 13): n, ("PUT", "/silent", 200, 0): n, ("GET", "/twice", 201, 0): n,
                ("GET", "/file", 200, 100000): n, ("GET", "/slow", 200, 4): n}
    items = {("GET", f"/item/{i}", 200, 5): 1 for i in range(n)}
    assert served == collections.Counter(expected | items), r
    assert len(ms["/slow"]) == n and all(t >= 20 for t in ms["/slow"]), r
    made, ms = requests(r, "out")
    failed = {("DELETE", "/panic", -1, -1): n, ("GET", "/refused", -1, -1): 1}
    assert made == collections.Counter(expected | items | failed), r
    assert all(t >= 20 for t in ms["/slow"]), r
    assert f"{6 * n} requests served, {7 * n + 1} made; {n} were begun and not finished" in r.out, r


@pytest.mark.parametrize("how", HOW)
def test_requests_by_http2(awl, programs, how):
    """Several at a time on one connection, encrypted."""
    n, clients = 5, 4
    r = run(awl, "gohttp", programs("web2", how), n)
    served, ms = requests(r, "in")
    times = n * clients
    answered = {("POST", "/none", 404, 13): times, ("PUT", "/silent", 200, 0): times, ("GET", "/twice", 201, 0): times,
                ("GET", "/parts", 200, 100000): times, ("GET", "/slow", 200, 4): times, ("GET", "/first", 200, 5): 1}
    answered |= {("GET", f"/item/{c}/{i}", 200, 5): 1 for c in range(clients) for i in range(n)}
    failed = {("DELETE", "/panic", -1, -1): times}
    assert served == collections.Counter(answered | failed), r
    assert len(ms["/slow"]) == times and all(t >= 20 for t in ms["/slow"]), r
    made, ms = requests(r, "out")
    assert sum(made.values()) == 7 * times + 1 and made["DELETE", "/panic", -1, -1] == times, r
    assert all(t >= 20 for t in ms["/slow"]), r
    assert f"{7 * times + 1} requests served, {7 * times + 1} made; 0 were begun and not finished" in r.out, r


def test_slow_requests_alone(awl, programs):
    r = run(awl, "gohttp", programs("web"), 3, "-t", "20ms")
    served, ms = requests(r, "in")
    assert served["GET", "/slow", 200, 4] == 3 and all(t >= 20 for v in ms.values() for t in v), r
    assert "18 requests served" in r.out, r


@pytest.mark.parametrize("how", HOW)
def test_statements(awl, programs, how):
    r = run(awl, "gosql", programs("sql", how), 6)
    found = collections.Counter(re.findall(r"^\d\d:\S+ (\S+) +(ok|error) +[\d.]+ +\d+ *(.*?)$", r.out, re.M))
    assert found == collections.Counter({
        ("prepare", "ok", "UPDATE prices SET cents = ?"): 1, ("exec", "ok", "INSERT INTO orders VALUES (?)"): 6,
        ("query", "ok", "SELECT n FROM orders WHERE id = ?"): 6, ("exec*", "ok", "UPDATE prices SET cents = ?"): 6,
        ("begin", "ok", ""): 6, ("commit", "ok", ""): 3, ("rollback", "ok", ""): 3, ("exec", "ok", "DELETE FROM orders"): 6,
        **{("exec", "error", f"broken {i}"): 1 for i in range(6)}}), r
    assert "6 errors" in r.out and "@us[query]" in r.out, r


@pytest.mark.parametrize("how", HOW)
def test_collections(awl, programs, tmp_path_factory, how):
    program = programs("subject", how)
    r = awl("gogc", program, "-c", f"{program} gc 20", timeout=120)
    rows = re.findall(r"^\d\d:\S+ +(\d+) +(\d+) (heap|time|call) +([\d.]+) +(\d+) +([\d.]+) +([\d.]+) +(\d+) +([\d.]+)$", r.out, re.M)
    assert r.code == 0 and len(rows) >= 20, r
    assert [int(row[1]) for row in rows] == list(range(1, len(rows) + 1)), r
    for row in rows:
        assert row[2] == "call" and int(row[4]) == 2 and float(row[6]) <= float(row[5]) <= 1000 * float(row[3]) + 1, row


def histograms(text, name):
    """Of each key of the map: how many values were counted."""
    parts = re.split(rf"^@{name}\[(.*)\]:$", text, flags=re.M)
    return {key: sum(map(int, re.findall(r"^\[.*[\])] +(\d+) \|", rows.split("Microseconds")[0].split("Stacks")[0], re.M)))
            for key, rows in zip(parts[1::2], parts[2::2])}


@pytest.mark.parametrize("how", HOW)
def test_waiting(awl, programs, how):
    program = programs("subject", how)
    r = awl("gosched", program, "-c", f"{program} sleep 20", timeout=120)
    queue, queues, blocked, stacks = r.out.split("\nMicroseconds ")[1:] + r.out.split("the longest,")[1:]
    buckets = [int(n) for n in re.findall(r"^\[.*[\])] +(\d+) \|", queue, re.M)]
    assert r.code == 0 and sum(buckets) >= 400, r
    # Each of twenty goroutines sleeps a millisecond twenty times, and waits to go on before and behind each.
    assert 400 in histograms(blocked, "blocked_us").values(), r
    waits = histograms(queues, "queue_by_us")
    assert max(waits.values()) >= 420 and sum(waits.values()) <= sum(buckets), r
    if how != "stripped":
        assert "@blocked_us[main.each.func1]" in r.out and "main.sleeper" in stacks, r
        assert waits["main.each.func1"] >= 420, r


def test_waiting_for_the_network(awl, programs):
    """Those that it wakes are in the queue from then on."""
    r = run(awl, "gosched", programs("web"), 20)
    of_conns = [n for name, n in histograms(r.out, "queue_by_us").items() if name.startswith("net/http.(*Server).Serve.")]
    assert sum(of_conns) >= 20, r
    of_conns = [n for name, n in histograms(r.out, "blocked_us").items() if name.startswith("net/http.(*Server).Serve.")]
    assert sum(of_conns) >= 20, r


@pytest.mark.parametrize("how", HOW)
def test_allocations(awl, programs, how):
    r = run(awl, "goheap", programs("web", how), 20, "--every", "10")
    if how == "stripped":
        assert "is stripped: there are no names of types" in r.err and "@bytes[(stripped)]" in r.out, r
        return
    count = {name: int(n) for name, n in re.findall(r"^@count\[(.*)\]: (\d+)$", r.out, re.M)}
    assert any(name.endswith("http.Request") for name in count) and count.get("string", 0) > 0, r
    size = {name: int(n) for name, n in re.findall(r"^@bytes\[(.*)\]: (\d+)$", r.out, re.M)}
    assert size["uint8"] >= 100000, r
    assert "net/http." in r.out.split("Bytes by stack")[1], r


@pytest.mark.parametrize("tool", TOOLS)
def test_the_script_is_the_file(awl, programs, tool):
    r = awl(tool, "--show-script", programs("subject" if tool in TOOLS[2:] else "web" if tool == "gohttp" else "sql"))
    assert r.code == 0 and r.out == (ROOT / "tools" / f"{tool}.bt").read_text(), r


@pytest.mark.parametrize("tool", TOOLS)
def test_scripts_have_no_warnings(awl, programs, tool):
    program = programs("subject" if tool in TOOLS[2:] else "web" if tool == "gohttp" else "sql")
    r = awl("-d", "types", ROOT / "tools" / f"{tool}.bt", program)
    assert r.code == 0 and "warning" not in r.err, r


@pytest.mark.parametrize("tool,args,text", [
    ("gosql", ["WEB"], "it runs no statements by database/sql"),
    ("gohttp", ["SQL"], "it neither serves nor makes requests with net/http"),
    ("gogc", ["/bin/true"], "no table of Go functions"),
    ("gogc", ["/no/such"], "no such file|No such file"),
    ("gohttp", [], "required: program"),
    ("gohttp", ["WEB", "-t", "soon"], "is not a length of time"),
    ("goheap", ["WEB", "-e", "0"], "a number from 1 on"),
])
def test_what_cannot_be_done_says_why(awl, programs, tool, args, text):
    r = awl(tool, *[programs(a.lower()) if a in ("WEB", "SQL") else a for a in args])
    assert r.code == 1 and re.search(text, r.err), r
