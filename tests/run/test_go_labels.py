"""Labels of goroutines, against what the program has set: a list from Go 1.24 on, a map before.

The program's call main.at(WHERE) tells where it is; nearly all of it is known, what differs from run to run is where
a map with many labels has them."""
import pathlib
import re
import subprocess

import pytest

from go_program import build, needs_go

SOURCE = pathlib.Path(__file__).parent / "targets" / "labels.go"
LONG_KEY = "long key " * 20

pytestmark = needs_go


@pytest.fixture(scope="session")
def labels(tmp_path_factory):
    return build(tmp_path_factory.mktemp("labels"), SOURCE)


def has_lists():
    version = subprocess.run(["go", "version"], capture_output=True, text=True).stdout
    return int(re.search(r"go1\.(\d+)", version)[1]) >= 24


def run(awl, program, script, *flags, n=0):
    r = awl(*flags, "-e", script.replace("BIN", program), "-c", f"{program} {n}", timeout=120)
    assert r.code == 0 and f"done {n}" in r.lines and "failed" not in r.err, r
    return r


def told(r):
    """The printed lines but the program's own, in any order: goroutines run when they do."""
    return sorted(line for line in r.lines if line and not line.startswith(("done", "@")))


@pytest.mark.parametrize("flags", [(), ("--no-feature", "may_goto")])
@pytest.mark.parametrize("probe", ["go", "goret"])
def test_values(awl, labels, probe, flags):
    r = run(awl, labels, probe + ':BIN:"main.at" { printf("%s|%s|%s\\n", args.where, golabel("route"), golabel("kept")); }', *flags)
    assert told(r) == sorted(["none||", "none||", "none||", "one|/one|", "other||", "among|/among|", "empty||", "key||",
                              "long|" + "0123456789" * 30 + "|", "outer|outer|kept", "outer|outer|kept", "inner|inner|kept",
                              "inherited|parent|", "taken away||", "plain||"]), r


def test_keys(awl, labels):
    """A key is one as a whole; it may be long, or nothing at all."""
    r = run(awl, labels, f"""go:BIN:"main.at" {{
        if (golabel("rout") != "") {{ printf("prefix %s %s\\n", args.where, golabel("rout")); }}
        if (golabel("{LONG_KEY}") != "") {{ printf("long %s\\n", golabel("{LONG_KEY}")); }}
        if (golabel("") != "") {{ printf("nothing %s\\n", golabel("")); }}
        if (golabel("{LONG_KEY[:-1]}") != "" || golabel("ROUTE") != "") {{ printf("wrong %s\\n", args.where); }} }}""")
    assert told(r) == sorted(["prefix other prefix", "prefix among prefix", "long of a long key", "nothing of no key"]), r


def test_it_is_a_string(awl, labels):
    """As a key, in a variable, compared, cut, in a function and in a loop."""
    r = run(awl, labels, """
        fn inner($n : uint64) : uint64 { return golabel("route") == "inner" ? $n : 0; }
        go:BIN:"main.at" /golabel("kept") != ""/ {
            $s = golabel("route");
            @[$s, golabel("kept")] = count();
            @cut[str(golabel("route"), 3)] = count();
            @len = max(strlen($s));
            @inner = sum(inner(7));
            for ($i : 0..3) { @turns[golabel("route")] = count(); }
            for ($kv : @seen) { @loop[golabel("route"), $kv.0] = count(); }
            @seen[$s] = 1;
        }""")
    for line in ["@[outer, kept]: 2", "@[inner, kept]: 1", "@cut[out]: 2", "@cut[inn]: 1", "@len: 5", "@inner: 7", "@turns[outer]: 6",
                 "@turns[inner]: 3", "@loop[inner, outer]: 1", "@loop[outer, inner]: 1", "@loop[outer, outer]: 1"]:
        assert line in r.lines, (line, r)


def test_strings_are_cut_as_others_are(awl, labels):
    r = run(awl, labels, """config = { max_strlen = 16 }
        go:BIN:"main.at" /golabel("route") != ""/ { printf("%s %s\\n", str(arg0, arg1), golabel("route")); }""")
    assert "long 012345678901234" in r.lines and "one /one" in r.lines, r


def test_system_stacks_have_those_of_their_goroutine(awl, labels):
    """Goroutines are made on the system stack of the thread, for one that has labels."""
    r = run(awl, labels, 'go:BIN:"runtime.newproc1" { @[godepth >> 63, golabel("route")] = count(); } go:BIN:"runtime.schedule" { @s[golabel("route")] = count(); }')
    assert "@[1, parent]: 2" in r.lines, r
    assert r.out.count("@s[]: ") == 1, r


@pytest.mark.parametrize("flags", [(), ("--no-feature", "may_goto")])
def test_many_labels(awl, labels, flags):
    """Up to 64 none is missed, however the map has grown; of more those that are not found are told to be so."""
    r = run(awl, labels, """go:BIN:"main.at" / strncmp(str(arg0, arg1), "many", 4) == 0 / {
        printf("%s|%s|%s|%s|%s\\n", str(arg0, arg1), golabel("k0"), golabel("k27"), golabel("k63"), golabel("k")); }""", *flags, n=130)
    seen = {int(line.split("|")[0][5:]): line.split("|")[1:] for line in told(r)}
    assert sorted(seen) == list(range(1, 131)), r
    for n, values in seen.items():
        want = [f"value {k}" if k < n else "" for k in (0, 27, 63)] + [""]
        if n <= 64:
            assert values == want, (n, values)
        else:
            assert all(v in (w, "(too many labels)") for v, w in zip(values, want)), (n, values)
            assert values[3] == "(too many labels)" or not has_lists(), (n, values)
    assert seen[105][3] == "(too many labels)", seen[105]  # the map has just grown: to 32 buckets, and 14 old ones


def test_many_labels_that_came_one_by_one(awl, labels):
    """The map grows while labels are added, and keeps its old buckets when no more are."""
    r = run(awl, labels, """go:BIN:"main.at" / strncmp(str(arg0, arg1), "deep", 4) == 0 / {
        printf("%s|%s|%s|%s\\n", str(arg0, arg1), golabel("k0"), golabel("k13"), golabel("k52")); }""", n=64)
    seen = {int(line.split("|")[0][5:]): line.split("|")[1:] for line in told(r)}
    assert seen == {n: [f"value {k}" if k < n else "" for k in (0, 13, 52)] for n in range(1, 65)}, r


@pytest.mark.parametrize("script,text", [
    ('uprobe:BIN:main.at { print(golabel("route")); }', "not available in uprobe probes(.|\n)*go and goret"),
    ('go:BIN:"main.at" { print(golabel(comm)); }', "must be a string literal"),
    ('go:BIN:"main.at" { print(golabel("%s")); }' % ("k" * 257), "at most 256 bytes, this has 257"),
])
def test_what_cannot_be_done_says_why(awl, labels, script, text):
    r = awl("-e", script.replace("BIN", labels))
    assert r.code == 1 and re.search(text, r.err), r
