"""gotrace: the calls of a known program as trees; every call is a line, or is counted in one."""
import re
import signal
import subprocess

import pytest

from conftest import AWL, Tracer
from go_program import needs_go, release
from test_go import build

pytestmark = needs_go


@pytest.fixture(scope="session")
def subject(tmp_path_factory):
    return build(tmp_path_factory.mktemp("gotrace"))


@pytest.fixture
def gotrace(awl):
    def run(program, mode, n, *args):
        r = awl("gotrace", program, "main.*", *args, "-c", f"{program} {mode} {n}", timeout=120)
        assert r.code == 0 and f"done {mode} {n}" in r.out and "Lost" not in r.err, r
        return r
    return run


def calls(r):
    """(depth, microseconds or the state, text) of each line: columns of 12, 12, and what is left."""
    unit = {"us": 1, "ms": 1e3, "s": 1e6}
    found = []
    for line in r.lines:
        if re.match(r" *\d+\.\d{6} ", line):
            state, text = line[13:25].split(), line[27:]
            depth = (len(text) - len(text.lstrip())) // 2
            found.append((depth, float(state[0]) * unit[state[1]] if len(state) == 2 else state[0], text.strip()))
    return found


def named(r, name):
    return [c for c in calls(r) if c[2].startswith(f"main.{name}(")]


def test_arguments_and_results(gotrace, subject):
    r = gotrace(subject, "values", 1)
    texts = [c[2] for c in calls(r)]
    for text in ['main.prepareAnswer(name="answer1993", year=1993, status=200) = "answer1993-2193"', "main.small(a=-5, b=65535, c=true, d=255) = -4",
                 'main.many(a=1, b=2, c=3, d=4, e=5, f=6, g=7, h=8, i=9, j=10, k=11, s="twelve") = (11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 6)',
                 'main.padded(n=5, pad=[1 2 3 4], s="pad") = 11', 'main.(*store).Load(s=0x', "main.floats(f=?, n=4)", "main.blank(...)" if release() < 22 else "main.blank(a=1, ~p1=?, c=3) = 4", "main.structs(p={1 2 pt}, n=9) = {2 1 pt!}",
                 "main.sliced(data=[98 121 116 101 115 0 97 110 100], m=map[len=2], ch=chan[len=0 cap=4], p=0x"]:
        assert any(t.startswith(text) for t in texts), (text, r)
    assert any(t.endswith(", id=\"\") = (0, no id)") for t in texts), r
    assert calls(r)[0][2].startswith("main.main()") and calls(r)[0][0] == 0, r
    assert calls(r)[1][2].startswith("main.values()") and calls(r)[1][0] == 1, r


def test_recursion_nests(gotrace, subject):
    r = gotrace(subject, "recurse", 200)
    found = named(r, "recurse")
    assert [c[2] for c in found] == [f"main.recurse(n={n}) = {n}" for n in range(200, -1, -1)], r
    assert [c[0] for c in found] == list(range(found[0][0], found[0][0] + 201)), r


def test_calls_that_a_panic_ended(gotrace, subject):
    r = gotrace(subject, "panic", 30)
    assert len(named(r, "recovers")) == 120 and all(c[1] not in ("unwound", "running") for c in named(r, "recovers")), r
    for name in ("through", "panics"):
        assert len(named(r, name)) == 120 and sum(c[1] == "unwound" for c in named(r, name)) == 40, r
    for depth, state, text in calls(r):
        if text.startswith("main.panics("):
            assert depth == 4 or state == 'running', (text, r)


def test_goroutines_are_apart(gotrace, subject):
    r = gotrace(subject, "sleep", 4)
    trees = r.out.split("goroutine ")[1:]
    sleeping = [t for t in trees if "main.sleeper(" in t]
    assert sum(t.count("main.sleeper(") for t in sleeping) == 80, r
    assert len({t.split("\n")[0] for t in sleeping}) == 20, r


def test_what_is_short_is_counted(gotrace, subject):
    everything = len(calls(gotrace(subject, "sleep", 3)))
    r = gotrace(subject, "sleep", 3, "-t", "1ms")
    shown, hidden = calls(r), sum(map(int, re.findall(r"\((\d+) calls? below 1ms\)", r.out)))
    assert all(c[1] in ("running", "returned") or c[1] >= 1000 for c in shown), r
    assert len(named(r, "sleeper")) == 60 and hidden > 0, r
    gone = everything - len(shown) - hidden  # of goroutines that had nothing long: not a line of them
    assert 0 <= gone < everything / 2, (gone, r)


def test_a_function_that_stays_open(subject, tmp_path):
    """main.main of a server does not return: what it calls is shown all the same."""
    source = tmp_path / "loop.go"
    source.write_text("""package main
import "time"
//go:noinline
func work(n int) int { time.Sleep(5 * time.Millisecond); return n + 1 }
//go:noinline
func serve() { for n := 0; ; n++ { work(n) } }
func main() { serve() }
""")
    program = tmp_path / "loop"
    subprocess.run(["go", "build", "-o", program, source], check=True, timeout=300, stdin=subprocess.DEVNULL,
                   env=dict(__import__("os").environ, GO111MODULE="off", GOCACHE=str(tmp_path / "cache")))
    t = Tracer("gotrace", program, "main.*", "-c", str(program))
    try:
        t.wait_output("main.work(n=300)", timeout=60)
    finally:
        r = t.finish(signal.SIGINT)
    assert r.code == 0 and [c[1:] for c in calls(r)].count(("running", "main.serve()")) == 1, r
    assert len(named(r, "work")) > 300, r


@pytest.mark.parametrize("strip", [False, True])
def test_without_debug_information(gotrace, tmp_path, strip):
    program = build(tmp_path, "-ldflags=-s -w")
    if strip:
        subprocess.run(["strip", "--strip-all", program], check=True)
    r = gotrace(program, "panic", 30)
    assert len(named(r, "recovers")) == 120 and sum(c[1] == "unwound" for c in named(r, "panics")) == 40, r
    assert all("(...)" in c[2] for c in calls(r)), r


def test_many_functions(awl, subject):
    r = awl("gotrace", subject, "*", "-D", "1", "-c", f"{subject} recurse 5", timeout=120)
    assert r.code == 0 and "functions match: without arguments and results" in r.err and "done recurse 5" in r.out, r


def test_the_script_is_shown(awl, subject):
    r = awl("gotrace", "--show-script", subject, "main.small")
    assert r.code == 0 and f'go:{subject}:"main.small"' in r.out, r
    assert awl("-d", "types", "-e", r.out).code == 0


def test_a_process(awl, subject):
    with subprocess.Popen([subject, "gc", "2000"], stdout=subprocess.PIPE, text=True) as p:
        r = awl("gotrace", p.pid, "main.panics", "-d", "1", timeout=60)
        p.kill()
    assert r.code == 0 and "main.panics(n=" in r.out, r


@pytest.mark.parametrize("args,text", [
    (["BIN", "main.none"], "no function of .* is called 'main.none'"),
    (["BIN"], "the functions to trace"),
    (["BIN", "main.*", "-t", "1q"], "is not a length of time"),
    (["/bin/true", "main.*"], "no table of Go functions"),
    (["BIN", "main.*", "-p", "1", "-c", "x"], "exclude one another"),
])
def test_what_cannot_be_done_says_why(awl, subject, args, text):
    r = awl("gotrace", *[subject if a == "BIN" else a for a in args])
    assert r.code == 1 and re.search(text, r.err), r


def test_help():
    r = subprocess.run([AWL, "gotrace", "--help"], capture_output=True, text=True)
    assert r.returncode == 0 and "--longer TIME" in r.stdout and "-t 1ms" in r.stdout
