"""-f ndjson and -f json: every kind of record that a script can make, held against docs/output.schema.json and read by jq."""
import base64
import json
import shutil
import signal
import subprocess
import time

import pytest

from conftest import AWL, ROOT, TARGETS, run_awl

jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed: tests/install-deps test")

STORM = str(TARGETS / "storm")
SCHEMA = json.loads((ROOT / "docs/output.schema.json").read_text())


def validator(part):
    return jsonschema.Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{part}"})


VALID = {part: validator(part) for part in ("ndjson", "json", "frame")}


def check(lines, part):
    """Each line is one JSON object that the schema allows; jq reads all of them and finds the same."""
    records = []
    for line in lines:
        record = json.loads(line)
        errors = [e.message for e in VALID[part].iter_errors(record)]
        assert not errors, (line, errors)
        records.append(record)
    p = subprocess.run(["jq", "-r", ".type"], input="\n".join(lines), capture_output=True, text=True, timeout=60)
    assert p.returncode == 0 and p.stdout.splitlines() == [r["type"] for r in records], p.stderr
    return records


def ndjson(script, *args, code=0):
    r = run_awl("-f", "ndjson", "-e", script, *args)
    assert r.code == code, r
    records = check(r.lines, "ndjson")
    assert records[0] == {"type": "header", "format": "awl-ndjson", "version": 1, "awl": run_awl("-V").out.split()[1]}
    assert records[-1] == {"type": "exit", "code": code}
    return records[1:-1]


def body(script, *args):
    """What a begin block says; the program is quiet about attaching."""
    return ndjson("begin { " + script + " }", "-q", *args)


def only(script, *args):
    records = body(script, *args)
    assert len(records) == 1, records
    return records[0]


def entries(script, kind):
    record = only(script)
    assert record["type"] == "map" and record["kind"] == kind
    return record["entries"]


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_trials(form):
    r = run_awl("-f", form, "--test", "-e", 'test:good { print("quiet"); } test:bad { printf("seen\\n"); return 3; }')
    tests = [x for x in check(r.lines, form) if x["type"] == "test_result"]
    if form == "json":
        tests = [{"name": name, **verdict} for t in tests for name, verdict in t["data"].items()]
    good, bad = tests
    assert r.code == 1 and good["passed"] and good["name"] == "good" and "quiet" in json.loads(good["output"]).values(), r
    assert not bad["passed"] and bad.get("why", "returned 3") == "returned 3" and "seen\n" in json.loads(bad["output"]).values(), r


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_benches(form):
    r = run_awl("-f", form, "--bench", "-e", "bench:add { @ += 1; }")
    (b,) = [x for x in check(r.lines, form) if x["type"] == "benchmark_result"]
    assert b.get("runs") or b["data"]["add"]["iters"], r


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_failed_helpers(form):
    r = run_awl("-f", form, "-k", "-e", "begin { $x = *(uint64 *)8; exit(); }")
    (h,) = [x for x in check(r.lines, form) if x["type"] == "helper_error"]
    assert "probe_read" in h["helper"] and h["retcode"] < 0 and h["line"] == 1, r


# ---- the schema


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert jsonschema.validators.validator_for(SCHEMA) is jsonschema.Draft202012Validator


RIGHT = {"type": "map", "name": "@h", "kind": "hist", "entries": [{"key": [1], "value": [{"min": 1, "max": 1, "count": 2}]}]}


def entry(kind, value, **more):
    return {"type": "map", "name": "@", "kind": kind, "entries": [{"key": [], "value": value, **more}]}


@pytest.mark.parametrize("wrong", [
    [], 5, {}, {"type": "nonesuch"}, {"type": "printf"}, {"type": "printf", "text": 5}, {"type": "printf", "data": "x"},
    {"type": "printf", "text": "x", "extra": 1}, {"type": "printf", "text": {"$text": "x"}},
    {"type": "printf", "text": {"$text": "x", "$base64": "e"}}, {"type": "printf", "text": {"$text": "x", "$truncated": False}},
    {"type": "header", "format": "awl-ndjson", "version": 2, "awl": "0.1.0"}, {"type": "header", "version": 1, "awl": "0.1.0"},
    {"type": "value"}, {"type": "value", "value": {"$enum": "A"}}, {"type": "value", "value": {"$other": 1}},
    {"type": "value", "value": [{"$base64": "QQ=="}]},
    {**RIGHT, "name": "h"}, {**RIGHT, "kind": "histogram"}, {**RIGHT, "entries": {}}, {**RIGHT, "kind": "count"},
    {"type": "map", "name": "@", "kind": "count", "entries": [{"value": 1}]},
    {"type": "map", "name": "@", "kind": "count", "entries": [{"key": 1, "value": 1}]},
    entry("count", "x"), entry("count", 1.5), entry("count", 1 << 60), entry("count", "12"), entry("stats", 5),
    entry("stats", {"count": 1, "average": 1}), entry("hist", [{"min": 1, "max": 2}]), entry("hist", [{"count": 2}]), entry("hist", 5),
    entry("count", 1, percentiles={"p50": 1}), entry("hist", [], percentiles={"p0": 1}), entry("hist", [], percentiles={"p101": 1}),
    entry("hist", [], percentiles={}), entry("tseries", [{"start": "2026-01-31 12:00:00", "end": "2026-01-31 12:00:01", "value": 1}]),
    entry("tseries", [{"interval_start": "x", "value": 5}]),
    {"type": "errorf", "text": "x"}, {"type": "message", "level": "info", "text": "x"}, {"type": "lost", "cause": "ring_buffer"},
    {"type": "lost", "cause": "bad luck", "count": 1}, {"type": "lost", "cause": "map", "count": 1},
    {"type": "lost", "cause": "stack", "map": "@", "count": 1}, {"type": "exit", "code": -1}, {"type": "exit", "code": 256},
    {"type": "exit"}, {"type": "attached_probes", "count": -1},
], ids=json.dumps)
def test_schema_rejects(wrong):
    assert not VALID["ndjson"].is_valid(wrong)


@pytest.mark.parametrize("wrong", [
    {"type": "printf", "text": "x"}, {"type": "printf", "data": 5}, {"type": "map", "data": {"x": 5}}, {"type": "map", "data": {}},
    {"type": "map", "data": {"@a": 1, "@b": 2}}, {"type": "hist", "data": {"@h": 5}}, {"type": "hist", "data": {"@h": {"1": [{"min": 1}]}}},
    {"type": "stats", "data": {"@s": {"1": {"count": 1}}}}, {"type": "tseries", "data": {"@t": [{"value": 1}]}},
    {"type": "percentiles", "data": {"@h": {"p0": 1}}}, {"type": "attached_probes", "count": 1}, {"type": "lost_events", "count": 1, "data": {}},
    {"type": "errorf", "msg": "x"}, {"type": "header", "version": 1},
], ids=json.dumps)
def test_schema_of_json_rejects(wrong):
    assert not VALID["json"].is_valid(wrong)


def test_right_records_pass():
    assert VALID["ndjson"].is_valid(RIGHT)
    assert VALID["ndjson"].is_valid(entry("hist", [], percentiles={"p1": 1, "p100": None}))


# ---- text


@pytest.mark.parametrize("script,record", [
    (r'printf("a\"b\\c\n");', {"type": "printf", "text": 'a"b\\c\n'}),
    ('time("x%%y");', {"type": "time", "text": "x%y"}),
    ('system("echo hi");', {"type": "system", "text": "hi\n"}),
    ('errorf("bad %d", 3);', {"type": "errorf", "text": "bad 3", "file": "-e", "line": 1, "column": 9}),
    ('warnf("so so\\n");', {"type": "warnf", "text": "so so\n", "file": "-e", "line": 1, "column": 9}),
])
def test_text(script, record):
    assert only(script, "--unsafe") == record


def test_cat_and_join(tmp_path):
    f = tmp_path / "f"
    f.write_bytes(b'line "one"\n\x00\xff')
    record = only(f'cat("{f}");')
    assert record["type"] == "cat" and base64.b64decode(record["text"]["$base64"]) == f.read_bytes()
    records = ndjson(f"uprobe:{STORM}:main {{ join((char **)arg1); }}", "-q", "-c", f"{STORM} 10 1")
    assert [r for r in records if r["type"] == "join"] == [{"type": "join", "text": f"{STORM} 10 1\n"}]


@pytest.mark.parametrize("escaped,raw", [(r"\xff", b"\xff"), (r"a\xc3", b"a\xc3"), (r"\xed\xa0\x80", b"\xed\xa0\x80"), (r"\xc3\xa9\xfe", b"\xc3\xa9\xfe")])
def test_bytes_that_are_no_text_come_back(escaped, raw):
    text = only(f'printf("{escaped}");')["text"]
    assert base64.b64decode(text["$base64"]) == raw and text["$text"] == raw.decode(errors="replace")
    key = entries(f'@["{escaped}"] = 1;', "value")[0]["key"]
    assert base64.b64decode(key[0]["$base64"]) == raw


def test_control_bytes_are_text():
    assert only(r'printf("\x01\x1b[0m\x7f\xc2\x9b");')["text"] == "\x01\x1b[0m\x7f\x9b"


# ---- values


@pytest.mark.parametrize("expr,value", [
    ("5", 5), ("-5", -5), ("true", True), ('"s"', "s"), ('(1, "x", (2, true))', [1, "x", [2, True]]), ("()", []),
    ('(a=1, b="x")', {"a": 1, "b": "x"}), ("(uint8 *)16", "0x10"), ("(uint8 *)0xffffffff81000000", "0xffffffff81000000"),
    ("9007199254740992", 9007199254740992), ("9007199254740993", "9007199254740993"), ("-9007199254740993", "-9007199254740993"),
    ("(uint64)18446744073709551615", "18446744073709551615"), ('buf("a\\x01", 2)', {"$text": "a\u0001", "$base64": "YQE="}),
    ("PIDTYPE_TGID", {"$enum": "PIDTYPE_TGID", "$value": 1}), ("ntop(16777343)", "127.0.0.1"),
])
def test_value(expr, value):
    assert only(f"print({expr});") == {"type": "value", "value": value}


def test_struct_of_the_kernel():
    value = only("print(curtask.tasks);")["value"]
    assert set(value) == {"next", "prev"} and all(v.startswith("0x") for v in value.values())


def test_stacks_are_frames():
    frames = only("print(kstack);")["value"]
    assert len(frames) > 2 and all(VALID["frame"].is_valid(f) for f in frames)
    assert all(f["symbol"] and f["address"].startswith("0xffff") for f in frames)
    assert entries("@[kstack(2), 1] = 5;", "value")[0]["key"][0][0]["symbol"] == frames[0]["symbol"]
    records = ndjson(f"uprobe:{STORM}:hit {{ @[ustack] = count(); }}", "-q", "-c", f"{STORM} 10 1")
    key = [r for r in records if r["type"] == "map"][0]["entries"][0]["key"]
    assert key[0][0]["symbol"] == "hit" and key[0][0]["offset"] in (0, 4) and key[0][0]["module"] == STORM
    assert all(VALID["frame"].is_valid(f) for f in key[0])


# ---- maps


@pytest.mark.parametrize("script,kind,rows", [
    ("@ = 5;", "value", [{"key": [], "value": 5}]),
    ('@[1, "b"] = "x";', "value", [{"key": [1, "b"], "value": "x"}]),
    ('@[(1, "a"), 2] = (3, 4);', "value", [{"key": [[1, "a"], 2], "value": [3, 4]}]),
    ("@[true] = false;", "value", [{"key": [True], "value": False}]),
    ("@[2] = count(); @[2] = count(); @[1] = count();", "count", [{"key": [1], "value": 1}, {"key": [2], "value": 2}]),
    ("@ = sum(-5);", "sum", [{"key": [], "value": -5}]),
    ("@ = min(-5); @ = min(5);", "min", [{"key": [], "value": -5}]),
    ("@ = max(-5); @ = max(5);", "max", [{"key": [], "value": 5}]),
    ("@ = avg(2); @ = avg(4);", "avg", [{"key": [], "value": 3}]),
    ("@[1] = stats(2); @[1] = stats(4);", "stats", [{"key": [1], "value": {"count": 2, "average": 3, "total": 6}}]),
    ("@ = hist(1); @ = hist(5);", "hist", [{"key": [], "value": [{"min": 1, "max": 1, "count": 1}, {"min": 2, "max": 3, "count": 0},
                                                                {"min": 4, "max": 7, "count": 1}]}]),
    ("@ = hist(-1);", "hist", [{"key": [], "value": [{"max": -1, "count": 1}]}]),
    ("@ = hist((uint64)18446744073709551615);", "hist", [{"key": [], "value": [{"min": "9223372036854775808", "count": 1}]}]),
    ("@ = lhist(-1, 0, 20, 10); @ = lhist(500, 0, 20, 10);", "lhist",
     [{"key": [], "value": [{"max": -1, "count": 1}, {"min": 0, "max": 9, "count": 0}, {"min": 10, "max": 19, "count": 0},
                            {"min": 20, "count": 1}]}]),
])
def test_map(script, kind, rows):
    assert entries(script, kind) == rows


def test_time_series_has_bounds():
    points = entries('@ = tseries(5, 1s, 10, "sum"); @ = tseries(6, 1s, 10, "sum");', "tseries")[0]["value"]
    assert sum(p["value"] for p in points) == 11 and all(p["start"] < p["end"] for p in points)


def test_percentiles_are_the_entrys():
    rows = body("@h[1] = hist(5); @h[2] = lhist2; print(@h, p50, p99); clear(@h);".replace("@h[2] = lhist2; ", ""))[0]["entries"]
    assert rows == [{"key": [1], "value": [{"min": 4, "max": 7, "count": 1}], "percentiles": {"p50": 7, "p99": 7}}]
    rows = body("@l = lhist(50, 0, 10, 5); print(@l, p50); clear(@l);")[0]["entries"]
    assert rows[0]["percentiles"] == {"p50": None}


def test_options_of_print_count():
    rows = body("@[1] = 10; @[2] = 30; @[3] = 20; print(@, top=2, div=10, desc); clear(@);")[0]["entries"]
    assert rows == [{"key": [2], "value": 3}, {"key": [3], "value": 2}]


# ---- the run


def test_attached_probes_and_quiet():
    assert ndjson("begin { exit(); }") == [{"type": "attached_probes", "count": 1}]
    assert ndjson("begin { exit(); }", "-q") == []


def test_code_of_exit():
    assert ndjson("begin { exit(7); }", "-q", code=7) == []


def losses(records):
    return {r["cause"]: r for r in records if r["type"] == "lost"}


def test_losses_by_cause():
    records = ndjson("config = { max_map_keys = 2 } begin { @[1] = 1; @[2] = 1; @[3] = 1; @[4] = 1; }", "-q")
    assert losses(records) == {"map": {"type": "lost", "cause": "map", "map": "@", "count": 2}}
    records = ndjson("begin { @ = str((uint8 *)1); }", "-q")
    assert losses(records)["fault"]["count"] == 1
    records = ndjson(f'config = {{ perf_rb_pages = 1 }} uprobe:{STORM}:hit {{ printf("%s", str(arg1, 64)); @ = count(); }}',
                     "-q", "-c", f"{STORM} 100000 2")
    lost = losses(records).get("ring_buffer", {"count": 0})["count"]
    assert sum(r["type"] == "printf" for r in records) + lost == 200000


def test_messages_are_records_and_on_standard_error(tmp_path):
    r = run_awl("-q", "-f", "ndjson", "-e", f"iter:task:{tmp_path}/nonesuch {{ @ = count(); }} interval:ms:1 {{ exit(); }}")
    if r.code == 1:  # an iterator with a pin must be alone
        r = run_awl("-q", "-f", "ndjson", "-e", f"iter:task:{tmp_path}/nonesuch {{ @ = count(); }}")
    messages = [x for x in check(r.lines, "ndjson") if x["type"] == "message"]
    assert messages and messages[0]["level"] == "error" and "cannot pin" in messages[0]["text"]
    assert messages[0]["text"] in r.err


def test_run_that_cannot_attach_ends_in_an_error():
    r = run_awl("-f", "ndjson", "-e", "watchpoint:0xffffffffffff0000:8:x { @ = count(); } interval:ms:100 { exit(); }")
    if r.code == 0:
        pytest.skip("this processor watches that address")
    records = check([line for line in r.lines if line], "ndjson")
    assert [x["type"] for x in records] == ["header", "message"] and records[1]["level"] == "error"
    assert records[1]["text"].split(":")[0] in r.err


def test_output_of_an_iterator_is_in_the_file_and_in_the_format(tmp_path):
    script = 'iter:task { printf("%d\\n", ctx.task.pid); @ = count(); }'
    for form, part, text in (("ndjson", "ndjson", "text"), ("json", "json", "data")):
        out = tmp_path / form
        r = run_awl("-q", "-f", form, "-o", out, "-e", script)
        assert r.code == 0 and r.out == "", r
        records = check(out.read_text().splitlines(), part)
        printed = [x[text] for x in records if x["type"] == "printf"]
        assert len(printed) > 5 and all(int(x) > 0 for x in printed)
    out = tmp_path / "text"
    r = run_awl("-q", "-o", out, "-e", script)
    assert r.code == 0 and r.out == "" and "\n@: " in out.read_text() and int(out.read_text().split()[0]) > 0


def test_stream_to_the_end_of_a_stopped_run(tmp_path):
    out = tmp_path / "out"
    p = subprocess.Popen([AWL, "-f", "ndjson", "-o", out, "-e", "interval:ms:1 { @ = count(); }"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(1000):
            if "attached_probes" in (out.read_text() if out.exists() else ""):
                break
            time.sleep(0.01)
        p.send_signal(signal.SIGINT)
        assert p.wait(timeout=30) == 0
    finally:
        p.kill()
    records = check(out.read_text().splitlines(), "ndjson")
    assert records[0]["type"] == "header" and records[-1] == {"type": "exit", "code": 0}


def test_script_without_output_has_a_head_and_an_end():
    assert [r["type"] for r in check(run_awl("-f", "ndjson", "-e", "begin { exit(); }").lines, "ndjson")] == ["header", "attached_probes", "exit"]


# ---- -f json


EVERY = '''begin { printf("x\\xff"); time("%H\\n"); print(1); cat("{f}"); system("echo hi"); errorf("bad %d", 3); warnf("so");
    print((1, "a", (2, true))); print((a=1, b=(uint8 *)5)); print(kstack); print(buf("a\\x01b", 3)); print(ntop(16777343));
    @h = hist(3); @hk[1] = hist(3); @l = lhist(3, 0, 10, 1); @st = stats(1); @sk[1] = stats(1); @a = avg(1); @ak[1] = avg(1);
    @mi = min(1); @ma = max(1); @su = sum(1); @c = count(); @ck[1] = count(); @t = tseries(1, 1s, 3); @tk[1] = tseries(1, 1s, 3);
    @k[kstack, comm, 1] = 1; @u = (uint64)18446744073709551615; print(@h, p50); print(@hk, p50, p99); print(PIDTYPE_TGID); }'''


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_every_record_at_once(form, tmp_path):
    f = tmp_path / "f"
    f.write_text("text\n")
    r = run_awl("-f", form, "--unsafe", "-e", EVERY.replace("{f}", str(f)))
    assert r.code == 0, r
    kinds = {x["type"] for x in check(r.lines, form)}
    both = {"attached_probes", "printf", "time", "value", "cat", "errorf", "warnf", "map"}
    assert kinds == both | ({"syscall", "stats", "hist", "tseries", "percentiles"} if form == "json" else {"header", "system", "exit"})


def test_unknown_format_is_told():
    r = run_awl("-f", "xml", "-e", "begin { exit(); }")
    assert r.code == 1 and "ndjson" in r.err


def test_jq_is_there():
    assert shutil.which("jq"), "tests/install-deps test"
