"""Values of Go as awl shows them, against what the program itself prints of them."""
import os
import pathlib
import re
import shutil

import pytest

from go_program import build, needs_go

SOURCE = pathlib.Path(__file__).parent / "targets" / "values.go"

pytestmark = needs_go

WAYS = {"optimised": (), "not optimised": ("-gcflags=-N -l",), "position-independent": ("-buildmode=pie",)}


@pytest.fixture(scope="session", params=list(WAYS))
def values(request, tmp_path_factory):
    return build(tmp_path_factory.mktemp("values"), SOURCE, *WAYS[request.param])


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    return build(tmp_path_factory.mktemp("values"), SOURCE)


def run(awl, program, script, **kw):
    r = awl("-q", "-e", script.replace("BIN", program), "-c", program, timeout=120, **kw)
    assert r.code == 0 and "done" in r.lines, r
    return r


def told(r, word):
    return [line[len(word) + 1:] for line in r.lines if line.startswith(word + " ")]


ARGS = {
    "texts": ("s", "b", "long", "none"),
    "scalars": ("t", "f", "i8", "u16", "r", "u"),
    "slices": ("a", "b", "c", "d", "e", "long", "none"),
    "arrays": ("a", "b", "one", "long"),
    "pointers": ("p", "n", "i", "ps", "l", "pa", "f"),
    "floats": ("f", "s", "m"),
    "ifaces": ("a", "b", "c", "d", "s", "e"),
    "errs": ("a", "b", "c", "d", "e", "f"),
    "nested": ("a", "p"),
    "contexts": ("a", "b", "c", "d"),
    "dates": ("m", "w", "never"),
    "times": ("d", "z", "neg", "small", "t", "ip", "ip6"),
}


@pytest.mark.parametrize("probe", ["go", "goret"])
def test_arguments_as_go_prints_them(awl, values, probe):
    """At the return, arguments are those of the call; some functions have more than are kept."""
    script = ""
    for func, names in ARGS.items():
        if probe == "goret":
            names = names[:3]
        form = "|".join(["%v"] * len(names))
        script += f'{probe}:BIN:"main.{func}" {{ printf("have {func} {form}\\n", {", ".join("args." + n for n in names)}); }}\n'
    r = run(awl, values, script)
    want = []
    for line in told(r, "want"):
        func, _, text = line.partition(" ")
        if func in ARGS:
            want.append(line if probe == "go" else func + " " + "|".join(text.split("|")[:3]))
    assert told(r, "have") == want, r
    assert len(want) == len(ARGS) + 1


@pytest.mark.parametrize("probe", ["go", "goret"])
def test_all_arguments_at_once(awl, values, probe):
    """By name. A pointer further in is an address."""
    r = run(awl, values, f'''{probe}:BIN:"main.both" {{ print(args); printf("have both %v\\n", args); }}
        {probe}:BIN:"main.dates" {{ print(args); $a = args; printf("A %d %d %d\\n", $a.m, args.w, $a.never); }}
        {probe}:BIN:"main.callKinds" {{ print(args); }}''')
    want, = [line for line in told(r, "want") if line.startswith("both ")]
    assert told(r, "have") == [want] and want[5:] in r.lines, r
    assert "{m:February w:Saturday never:0}" in r.lines and "A 2 6 0" in r.lines and "{}" in r.lines, r


def test_arguments_that_are_not_there_are_marked(awl, plain):
    """Floating point is in registers that are not seen; the others are fine. What does not fit is cut."""
    r = run(awl, plain, """go:BIN:"main.arrays" { print(args); }
        go:BIN:"main.half" { print(args); } goret:BIN:"main.arrays" { printf("B %v\\n", args); }""")
    assert "{f:(unreadable) n:7 s:text}" in r.lines, r
    head = "{a:[1 2 3] b:[q w] one:[{5 6 z}] long:"
    tail = "[0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 ...4 more]}"
    assert head + tail in r.lines and f"B {head}(unreadable)}}" in r.lines, r


def test_lengths(awl, values):
    r = run(awl, values, """go:BIN:"main.maps" { printf("have maps %v|%v|%v|%v|%v|%d|%d|%d|%d|%d\\n", args.m, args.none, args.empty,
        args.c, args.nochan, len(args.m), len(args.none), len(args.c), len(args.s), len(args.b)); }""")
    assert told(r, "have") == [line for line in told(r, "want") if line.startswith("maps")], r


def test_results(awl, values):
    r = run(awl, values, """
        goret:BIN:"main.loads" { printf("have loads %v|%v\\n", retval.0, retval.1); }
        goret:BIN:"main.opens" { printf("have opens %v\\n", retval.1); }""")
    assert told(r, "have") == [line for line in told(r, "want") if re.match("loads|opens", line)], r
    assert len(told(r, "have")) == 6


def test_an_error_is_compared_and_printed(awl, plain):
    r = run(awl, plain, """goret:BIN:"main.loads" /retval.1 != nil/ { print(retval.1); @n = count(); }
        goret:BIN:"main.loads" /retval.1 == nil/ { print(retval); }""")
    assert "load /none: open /none: no such file or directory" in r.lines, r
    assert "load /etc/passwd/x: open /etc/passwd/x: not a directory" in r.lines, r
    assert "(1, <nil>)" in r.lines and "@n: 2" in r.lines, r


def test_print_shows_what_is_more_than_a_number(awl, plain):
    r = run(awl, plain, """go:BIN:"main.pointers" { print(args.p); print(args.p.y); print(args.p.name); print(args.l.v); }
        go:BIN:"main.nested" { print(args.a[0]); }""")
    for line in ["&{1 2 pt}", "2", "pt", "3", "open /none: no such file or directory"]:
        assert line in r.lines, (line, r)


def test_json_has_the_text(awl, plain):
    r = run(awl, plain, """goret:BIN:"main.loads" { print(retval.1); }""")
    j = awl("-q", "-f", "json", "-e", f'goret:{plain}:"main.loads" {{ print(retval.1); }}', "-c", plain, timeout=120)
    assert '{"type": "value", "data": "load /none: open /none: no such file or directory"}' in j.out, (r, j)


def test_limits_are_settings(awl, plain):
    script = """config = { go_max_string = 5; go_max_elems = 2 }
        go:BIN:"main.texts" { printf("A %v %v\\n", args.long, args.b); }
        go:BIN:"main.arrays" { printf("B %v %v\\n", args.a, args.one); }"""
    r = run(awl, plain, script)
    assert "A xxxxx... [97 98 ...1 more]" in r.lines and "B [1 2 ...1 more] [{5 6 z}]" in r.lines, r
    # Three empty headers of slices are read, and then there is no room for what they lead to.
    r = run(awl, plain, """config = { go_value_size = 640 } go:BIN:"main.slices" { printf("A %v\\n", args.e); }""")
    assert "A [... ... []]" in r.lines, r


def test_a_value_in_a_map(awl, plain):
    r = run(awl, plain, """goret:BIN:"main.loads" { @last[args.path] = govalue(retval.1); }""")
    assert "@last[/none]: load /none: open /none: no such file or directory" in r.lines, r


def test_a_file_that_others_may_write(awl, plain, tmp_path):
    """Its debug information is read by a process without rights; the answers are the same."""
    program = tmp_path / "theirs"
    shutil.copy(plain, program)
    os.chown(program, 65534, 65534)
    r = run(awl, str(program), 'goret:BIN:"main.loads" { print(retval.1); }')
    assert "load /none: open /none: no such file or directory" in r.lines, r


@pytest.mark.parametrize("script,text", [
    ('begin { print(govalue(1)); }', "shows values of Go functions"),
    ('go:BIN:"main.texts" { print(govalue(pid)); }', "shows values of Go functions"),
    ('go:BIN:"main.texts" { print(len(args.nothing)); }', "no argument nothing"),
    ('go:BIN:"main.scalars" { print(len(args.i8)); }', "a value of Go that has a length"),
])
def test_what_is_no_value_of_go(awl, plain, script, text):
    r = awl("-e", script.replace("BIN", plain))
    assert r.code != 0 and re.search(text, r.err), r


@pytest.fixture(scope="session")
def inlined(tmp_path_factory):
    return build(tmp_path_factory.mktemp("inlined"), SOURCE.parent / "inlined.go")


def test_copies_of_a_function_that_is_only_inlined(awl, inlined):
    """The program runs two functions with copies five times. What the compiler left out is marked, not made up."""
    r = run(awl, inlined, """
        go:BIN:"main.add" { @n = count(); printf("add %v %v\\n", args.a, args.s); }
        go:BIN:"main.(*box).area" { printf("area %v %v %d\\n", args.b, args.k, goid); }
        go:BIN:"main.outer" { printf("outer %d\\n", args.n); }""")
    assert "@n: 10" in r.lines, r
    assert told(r, "area") == [f"&{{2 3}} {k} 1" for k in range(1, 6)], r
    assert told(r, "outer") == [str(n) for n in range(1, 6)], r
    for line in told(r, "add"):
        a, s = line.split(" ", 1)
        assert a in ("(unreadable)", "0", "1", "2", "3", "4", "5") and s in ("(unreadable)", "abc", inlined), r
    assert len(told(r, "add")) == 10


def test_a_copy_without_the_argument_is_an_error(awl, inlined):
    r = awl("-e", f'go:{inlined}:"main.add" {{ @[args.s] = count(); }}')
    assert r.code != 0 and "optimized out of this copy" in r.err, r


@pytest.fixture(scope="session", params=["stripped", "stripped, position-independent"])
def stripped(request, tmp_path_factory):
    more = ("-buildmode=pie",) if "position" in request.param else ()
    return build(tmp_path_factory.mktemp("stripped"), SOURCE, "-ldflags=-s -w", *more)


def test_a_signature_stands_for_debug_information(awl, stripped):
    r = run(awl, stripped, """
        go:BIN:"main.texts(s string, b []byte, long string, none string)" { printf("have texts %s|%v|%v|%v\\n", args.s, args.b, args.long, args.none); }
        go:BIN:"main.scalars(t, f bool, i8 int8, u16 uint16, r rune, u uint64)" {
            printf("have scalars %v|%v|%d|%d|%d|%u\\n", args.t, args.f, args.i8, args.u16, args.r, args.u); }
        go:BIN:"main.arrays(a [3]int, b [2]string, one [1]struct{ X int; y int; name string }, long [20]int)" {
            printf("have arrays %v|%v|%v|%v\\n", args.a, args.b, args.one, args.long); }
        goret:BIN:"main.loads(path string) (int, error)" { printf("loads %s %d %d\\n", args.path, retval.0, retval.1 != nil); }""")
    want = [line for line in told(r, "want") if re.match("texts|scalars|arrays", line)]
    assert told(r, "have") == want and len(want) == 3, r
    assert told(r, "loads") == ["/none -1 1", "/dev/null 1 0", "/etc/passwd/x -1 1"], r


def test_without_debug_information_interfaces_have_the_type_that_the_program_tells(awl, stripped):
    r = run(awl, stripped, """goret:BIN:"main.loads(path string) (int, error)" { print(retval.1); }
        go:BIN:"main.ifaces(a, b, c, d any, s error, e error)" { print(args.a); print(args.b); print(args.d); print(args.s); }""")
    assert re.search(r"^\*fmt.wrapError\(0x[0-9a-f]+\)$", r.out, re.M) and "<nil>" in r.lines, r
    assert re.search(r"^int\(...\)\nstring\(...\)\n\*main.point\(0x[0-9a-f]+\)\nmain.square\(...\)$", r.out, re.M), r


@pytest.mark.parametrize("signature,text", [
    ("(s string, b []byte", "a comma or \\) is missing"),
    ("(s mystery)", "mystery is no type that is known"),
    ("(s string) (int, error", "a comma or \\) is missing behind a result"),
    ("(s string, n int)", "the sizes of its words differ"),
    ("(s int, b []byte, long string, none string)", "the sizes of its words differ"),
    ("(s string) int int", "several results are written"),
    ("(" + "[1]" * 40 + "int)", "an argument is written|nested too deeply"),
])
def test_a_signature_is_checked(awl, plain, signature, text):
    """Words of arguments are those that the runtime prints in tracebacks."""
    r = awl("-e", f'go:{plain}:"main.texts{signature}" {{ print(args.s); }}')
    assert r.code != 0 and re.search(text, r.err), r
