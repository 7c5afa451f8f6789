"""Where awl is right and bpftrace is not: what docs/differences.md promises, by what a user sees."""
import json

import pytest

from conftest import ROOT, TARGETS, run_awl

STORM = str(TARGETS / "storm")


@pytest.mark.parametrize("body,line", [
    ('@d = (int64)-7; printf("%d %d", @d / 2, @d % 2);', "-3 -1"),
    ('@d = (int64)7; @e = (int64)-2; printf("%d %d", @d / @e, @d % @e);', "-3 1"),
    ('@d = (int32)-7; printf("%d %d", @d / 2, @d % 2);', "-3 -1"),
    ('@n = (int64)-8; printf("%d", @n >> 1);', "-4"),
    ('@n = (int64)-8; @by = (uint64)3; printf("%d", @n >> @by);', "-1"),
    ('@n = (int32)-8; printf("%d", @n >> 2);', "-2"),
    ('@n = (uint64)18446744073709551608; printf("%u", @n >> 1);', "9223372036854775804"),
    ('$n = 0; $r = $n++ ?: 5; printf("%d %d", $r, $n);', "5 1"),
    ('$n = 3; $r = $n++ ?: 5; printf("%d %d", $r, $n);', "3 4"),
    ('@n = 3; $r = @n++ ?: 5; printf("%d %d", $r, @n);', "3 4"),
    ('for $i : 0..10 { if $i == 5 { exit(); } printf("%d", $i); }', "01234"),
    ('$i = 0; while ($i < 9) { if ($i == 3) { exit(); } printf("%d", $i); $i++; }', "012"),
    ('unroll(5) { printf("x"); exit(); }', "x"),
    ('@m[1] = 1; @m[2] = 1; for ($kv : @m) { printf("once"); exit(); }', "once"),
])
def test_numbers_and_loops(body, line):
    r = run_awl("-q", "-e", "begin { " + body + " exit(); }")
    assert r.code == 0 and r.lines[0] == line, r


@pytest.mark.parametrize("spec,value,text", [
    ("%d", "9876543210", "9876543210"), ("%u", "9876543210", "9876543210"), ("%x", "0x123456789a", "123456789a"), ("%o", "0777777777777", "777777777777"),
    ("%i", "-9876543210", "-9876543210"), ("%X", "0x123456789A", "123456789A"), ("%d", "(int8)-5", "-5"), ("%d", "(uint8)251", "251"),
    ("%d", "(int16)-300", "-300"), ("%d", "(int32)-70000", "-70000"), ("%x", "(int8)-1", "ff"), ("%u", "(int16)-1", "65535"),
    ("%x", "(int32)-1", "ffffffff"), ("%lx", "(int32)-1", "ffffffffffffffff"), ("%hhd", "300", "44"), ("%hd", "70000", "4464"),
    ("%ld", "9876543210", "9876543210"), ("%lld", "-1", "-1"), ("%12d|", "9876543210", "  9876543210|"), ("%-12d|", "9876543210", "9876543210  |"),
    ("%012d", "-9876543210", "-09876543210"), ("%.12d", "9876543210", "009876543210"),
])
def test_numbers_of_any_width(spec, value, text):
    assert run_awl("-q", "-e", f'begin {{ $v = {value}; printf("{spec}", $v); exit(); }}').lines[0] == text


@pytest.mark.parametrize("spec,text", [
    ("%.3s", "abc"), ("%.0s", ""), ("%.9s", "abcdef"), ("%6.2s", "    ab"), ("%-6.2s", "ab    "), ("%.s", ""), ("%s", "abcdef"), ("%8s", "  abcdef"),
])
def test_precision_of_strings(spec, text):
    for value in ('"abcdef"', "$s"):
        r = run_awl("-q", "-e", f'begin {{ $s = "abcdef"; printf("[{spec}]", {value}); print($s); exit(); }}')
        assert r.lines[0] == f"[{text}]abcdef", r


def test_precision_of_values_that_are_no_strings():
    r = run_awl("-q", "-e", r'begin { printf("[%.4s] [%.2s]\n", (1, "abc"), true); exit(); }')
    assert r.lines[0] == "[(1, ] [tr]"


BIG = (1, 2**63 - 1, 2**63, 2**64 - 1)


def test_unsigned_keys_and_values_sort_as_unsigned():
    fill = " ".join(f"@k[(uint64){n}] = 1; @t[(uint64){n}, \"x\"] = (1, 1); @v[{i}] = (uint64){n}; @x[{i}] = max((uint64){n});"
                    for i, n in enumerate(reversed(BIG)))
    r = run_awl("-q", "-e", "begin { " + fill + " exit(); }")
    assert [line for line in r.lines if line.startswith("@k")] == [f"@k[{n}]: 1" for n in BIG]
    assert [line for line in r.lines if line.startswith("@t")] == [f"@t[{n}, x]: (1, 1)" for n in BIG]
    assert [line.split(": ")[1] for line in r.lines if line.startswith("@v")] == [str(n) for n in BIG]
    assert [line.split(": ")[1] for line in r.lines if line.startswith("@x")] == [str(n) for n in BIG]


def test_signed_keys_sort_as_signed():
    r = run_awl("-q", "-e", "begin { @[(int64)5] = 1; @[(int64)-5] = 1; @[(int64)0] = 1; exit(); }")
    assert [line for line in r.lines if line] == ["@[-5]: 1", "@[0]: 1", "@[5]: 1"]


def test_arguments_inside_of_loops():
    r = run_awl("-q", "-e", f"uprobe:{STORM}:hit /arg0 == 3/ {{ @m[1] = 1; for $i : 0..2 {{ @r[$i] = arg0; }} for ($kv : @m) {{ @a = arg0; }} }} "
                f"uretprobe:{STORM}:hit {{ for $i : 0..2 {{ @v[$i] = max(retval); }} }}", "-c", f"{STORM} 10 1")
    assert {"@r[0]: 3", "@r[1]: 3", "@a: 3", "@v[0]: 10", "@v[1]: 10"} <= set(r.lines), r


@pytest.mark.parametrize("update,total", [("@ = count();", 1), ("@++;", 1), ("@ += 2;", 2), ("@ = sum(3);", 3)])
def test_plain_and_aggregated_counters_are_atomic(update, total):
    r = run_awl("-q", "-f", "ndjson", "-e", f"uprobe:{STORM}:hit {{ {update} }}", "-c", f"{STORM} 50000 4")
    maps = [x for x in map(json.loads, r.lines) if x["type"] == "map"]
    assert maps[0]["entries"] == [{"key": [], "value": 200000 * total}]


@pytest.mark.parametrize("step", ["print(@); clear(@);", "print(@); zero(@);"])
def test_printed_and_cleared_add_up(step):
    """Prints and clears in a flood: what is printed in all is what happened."""
    r = run_awl("-q", "-f", "ndjson", "-e", f"uprobe:{STORM}:hit {{ @[arg0 % 5] = count(); }} interval:ms:5 {{ {step} }}", "-c", f"{STORM} 100000 2")
    maps = [x for x in map(json.loads, r.lines) if x["type"] == "map"]
    assert len(maps) > 2 and sum(e["value"] for m in maps for e in m["entries"]) == 200000


def test_prints_are_not_lost_when_the_ring_is_full():
    """Each print of a flood that overruns the ring buffer is carried out, in the order of its numbers."""
    r = run_awl("-q", "-f", "ndjson", "-e", f"""config = {{ perf_rb_pages = 1 }}
        uprobe:{STORM}:hit {{ printf("%s", str(arg1, 200)); @n = count(); if (arg0 % 1000 == 0) {{ print(@n); }} }}""", "-c", f"{STORM} 20000 1")
    maps = [x for x in map(json.loads, r.lines) if x["type"] == "map"]
    values = [m["entries"][0]["value"] for m in maps]
    assert len(maps) == 21 and values == sorted(values) and values[-1] == 20000


def test_every_difference_has_an_example():
    text = (ROOT / "docs/differences.md").read_text()
    for word in ("Division, remainder and shifts", "right shift of a signed", "`@x++`", "?: b` evaluates `a` once", "exit()` ends the probe", "inside of `for`",
                 "compared as\nunsigned", "are never lost", "is one step", "precision of `%s`", "What an iterator prints"):
        assert word in text, word
