"""-f json: every record is one line that a JSON parser takes; type, shape and spacing are what scripts rely on."""
import json
import re

import pytest

from conftest import TARGETS, run_awl

STORM = str(TARGETS / "storm")


def rows(script, *args, quiet=True):
    r = run_awl(*(["-q"] if quiet else []), "-f", "json", "-e", script, *args)
    assert r.code == 0, r
    return r.lines


@pytest.mark.parametrize("body,line", [
    (r'printf("a\"b\\c\n");', r'{"type": "printf", "data": "a\"b\\c\n"}'),
    ('printf("%d %s", 5, "x");', '{"type": "printf", "data": "5 x"}'),
    ("print(5);", '{"type": "value", "data": 5}'),
    ("print(-5);", '{"type": "value", "data": -5}'),
    ('print("s");', '{"type": "value", "data": "s"}'),
    ("print(true);", '{"type": "value", "data": true}'),
    ('print((1, "x"));', '{"type": "value", "data": [1,"x"]}'),
    ('print((1, ("x", 2)));', '{"type": "value", "data": [1,["x",2]]}'),
    ("@ = 5;", '{"type": "map", "data": {"@": 5}}'),
    ('@x = "s";', '{"type": "map", "data": {"@x": "s"}}'),
    ("@b = true;", '{"type": "map", "data": {"@b": true}}'),
    ('@t = (1, "a");', '{"type": "map", "data": {"@t": [1,"a"]}}'),
    ("@c = count();", '{"type": "map", "data": {"@c": 1}}'),
    ("@k[1] = count();", '{"type": "map", "data": {"@k": {"1": 1}}}'),
    ('@k[1, "b"] = 2;', '{"type": "map", "data": {"@k": {"1,b": 2}}}'),
    ('@k["a\\"b"] = 2;', '{"type": "map", "data": {"@k": {"a\\"b": 2}}}'),
    ('@k["a", 2] = (1, 2);', '{"type": "map", "data": {"@k": {"a,2": [1,2]}}}'),
    ("@a = avg(3);", '{"type": "stats", "data": {"@a": 3}}'),
    ("@a[1] = avg(4);", '{"type": "stats", "data": {"@a": {"1": 4}}}'),
    ("@s = stats(3);", '{"type": "stats", "data": {"@s": {"count": 1, "average": 3, "total": 3}}}'),
    ('@s[2, "a"] = stats(1);', '{"type": "stats", "data": {"@s": {"2,a": {"count": 1, "average": 1, "total": 1}}}}'),
    ("@h = hist(1); @h = hist(5);", '{"type": "hist", "data": {"@h": [{"min": 1, "max": 1, "count": 1}, '
     '{"min": 2, "max": 3, "count": 0}, {"min": 4, "max": 7, "count": 1}]}}'),
    ("@h = hist(-1);", '{"type": "hist", "data": {"@h": [{"max": -1, "count": 1}]}}'),
    ('@h["a"] = hist(4); @h["b"] = hist(5);', '{"type": "hist", "data": {"@h": {"a": [{"min": 4, "max": 7, "count": 1}], '
     '"b": [{"min": 4, "max": 7, "count": 1}]}}}'),
    ("@l = lhist(5, 0, 100, 10); @l = lhist(15, 0, 100, 10);",
     '{"type": "hist", "data": {"@l": [{"min": 0, "max": 9, "count": 1}, {"min": 10, "max": 19, "count": 1}]}}'),
    ("@l = lhist(500, 0, 100, 10);", '{"type": "hist", "data": {"@l": [{"min": 100, "count": 1}]}}'),
])
def test_exact_line(body, line):
    assert rows("begin { " + body + " }") == [line]


def test_attached_probes_and_quiet():
    assert rows("begin { exit(); }", quiet=False) == ['{"type": "attached_probes", "count": 1, "data": {"probes": 1}}']
    assert rows("begin { exit(); }") == [""]


def test_every_type_of_record_parses(tmp_path):
    f = tmp_path / "f"
    f.write_text('line "one"\n\ttwo\x01\n')
    lines = rows(f'''begin {{ printf("x"); time("%H\\n"); print(1); cat("{f}"); system("echo hi"); errorf("bad %d", 3); warnf("so so");
        print((1, "a", (2, true))); print(strftime("%Y", nsecs)); print(kstack); print(buf("a\\x01b", 3)); print(ntop(0x0100007f));
        @h = hist(3); @l = lhist(3, 0, 10, 1); @st = stats(1); @a = avg(1); @mi = min(1); @ma = max(1); @su = sum(1); @c = count();
        @k[kstack, comm, 1] = 1; print(@h); }}''', "--unsafe")
    got = {}
    for line in lines:
        row = json.loads(line)
        got.setdefault(row["type"], []).append(row)
    assert {"printf", "time", "value", "cat", "errorf", "warnf", "map", "hist", "stats"} <= set(got), got.keys()
    assert got["cat"][0]["data"] == f.read_text()
    for kind in ("errorf", "warnf"):
        assert set(got[kind][0]) == {"type", "msg", "filename", "line", "col"} and got[kind][0]["line"] == 1
    assert got["errorf"][0]["msg"] == "bad 3"
    assert [1, "a", [2, True]] in [row["data"] for row in got["value"]]


def test_bytes_that_are_no_text_still_parse(tmp_path):
    lines = rows(r'begin { printf("\xff\xfe\x01\x7f"); @["\xff"] = 1; }')
    assert [json.loads(line)["type"] for line in lines] == ["printf", "map"]


def test_large_integers_keep_their_digits():
    lines = rows("begin { @a = (uint64)18446744073709551615; @b = 9007199254740993; @c = -9223372036854775807; }")
    data = {}
    for line in lines:
        data.update(json.loads(line)["data"])
    assert [str(data[k]) for k in ("@a", "@b", "@c")] == ["18446744073709551615", "9007199254740993", "-9223372036854775807"]


def test_output_of_a_live_run_parses_line_by_line():
    r = run_awl("-f", "json", "-e", f'uprobe:{STORM}:hit /arg0 < 50/ {{ printf("%d", arg0); @[arg0 % 3] = count(); }} interval:ms:1 {{ print(@); }}',
                "-c", f"{STORM} 1000 1")
    lines = [line for line in r.lines if line != "1000"]
    parsed = [json.loads(line) for line in lines]
    assert sum(row["type"] == "printf" for row in parsed) == 50
    assert parsed[-1] == {"type": "map", "data": {"@": {"0": 17, "1": 17, "2": 16}}}


def test_loss_is_a_record():
    r = run_awl("-q", "-f", "json", "-e", f'config = {{ perf_rb_pages = 1 }} uprobe:{STORM}:hit {{ printf("%s", str(arg1, 64)); @ = count(); }}',
                "-c", f"{STORM} 100000 2")
    parsed = [json.loads(line) for line in r.lines if line.startswith("{")]
    lost = [row for row in parsed if row["type"] == "lost_events"]
    assert all(re.fullmatch(r'\{"type": "lost_events", "count": \d+, "data": \{"events": \d+\}\}', line)
               for line in r.lines if "lost_events" in line)
    assert sum(row["type"] == "printf" for row in parsed) + sum(row["count"] for row in lost) == 200000


def test_diagnostics_in_json():
    r = run_awl("--json-diagnostics", "-e", "begin { print(pidd); $x = 1 + \"a\"; }")
    parsed = [json.loads(line) for line in r.err.splitlines()]
    assert r.code == 1 and [d["code"] for d in parsed] == ["E0201", "E0302"]
    assert parsed[0]["line"] == 1 and parsed[0]["column"] == 15 and parsed[0]["severity"] == "error"
