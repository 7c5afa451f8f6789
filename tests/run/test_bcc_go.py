"""bcc's commands on Go programs: calls and returns are probed so that the program survives, arguments are Go's."""
import re
import shutil
import subprocess

import pytest

from bcc_commands import Command, script_of
from conftest import run_awl
from test_go import build

pytestmark = pytest.mark.skipif(not shutil.which("go"), reason="no Go toolchain")


@pytest.fixture(scope="session")
def subject(tmp_path_factory):
    return build(tmp_path_factory.mktemp("bccgo"))


@pytest.fixture(scope="session")
def stripped(tmp_path_factory):
    return build(tmp_path_factory.mktemp("bccgo"), "-ldflags=-s -w")


def traced(program, *args, mode="values", n=1):
    """The command's result over one run of the program; BIN in its arguments stands for it."""
    with Command(*[str(a).replace("BIN", program) for a in args]) as c:
        p = subprocess.run([program, mode, str(n)], stdin=subprocess.DEVNULL, capture_output=True, timeout=120, text=True)
        assert p.returncode == 0 and f"done {mode} {n}" in p.stdout, p
        r = c.stop()
    assert r.code == 0 and r.err == "", r
    return r


def counts(r):
    return {name: int(n) for name, n in re.findall(r"^(main\.\S+) +(\d+)$", r.out, re.M)}


def messages(r):
    """What stands behind the columns; the function's name may be wider than its column."""
    return [re.match(r"(?:\S+ +)?\d+ +\d+ +subject +(\S+) +(.*)$", line).groups() for line in r.out.splitlines()[1:]]


def test_calls_and_returns_are_counted_once(subject):
    """bcc's return probes crash such programs: the stacks of 300 goroutines grow during these calls."""
    for mode, func, calls, returns in (("grow", "grower", 300, 300), ("panic", "panics", 1200, 800)):
        assert counts(traced(subject, "funccount", f"BIN:main.{func}", mode=mode, n=300)) == {f"main.{func}": calls}
        with Command("funccount", f"r:{subject}:main.{func}") as c:
            subprocess.run([subject, mode, "300"], check=True, timeout=120, stdout=subprocess.DEVNULL)
            r = c.stop()  # calls that a panic ended are told on standard error
        assert counts(r) == {f"main.{func}": returns} and r.out.startswith("Tracing 1 functions"), r


@pytest.mark.parametrize("pattern", ["r:BIN:main.p*", "BIN:main.p*", "r:BIN:main.{padded,prepareAnswer}", "r:BIN:main.pa*,"])
def test_funccount_patterns(subject, pattern):
    if pattern.endswith(","):
        args = ("-r", r"r:BIN:main\.(padded|prepare).*")
    else:
        args = (pattern,)
    r = traced(subject, "funccount", *args)
    assert counts(r) == {"main.prepareAnswer": 4, "main.padded": 1}, r
    assert r.out.startswith(f"Tracing {3 if '*' in args[0] else 2} functions"), r


def test_stackcount_of_returns(subject):
    for kind in ("r:", ""):
        r = traced(subject, "stackcount", "-U", f"{kind}BIN:main.small")
        assert re.search(r"^  main\.small\n  main\.values\n  main\.main\n  runtime\.main\n(?:  \S+\n)*    1\n", r.out, re.M), r


def test_trace_results(subject):
    r = traced(subject, "trace", 'r:BIN:main.prepareAnswer "%s of %s, %d", retval, $entry(name), $entry(year)')
    assert messages(r) == [("main.prepareAnswer", f"answer{y}-{y + 200} of answer{y}, {y}") for y in (1993, 1994, 1995)] + \
        [("main.prepareAnswer", "--1 of , 0")], r
    r = traced(subject, "trace", 'r:BIN:main.(*store).Load (retval.n == 0) "%d %v %v %d", retval.0, retval.1, retval, $latency > 0')
    assert messages(r) == [("main.(*store).Load", "0 no id (0, no id) 1")], r


def test_trace_arguments_by_name_and_by_word(subject):
    """Without Go's convention arg1 is the register of C's first argument, which has something else."""
    r = traced(subject, "trace", 'BIN:main.prepareAnswer (year > 1993 && STRCMP("answer1994", name)) "%s %d %d %d", name, arg2, arg3, arg4')
    assert messages(r) == [("main.prepareAnswer", "answer1994 10 1994 200")], r
    r = traced(subject, "trace", 'BIN:main.(*store).Load (id == "first") "%d %s %v", s->hits, id, s->label')
    assert messages(r) == [("main.(*store).Load", "0 first label")], r
    r = traced(subject, "trace", 'r:BIN:main.many "%d %d %d", retval.10, $entry(arg2), $entry(k)')
    assert messages(r) == [("main.many", "6 2 11")], r


def test_trace_columns_of_returns(subject):
    """In a return of a Go function `elapsed` is the call's: the column counts from the start of the trace."""
    r = traced(subject, "trace", "-t", "-C", "r:BIN:main.prepareAnswer")
    at = [float(line.split()[0]) for line in r.out.splitlines()[1:]]
    assert len(at) == 4 and at == sorted(at) and at[-1] > at[0], r


def test_a_signature_where_there_is_no_debug_information(stripped):
    r = traced(stripped, "trace", 'BIN:main.prepareAnswer(name string, year, status int) "%s %d", name, year')
    assert messages(r)[0] == ("main.prepareAnswer", "answer1993 1993"), r
    r = traced(stripped, "trace", 'r:BIN:"main.prepareAnswer(name string, year, status int) string" "%s %d", retval, $entry(year)')
    assert messages(r)[0] == ("main.prepareAnswer", "answer1993-2193 1993"), r
    r = traced(stripped, "funccount", "r:BIN:main.prepareAnswer")
    assert counts(r) == {"main.prepareAnswer": 4}


def test_argdist(subject):
    r = traced(subject, "argdist", "-i", 60, "-H", "r:BIN:main.prepareAnswer():int:$latency#ns",
               "-C", "r:BIN:main.prepareAnswer():string,int:retval,$entry(year):$entry(year) > 1994#answers",
               "-C", "p:BIN:main.(*store).Load():string:id", "-C", "r:BIN:main.prepareAnswer()#default",
               "-C", "p:BIN:main.prepareAnswer(name string, year, status int):int:status#status")
    assert sum(int(n) for n in re.findall(r"-> \d+ +: (\d+)", r.out.split("     ns ")[1].split("answers")[0])) == 4, r
    assert "\nanswers\n\tCOUNT      EVENT\n\t1          retval = answer1995-2195, $entry(year) = 1995\n" in r.out, r
    assert sorted(re.findall(r"^\t1 +id = (.*)$", r.out, re.M)) == ["", "first"], r
    assert sorted(re.findall(r"^\t1 +retval = (\S*)$", r.out, re.M)) == ["--1", "answer1993-2193", "answer1994-2194", "answer1995-2195"], r
    assert re.search(r"^\t1 +status = -1\n\t3 +status = 200$", r.out, re.M), r


def test_funclatency(subject):
    r = traced(subject, "funclatency", "BIN:main.{prepareAnswer,small}")
    assert set(re.findall(r"^Function = (\S+) \[\d+\]$", r.out, re.M)) == {"main.prepareAnswer", "main.small"}, r
    assert re.search(r"^avg = \d+ nsecs, total: \d+ nsecs, count: 5$", r.out, re.M), r
    assert "count: 10001\n" in traced(subject, "funclatency", "-u", "BIN:main.recurse", mode="recurse", n=10000).out


def test_funcslower(subject):
    r = traced(subject, "funcslower", "-u", 0, "-a", 3, "BIN:main.small", "BIN:main.prepareAnswer")
    rows = re.findall(r"^subject +\d+ +\d+\.\d\d +([0-9a-f]+) \S+:(main\.\w+) (0x[0-9a-f]+) (0x[0-9a-f]+) (0x[0-9a-f]+)$", r.out, re.M)
    assert len(rows) == 5 and rows[0][1] == "main.prepareAnswer" and [int(v, 16) for v in rows[0][3:]] == [10, 1993], r
    small = next(row for row in rows if row[1] == "main.small")
    assert int(small[0], 16) & 0xffffffff == 0xfffffffc and int(small[3], 16) & 0xffff == 65535, r  # it returns -4
    assert len(traced(subject, "funcslower", "-m", 1000, "BIN:main.small").out.splitlines()) == 2
    r = traced(subject, "funcslower", "-u", 0, "-t", "BIN:main.small")
    assert re.search(r"^\d+\.\d+ +subject +\d+ +\d+\.\d\d +[0-9a-f]+ \S+:main\.small$", r.out, re.M), r


@pytest.mark.parametrize("args", [("trace", 'r:BIN:main.prepareAnswer "%s", retval'), ("trace", 'BIN:main.small "%d", arg2'),
                                  ("funccount", "r:BIN:main.p*"), ("funclatency", "-F", "BIN:main.small"),
                                  ("argdist", "-i", 60, "-C", "r:BIN:main.small():int:retval")], ids=lambda a: " ".join(map(str, a))[:40])
def test_the_script_runs_by_itself(subject, args):
    script = script_of(*[str(a).replace("BIN", subject) for a in args])
    assert ("goret:" in script) == (args[1].startswith("r:") or args[0] in ("funclatency", "argdist")) and "uretprobe" not in script
    r = run_awl("-q", "-e", script, "-c", f"{subject} values 1")
    assert r.code == 0 and r.err == "" and re.search("main.(prepareAnswer|small)|retval = -4", r.out), r


@pytest.mark.parametrize("args,message", [
    (("trace", 'r:BIN:main.(*store).Load "%d", retval'), "main.(*store).Load returns 2 values: retval.0 to retval.1, or %v for all"),
    (("argdist", "-C", "r:BIN:main.many():int:retval"), "main.many returns 11 values: retval.0 to retval.10\n"),
    (("trace", 'BIN:main.many "%d", arg10'), "9 words of arguments are in registers, arg1 to arg9; the others have names"),
    (("trace", 'BIN:main.small "%d", retval'), "retval is possible in return probes only"),
    (("trace", 'r:BIN:main.small "%d", a'), "arguments are gone when a function returns: $entry(name) keeps one"),
    (("trace", 'r:BIN:main.prepareAnswer "%d", $entry(yaer)'), "$entry(yaer): neither signature nor debug information has such a parameter"),
    (("trace", 'BIN:main.prepareAnswer "%d", yaer'), "did you mean year?"),
    (("funccount", "BIN:main.smal"), "did you mean main.small?"),
    (("funcslower", "BIN:main.smal"), "did you mean main.small?"),
    (("funclatency", "BIN:main.inlined"), "only inlined into others"),
], ids=lambda v: " ".join(v)[:40] if isinstance(v, tuple) else "")
def test_wrong_command_lines(subject, args, message):
    r = run_awl(*[a.replace("BIN", subject) for a in args], timeout=60)
    assert r.code == 1 and r.out == "" and r.err.count("\n") == 1 and message in r.err, r
