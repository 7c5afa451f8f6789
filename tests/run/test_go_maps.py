"""Elements of Go's maps as awl shows them, against what the program itself prints of them."""
import os
import re
import shutil

import pytest

from go_program import TARGETS, build, needs_go
from test_go_values import WAYS, run, told

pytestmark = needs_go
MAPS = TARGETS / "maps.go"


@pytest.fixture(scope="session", params=list(WAYS))
def maps(request, tmp_path_factory):
    return build(tmp_path_factory.mktemp("maps"), MAPS, *WAYS[request.param])


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    return build(tmp_path_factory.mktemp("maps"), MAPS)


def config(elems, **more):
    more = {"go_max_map_elems": elems, "go_value_size": 8192, "go_max_elems": 32, **more}
    return "config = { " + "; ".join(f"{k} = {v}" for k, v in more.items()) + " }\n"


# Each has one argument, but for these.
ARGS = {"boxes": ("args.b", "args.p", "args.s"), "ifaces": ("args.a", "args.b"), "headers": ("args.h",), "handle": ("args.req.Header",)}
NAMES = ["texts", "strs", "ints", "small", "floats", "bools", "sets", "units", "times", "classes", "points", "arrays", "larges",
         "largeKeys", "wides", "pointers", "errs", "nested", "trees", "boxes", "ifaces", "dicts", "keys", "headers", "handle"]


def script(probe, names):
    text = ""
    for name in names:
        args = ARGS.get(name, ("args.m",))
        text += f'{probe}:BIN:"main.{name}" {{ printf("have {name} {"|".join(["%v"] * len(args))}\\n", {", ".join(args)}); }}\n'
    return text


@pytest.mark.parametrize("probe", ["go", "goret"])
def test_maps_as_go_prints_them(awl, maps, probe):
    """Of all kinds of keys and values, up to eight elements: all are shown, sorted as fmt sorts them."""
    r = run(awl, maps, config(8) + script(probe, NAMES))
    want = [line for line in told(r, "want") if not line.startswith("grown")]
    assert told(r, "have") == want and {line.split()[0] for line in want} == set(NAMES), r


ELEMENTS = re.compile(r"map\[((?:-?\d+:-?\d+ ?)*)(?:\.\.\.(\d+) more)?\]")


def shown(text):
    """The keys, and how many elements are only counted; each value is its key's square."""
    m = ELEMENTS.fullmatch(text)
    assert m, text
    pairs = [tuple(map(int, e.split(":"))) for e in m[1].split()]
    keys = [k for k, _ in pairs]
    assert all(v == k * k for k, v in pairs) and keys == sorted(set(keys)), text
    return keys, int(m[2] or 0)


@pytest.mark.parametrize("most", [1, 8, 64])
def test_maps_of_all_sizes(awl, plain, most):
    """While it grows and elements are deleted: those that are shown are there, the others are counted."""
    r = run(awl, plain, config(most) + script("go", ["grown"]))
    want = [int(line.split()[1]) for line in told(r, "want") if line.startswith("grown ")]
    have = [shown(line[6:]) for line in told(r, "have")]
    assert [len(keys) + more for keys, more in have] == want and want[-1] == 1 and max(want) > 2000, r
    full = [len(keys) == min(n, most) for (keys, _), n in zip(have[:-1], want)]
    assert all(len(keys) <= most for keys, _ in have)
    assert all(ok for ok, n in zip(full, want) if n <= 8), list(zip(have, want))
    # How keys spread over the first groups differs from run to run; up to Go 1.23, so does how far a map has grown.
    assert full.count(True) * 2 >= len(full), list(zip(have, want))


def test_a_structure_that_is_overwritten(awl, plain):
    """Counts, addresses and the number of groups are anything: what can be read is shown, and awl goes on."""
    r = run(awl, plain, config(8) + script("go", ["broken"]))
    assert len(told(r, "have")) == 55, r
    for line in told(r, "have"):
        assert re.fullmatch(r"broken map\[(?:(?:-?\d+:-?\d+ ?)*(?:\.\.\.\d+ more)?|\(unreadable\))\]", line), line


def test_a_map_that_another_goroutine_changes(awl, plain):
    """Elements are missing or there twice, at worst."""
    r = run(awl, plain, config(8) + script("go", ["raced"]))
    have = told(r, "have")
    assert len(have) == 2000, r
    for line in have:
        assert re.fullmatch(r"raced map\[(?:-?\d+:(?:\d*|\.\.\.|\(unreadable\)) ?)*(?:\.\.\.\d+ more|\(unreadable\))?\]", line), line


def test_without_the_setting_there_is_the_length(awl, plain):
    for setting in ("", "config = { go_max_map_elems = 0 }\n"):
        r = run(awl, plain, setting + 'go:BIN:"main.ints" { printf("A %v\\n", args.m); } go:BIN:"main.boxes" { print(args.b); }')
        assert "A map[len=4]" in r.lines and "{1 map[len=2] map[int]int(map[len=1])}" in r.lines, r


def test_the_setting_in_the_environment(awl, plain):
    r = run(awl, plain, 'go:BIN:"main.ints" { print(args.m); @[govalue(args.m)] = count(); }', env={"AWL_GO_MAX_MAP_ELEMS": "2"})
    assert re.search(r"^map\[(?:-?\d+:\w+ ){2}\.\.\.2 more\]$", r.out, re.M), r
    assert re.search(r"^@\[map\[(?:-?\d+:\w+ ){2}\.\.\.2 more\]\]: 1$", r.out, re.M), r


def test_a_number_that_is_too_large(awl, plain):
    r = awl("-e", f'config = {{ go_max_map_elems = 257 }} go:{plain}:"main.ints" {{ print(args.m); }}')
    assert r.code != 0 and "it takes a number of elements up to 256" in r.err, r


def test_headers_in_a_record_of_a_kilobyte(awl, plain):
    r = run(awl, plain, config(8, go_value_size=1024) + script("go", ["headers", "handle"]))
    assert told(r, "have") == [line for line in told(r, "want") if line.startswith("h")], r


def test_what_does_not_fit(awl, plain):
    """A value that was not captured is "...", an element whose key was not is counted."""
    r = run(awl, plain, config(8, go_value_size=700) + script("go", ["headers", "wides"]))
    for line in told(r, "have"):
        assert re.search(r"\.\.\.", line) and not re.search(r"(^| )\.\.\.:", line), r
        elements = re.findall(r"[\w-]+:[\[{.]", line)
        more = re.search(r"\.\.\.(\d+) more\]$", line)
        assert len(elements) + int(more[1] if more else 0) == (3 if line.startswith("headers") else 8), r


def test_a_file_that_others_may_write(awl, plain, tmp_path):
    """Its debug information is read by a process without rights; the answers are the same."""
    program = tmp_path / "theirs"
    shutil.copy(plain, program)
    os.chown(program, 65534, 65534)
    r = run(awl, str(program), config(8) + script("go", ["times", "points"]))
    assert told(r, "have") == [line for line in told(r, "want") if re.match("times|points", line)], r


def test_types_in_the_probe_do_not_tell_how_maps_are_kept(awl, tmp_path_factory):
    program = build(tmp_path_factory.mktemp("maps"), MAPS, "-ldflags=-s -w")
    r = run(awl, program, config(8) + 'go:BIN:"main.ints(m map[int]string)" { printf("A %v\\n", args.m); }')
    assert "A map[len=4]" in r.lines, r
