"""Go programs: each call and each return once, whatever the runtime does with the stack meanwhile.

The subject makes a number of calls that is known and ends by itself; entries = returns + unwound."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import go_program
from go_program import needs_go, release

SOURCE = pathlib.Path(__file__).parent / "targets" / "subject.go"

pytestmark = needs_go


def build(directory, *flags, env=None, source=SOURCE):
    return go_program.build(directory, source, *flags, name="subject", env=env)


@pytest.fixture(scope="session")
def subject(tmp_path_factory):
    return build(tmp_path_factory.mktemp("go"))


def value(r, name):
    found = re.findall(rf"^@{name}: (\d+)$", r.out, re.M)
    return int(found[0]) if found else 0


def unwound(r):
    found = re.findall(r"(\d+) calls? did not return", r.err)
    return int(found[0]) if found else 0


def run(awl, program, script, mode="values", n=100, **kw):
    r = awl("-e", script.replace("BIN", program), "-c", f"{program} {mode} {n}", timeout=120, **kw)
    assert r.code == 0 and f"done {mode} {n}" in r.out, r
    return r


def both(func):
    return f'go:BIN:"main.{func}" {{ @calls = count(); }} goret:BIN:"main.{func}" {{ @rets = count(); }}'


# mode, its argument, function, calls, how many return
COUNTS = [
    ("grow", 300, "grower", 300, 300),
    ("grow", 300, "viaStack", 300, 300),
    ("recurse", 10000, "recurse", 10001, 10001),
    ("preempt", 200000, "spin", 200000, 200000),
    ("panic", 300, "panics", 1200, 800),
    ("panic", 300, "through", 1200, 800),
    ("panic", 300, "recovers", 1200, 1200),
    ("exit", 200, "exits", 200, 100),
    ("sleep", 20, "sleeper", 400, 400),
    ("gc", 30, "panics", 120, 80),
]


@pytest.mark.parametrize("mode,n,func,calls,returns", COUNTS)
def test_every_call_and_every_return_once(awl, subject, mode, n, func, calls, returns):
    r = run(awl, subject, both(func), mode, n)
    assert (value(r, "calls"), value(r, "rets"), unwound(r)) == (calls, returns, calls - returns), r


def test_a_function_that_only_returns(awl, subject):
    """Its call and its return are at one instruction."""
    r = run(awl, subject, 'goret:BIN:"main.empty" { @n = sum(args.n); @rets = count(); @long = sum(elapsed > 1000000000); }')
    assert (value(r, "rets"), value(r, "n"), value(r, "long"), unwound(r)) == (7, 21, 0, 0) and "Left out" not in r.err, r
    r = awl("--explain", "-e", f'goret:{subject}:"main.empty" {{ }}')
    assert "calls and returns, at one instruction" in r.out, r


def test_the_last_function_of_a_small_program(awl, tmp_path):
    """The table of functions ends soon behind it."""
    (tmp_path / "last.go").write_text('package main\n\nfunc main() { println("here") }\n')
    program = build(tmp_path, source=tmp_path / "last.go")
    r = awl("-e", f'go:{program}:"main.main" {{ @ = count(); }}', "-c", program, timeout=120)
    assert r.code == 0 and "@: 1" in r.lines, r


def test_calls_that_are_open_for_long_are_not_forgotten(awl, subject):
    """40,000 calls leave without a return, more than are kept at a time; main.main is open all the while."""
    r = run(awl, subject, 'goret:BIN:"main.exits", goret:BIN:"main.main", goret:BIN:"main.each" { @[probe] = count(); }', "exit", 80000)
    assert "main.main]: 1\n" in r.out and "main.exits]: 40000\n" in r.out and "main.each]: 80000\n" in r.out, r
    assert unwound(r) == 40000 and "Left out" not in r.err, r


def test_all_functions_at_once(awl, subject):
    """The program survives probes on everything that it has, and its own functions are counted right."""
    script = 'go:BIN:"*" { @all = count(); } go:BIN:"main.panics" { @calls = count(); } goret:BIN:"main.panics" { @rets = count(); }'
    r = run(awl, subject, script, "gc", 10)
    assert (value(r, "calls"), value(r, "rets")) == (40, 24) and value(r, "all") > 1000, r


def test_returns_of_all_functions(awl, subject):
    r = run(awl, subject, 'goret:BIN:"*" { @ = count(); @n[probe] = count(); }', "gc", 5)
    assert "main.recovers]: 20\n" in r.out and "main.panics]: 12\n" in r.out, r


def test_calls_that_left_together_are_told_once(awl, subject):
    r = run(awl, subject, 'goret:BIN:"main.panics", goret:BIN:"main.through", goret:BIN:"main.recovers" { @[probe] = count(); }',
            "panic", 90)
    assert unwound(r) == 2 * 4 * 30, r
    assert "main.recovers]: 360\n" in r.out and "main.through]: 240\n" in r.out, r


def test_a_return_belongs_to_its_call(awl, subject):
    """Goroutines change threads while they sleep."""
    r = run(awl, subject, 'goret:BIN:"main.sleeper" { @n = count(); @bad = sum(retval != args.n || elapsed < 1000000); }', "sleep", 30)
    assert value(r, "n") == 600 and value(r, "bad") == 0, r


def test_recursion_pairs_by_depth(awl, subject):
    r = run(awl, subject, 'goret:BIN:"main.recurse" { @bad = sum(retval != args.n); @n = count(); }', "recurse", 3000)
    assert value(r, "n") == 3001 and value(r, "bad") == 0, r


def test_a_slice_of_the_stack_after_it_moved(awl, subject):
    r = run(awl, subject, 'goret:BIN:"main.viaStack" { @[args.b.len, str((uint64)args.b.array, 12)] = count(); }', "grow", 200)
    assert "@[16, on the stack]: 200\n" in r.out, r


def test_arguments(awl, subject):
    r = run(awl, subject, """
        go:BIN:"main.prepareAnswer" { printf("A %s %d %d\\n", args.name, args.year, args.status); }
        go:BIN:"main.small" { printf("B %d %d %d %d\\n", args.a, args.b, args.c, args.d); }
        go:BIN:"main.sliced" { printf("C %d %d %s\\n", args.data.len, args.p.x, args.p.name); }
        go:BIN:"main.structs" { printf("D %d %d %s %d\\n", args.p.x, args.p.y, args.p.name, args.n); }
        go:BIN:"main.many" { printf("E %d %d %d %s\\n", args.a, args.i, args.k, args.s); }
        go:BIN:"main.padded" { printf("F %d %d %s\\n", args.n, args.pad[3], args.s); }
        go:BIN:"main.store.Value" { printf("G %d %s %s %d\\n", args.s.hits, args.s.label, args.s.inner.name, args.add); }
        go:BIN:"main.blank" { printf("H %d %d\\n", arg0, arg3); }""")
    for line in ["A answer1993 1993 200", "A answer1995 1995 200", "A  0 -1", "B -5 65535 1 255", "C 9 7 inner", "D 1 2 pt 9",
                 "E 1 9 11 twelve", "F 5 4 pad", "G 2 label inner 41", "H 1 3"]:
        assert line in r.lines, (line, r)


def test_results_and_arguments_at_the_return(awl, subject):
    r = run(awl, subject, """
        goret:BIN:"main.prepareAnswer" { printf("A %s %s\\n", args.name, retval); }
        goret:BIN:"main.structs" { printf("B %d %d %s %s\\n", retval.x, retval.y, retval.name, args.p.name); }
        goret:BIN:"main.sliced" { printf("C %d %d\\n", retval.0, retval.1); }
        goret:BIN:"main.many" { printf("D %d %d %d %s\\n", retval.0, retval.8, retval.10, args.s); }
        goret:BIN:"main.small" { printf("E %d\\n", retval); }
        goret:BIN:"main.(*store).Load" { printf("F %s %d %d\\n", args.id, retval.n, retval.1 != nil); }""")
    for line in ["A answer1994 answer1994-2194", "A  --1", "B 2 1 pt! pt", "C 22 1", "D 11 3 6 twelve", "E -4", "F first 1 0",
                 "F  0 1"]:
        assert line in r.lines, (line, r)


def test_goroutines_have_numbers(awl, subject):
    r = run(awl, subject, 'go:BIN:"main.sleeper" { @[goid] = count(); } go:BIN:"main.main" { printf("main %d\\n", goid); }', "sleep", 10)
    assert "main 1" in r.lines, r
    found = re.findall(r"^@\[(\d+)\]: (\d+)$", r.out, re.M)
    assert len(found) == 20 and all(n == "10" for _, n in found), r


@pytest.mark.parametrize("probe", ["go", "goret"])
def test_the_stack_has_the_caller(awl, subject, probe):
    """The frame of the function is not there at either place; the return address is."""
    r = run(awl, subject, f'{probe}:BIN:"main.panics" {{ @[gostack(3)] = count(); }}', "panic", 30)
    found = re.findall(r"^\s+(main\.\w+)\+", r.out, re.M)
    assert found == ["main.panics", "main.through", "main.recovers"], r


@pytest.mark.parametrize("flags", [("-ldflags=-s -w",), ("-buildmode=pie", "-ldflags=-s -w")])
def test_stacks_of_stripped_programs_have_names(awl, tmp_path, flags):
    """Out of the table that the runtime needs, also where the file is parsed by a process without rights."""
    program = build(tmp_path, *flags)
    script = """go:BIN:"main.panics" { @[gostack(3)] = count(); @began[usym(gostart)] = count(); }
        uprobe:BIN:main.panics { @u[ustack(2)] = count(); @f[func] = count(); }"""
    for owner in (0, 65534):
        os.chown(program, owner, owner)
        r = run(awl, program, script, "panic", 30)
        assert re.findall(r"^\s+(main\.\w+)\+", r.out, re.M) == ["main.panics", "main.through", "main.recovers", "main.panics", "main.through"], r
        assert "@began[main.each.func1]: 120" in r.lines and "@f[main.panics]: 120" in r.lines, r
    assert f"uprobe:{program}:main.panics" in awl("-l", f"uprobe:{program}:main.p*").lines


@pytest.mark.skipif(not shutil.which("gcc"), reason="no C compiler")
@pytest.mark.parametrize("probe", ["go", "goret"])
def test_the_stack_of_a_program_with_a_part_in_c(awl, tmp_path, probe):
    """Go's functions have frame pointers, and no tables, when the C in the program has tables alone."""
    program = build(tmp_path, source=SOURCE.with_name("cgo.go"), env={"CGO_ENABLED": "1"})
    r = awl("-e", f'{probe}:{program}:"main.inner" {{ @[gostack(4)] = count(); }}', "-c", f"{program} 300", timeout=120)
    assert r.code == 0 and re.findall(r"^\s+(main\.\w+)\+", r.out, re.M) == ["main.inner", "main.outer", "main.main"], r
    assert "]: 300" in r.out, r


def test_what_a_goroutine_starts_with(awl, subject):
    r = run(awl, subject, 'go:BIN:"@start" { @[usym(*arg0)] = count(); }', "panic", 30)
    assert "@[main.each.func1]: 4\n" in r.out, r


def test_what_is_known_of_a_goroutine(awl, subject):
    r = run(awl, subject, """
        go:BIN:"main.sleeper" { @start[usym(gostart)] = count(); @depth[goid] = sum(godepth); @system = sum(godepth >> 63); }
        goret:BIN:"main.sleeper" { @back[goid] = sum(godepth); @n = count(); }
        go:BIN:"main.main" { @start[usym(gostart)] = count(); }""", "sleep", 10)
    assert "@start[main.each.func1]: 200\n" in r.out and "@start[runtime.main]: 1\n" in r.out, r
    depth, back = (dict(re.findall(rf"^@{name}\[(\d+)\]: (\d+)$", r.out, re.M)) for name in ("depth", "back"))
    assert len(depth) == 20 and depth == back and value(r, "system") == 0 and value(r, "n") == 200, r


def test_who_started_a_goroutine(awl, subject):
    """Go keeps it from 1.21 on."""
    script = f'go:{subject}:"main.sleeper" {{ @[goparent] = count(); }}'
    r = awl("-e", script, "-c", f"{subject} sleep 10", timeout=120)
    if release() < 21:
        assert r.code == 1 and "Go 1.21 is the first" in r.err and "@start" in r.err, r
    else:
        assert "@[1]: 200" in r.lines, r


def test_a_system_stack_is_marked(awl, subject):
    r = run(awl, subject, 'go:BIN:"runtime.newstack" { @ = count(); @n = sum(godepth >> 63); @start[usym(gostart)] = count(); }', "grow", 300)
    found = re.search(r"^@: (\d+)$", r.out, re.M)
    assert int(found[1]) >= 300 and value(r, "n") == int(found[1]), r
    assert "main.each.func1]: " in r.out, r


def test_events_of_the_runtime(awl, subject):
    r = run(awl, subject, 'go:BIN:"@end" { @end = count(); } go:BIN:"@panic" { @panic = count(); } go:BIN:"@start" { @start = count(); }'
            'go:BIN:"@gcstart" { @gc = count(); }', "panic", 30)
    assert value(r, "end") >= 4 and value(r, "panic") == 40 and value(r, "start") >= 4, r


@pytest.mark.parametrize("flags", [("-ldflags=-s -w",), ("-buildmode=pie",), ("-ldflags=-compressdwarf=false",), ("-gcflags=-N -l",),
                                   ("-buildmode=pie", "-ldflags=-s -w")])
def test_other_ways_to_build(awl, tmp_path, flags):
    program = build(tmp_path, *flags)
    r = run(awl, program, both("panics"), "panic", 30)
    assert (value(r, "calls"), value(r, "rets"), unwound(r)) == (120, 80, 40), r
    r = run(awl, program, 'go:BIN:"main.prepareAnswer" { printf("A %s %d\\n", str(arg0, arg1), arg2); }')
    assert "A answer1993 1993" in r.lines, r


def test_a_return_probe_of_the_kernel_is_refused(awl, subject):
    r = awl("-e", f"uretprobe:{subject}:main.small {{ }}")
    assert r.code != 0 and f'goret:{subject}:"main.small"' in r.err, r


def test_uprobes_have_arguments_by_name_where_go_has_them(awl, subject):
    r = run(awl, subject, """
        uprobe:BIN:main.prepareAnswer { printf("A %s %d %d\\n", args.name, args.year, args.status); }
        uprobe:BIN:main.many { $all = args; printf("E %d %d %d %s\\n", $all.a, args.i, $all.k, args.s); }
        uprobe:BIN:main.padded { printf("F %d %d %s\\n", args.n, args.pad[3], args.s); }
        uprobe:BIN:"main.(*store).Load" { printf("L %s %d\\n", args.id, args.s.inner.x); }
        uprobe:BIN:main.small { printf("B %d %d %d %d\\n", args.a, args.b, args.c, args.d); }""")
    for line in ["A answer1993 1993 200", "E 1 9 11 twelve", "F 5 4 pad", "L first 7", "B -5 65535 1 255"]:
        assert line in r.lines, (line, r)
    assert "W0012" not in r.err, r


@pytest.mark.skipif(not shutil.which("gcc"), reason="no C compiler")
def test_c_functions_in_a_go_program_are_of_c(awl, tmp_path):
    (tmp_path / "main.go").write_text("""package main\n
/*
__attribute__((noinline)) int c_adds(int a, int b) { __asm__ volatile(""); return a + b; }
*/
import "C"
import "fmt"
func main() { fmt.Println("done", C.c_adds(3, 4)) }
""")
    subprocess.run(["go", "build", "-o", tmp_path / "program", tmp_path / "main.go"], check=True, timeout=500, stdin=subprocess.DEVNULL,
                   env=dict(os.environ, GO111MODULE="off", GOCACHE=str(tmp_path / "cache"), CGO_ENABLED="1"))
    program = tmp_path / "program"
    r = awl("-e", f'uprobe:{program}:c_adds {{ printf("%d %d %d\\n", arg0, arg1, args.b); }}', "-c", str(program), timeout=120)
    assert r.code == 0 and "3 4 4" in r.lines and "W0012" not in r.err, r


@pytest.mark.parametrize("script,text", [
    ('uprobe:BIN:main.floats { print(args.f); }', "floating point is in registers"),
    ('uprobe:BIN:main.blank { print(args.c); }', 'leaves out an unnamed parameter(.|\n)*go:FILE:"FUNCTION"'),
    ('go:BIN:"main.floats" { print(args.f); }', "floating point is in registers"),
    ('goret:BIN:"main.floats" { print(retval); }', "floating point is in registers"),
    ('go:BIN:"main.blank" { print(args.c); }', "leaves out an unnamed parameter"),
    ('go:BIN:"main.generic" { print(args.n); }', "may leave out|leaves out"),
    ('goret:BIN:"main.inlined" { }', "only inlined"),
    ('go:BIN:"main.inlined" { print(arg0); }', "no words of arguments"),
    ('go:BIN:"main.prepareAnswr" { }', "did you mean main.prepareAnswer"),
    ('go:BIN:"@nothing" { }', "there are @start"),
    ('go:/bin/true:"main.f" { }', "no table of Go functions"),
    ('goret:BIN:"main.main.func2" { }', "never returns"),
    ('uprobe:BIN:main.small { print(gostart); }', "goroutines are there in go and goret probes"),
])
def test_what_cannot_be_done_says_why(awl, subject, script, text):
    if "main.blank" in script and release() >= 22:
        pytest.skip("this release tells of parameters without names")
    r = awl("-e", script.replace("BIN", subject))
    assert r.code != 0 and re.search(text, r.err), r


def test_list(awl, subject):
    r = awl("golist", subject, "main.(*store).Load")
    assert r.code == 0 and f'go:{subject}:"main.(*store).Load"' in r.lines, r
    assert "    func (s *main.store, id string) (n int, err error)" in r.out.replace("runtime.iface", "error"), r
    assert "returns at 2 places" in r.out, r
    names = awl("-l", f"go:{subject}:main.*").lines
    assert f'go:{subject}:"main.prepareAnswer"' in names and not any("inlined" in n for n in names), names


def test_not_ahead_of_time(awl, subject, tmp_path):
    r = awl("--aot", "-o", str(tmp_path / "go.awlc"), "-e", f'go:{subject}:"main.main" {{ }}')
    assert r.code == 1 and "go probes cannot be compiled ahead of time" in r.err, r
    assert not (tmp_path / "go.awlc").exists()
