"""Functions and statements that came later than the rest, on real data."""
import json
import re
import shutil
import socket
import struct
import subprocess

import pytest
from conftest import run_awl


def say(awl, body, *args, head="", **kw):
    """Runs `begin { body }` and returns its lines."""
    r = awl("-q", "-e", head + "begin { " + body + " }", *args, **kw)
    assert r.code == 0, r
    return [line for line in r.lines if line]


def refused(awl, script, *texts, args=()):
    r = awl(*args, "-q", "-e", script)
    assert r.code == 1, r
    for text in texts:
        assert text in r.err, r.err


# ---- strings

def test_str_concat(awl):
    assert say(awl, '$s = str_concat("ab", "cd"); print($s); print(strlen($s)); @["abcd"] = 1; @[$s] += 1; '
                    '@k[str_concat("", "")] = 1; print(str_concat(str_concat(comm, "!"), "?"));'
               ) == ["abcd", "4", "awl!?", "@[abcd]: 2", "@k[]: 1"]


def test_str_concat_of_a_string_that_fills_its_room(awl):
    assert say(awl, 'print(str_concat((string[3])"abcdef", "x")); print(str_concat("x", (string[3])"abcdef"));'
               ) == ["abcx", "xabc"]


def test_str_concat_grows_with_itself_up_to_max_strlen(awl):
    assert say(awl, '@s = "x"; for $i : 0..10 { @s = str_concat(@s, "yz"); } print(strlen(@s)); clear(@s);') == ["21"]
    assert say(awl, '$s = str_concat("0123456", "789"); print($s); print(strcap($s));',
               head="config = { max_strlen = 8 } ") == ["0123456" + "7" + "..", "8"]


def test_str_concat_needs_strings(awl):
    refused(awl, "begin { print(str_concat(1, comm)); }", "str_concat()", "string")


# ---- what is known when compiling

def test_container_of_is_the_struct_around_a_member(awl):
    assert say(awl, '$t = curtask; $m = (uint64)$t + offsetof(struct task_struct, tasks.next); '
                    '$c = container_of($m, struct task_struct, tasks.next); '
                    'print(($c.comm, $c.pid == pid, (uint64)$c == (uint64)$t));') == ["(awl, true, true)"]


def test_container_of_in_user_memory_of_the_script_s_own_struct(awl):
    assert say(awl, '$p = (struct in *)100; $o = container_of($p, struct out, b); printf("%d\\n", (uint64)$o);',
               head="struct in { int x; }; struct out { long a; struct in b; }; ") == ["92"]


def test_container_of_tells_what_is_missing(awl):
    refused(awl, "begin { print(container_of(curtask, struct task_struct, commm)); }", "has no field commm")
    refused(awl, 'begin { print(container_of("a", struct task_struct, comm)); }', "needs a pointer")
    refused(awl, "begin { print(container_of(curtask)); }", "the type around the member")


def test_container_of_is_formatted(awl):
    r = awl("--fmt", "-e", "begin { $x=container_of( $p,struct task_struct,tasks.next ); }")
    assert "container_of($p, struct task_struct, tasks.next)" in r.out


def test_config_is_a_record_of_settings(awl):
    assert say(awl, 'print(config.max_strlen); print(config().stack_mode); print(config.print_maps_on_exit);',
               head="config = { max_strlen = 70; stack_mode = perf } ") == ["70", "perf", "true"]
    refused(awl, "begin { print(config.max_strle); }", "max_strle")


def test_assert_str(awl):
    macro = "macro loud(s) { assert_str(s); str_concat(s, \"!\") } "
    assert say(awl, 'print(loud("a"));', head=macro) == ["a!"]
    refused(awl, macro + "begin { print(loud(5)); }", "needs a string")


def test_a_misspelt_struct_is_told(awl):
    refused(awl, "begin { print(((struct task_strct *)0).pid); }", "did you mean `struct task_struct`?")


def test_one_histogram_of_signed_and_unsigned_numbers(awl):
    out = "\n".join(say(awl, "@ = hist(-1); @ = hist((uint64)1); @l = lhist(-1, -2, 2, 1); @l = lhist((uint64)1, -2, 2, 1);"))
    for line in ("(..., 0)               1 |", "[1]                    1 |", "[-1, 0)                1 |", "[1, 2)                 1 |"):
        assert line in out


# ---- packets

def read_pcap(path):
    """(link type, [(seconds, bytes, length on the wire)])"""
    data = path.read_bytes()
    magic, major, minor, _, _, longest, link = struct.unpack("=IHHiIII", data[:24])
    assert (magic, major, minor) == (0xa1b23c4d, 2, 4)
    packets, at = [], 24
    while at < len(data):
        s, ns, captured, wire = struct.unpack("=IIII", data[at:at + 16])
        assert ns < 10 ** 9 and captured <= wire and captured <= longest
        packets.append((s + ns / 1e9, data[at + 16:at + 16 + captured], wire))
        at += 16 + captured
    assert at == len(data)
    return link, packets


def send(port, n):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for i in range(n):
            s.sendto(b"packet %d of awl's test" % i, ("127.0.0.1", port))


def capture(trace, script, port, n):
    with trace("-e", script) as t:
        t.wait_attached()
        send(port, n)
        t.finish()
    return t


def of_port(packets, port):
    """UDP packets that begin with the header of IPv4."""
    return [p for p in packets if p[1][:1] == b"\x45" and p[1][9] == 17 and p[1][22:24] == struct.pack("!H", port)]


def test_skboutput_of_sent_packets_is_ethernet(trace, tmp_path):
    path = tmp_path / "sent.pcap"
    capture(trace, f'rawtracepoint:net_dev_queue {{ $r = skboutput("{path}", args.skb, 128, 0); }}', 47711, 5)
    link, packets = read_pcap(path)
    mine = of_port([(t, p[14:], wire) for t, p, wire in packets if p[12:14] == b"\x08\x00"], 47711)
    assert link == 1
    assert [p[1][28:] for p in mine] == [b"packet %d of awl's test" % i for i in range(5)]
    assert [p[2] for p in mine] == [14 + 28 + 22] * 5


def test_skboutput_without_the_link_layer_begins_with_ip(trace, tmp_path):
    path = tmp_path / "raw.pcap"
    capture(trace, f'rawtracepoint:net_dev_queue {{ skboutput("{path}", args.skb, args.skb.len, 14); }}', 47712, 3)
    link, packets = read_pcap(path)
    assert link == 101
    assert [p[1][28:] for p in of_port(packets, 47712)] == [b"packet %d of awl's test" % i for i in range(3)]


def test_skboutput_of_received_packets_is_cut_to_its_length(trace, tmp_path):
    path = tmp_path / "got.pcap"
    capture(trace, f'rawtracepoint:netif_receive_skb {{ skboutput("{path}", args.skb, 32, 0); }}', 47713, 2)
    link, packets = read_pcap(path)
    mine = of_port(packets, 47713)
    assert link == 101 and [p[1][28:] for p in mine] == [b"pack"] * 2 and mine[0][2] == 28 + 22


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed")
def test_tcpdump_reads_what_skboutput_writes(trace, tmp_path):
    path = tmp_path / "sent.pcap"
    capture(trace, f'rawtracepoint:net_dev_queue {{ skboutput("{path}", args.skb, 128, 0); }}', 47714, 4)
    out = subprocess.run(["tcpdump", "-nr", path, "udp port 47714"], capture_output=True, text=True, check=True).stdout
    assert len(out.splitlines()) == 4 and "> 127.0.0.1.47714: UDP, length 22" in out


def test_a_capture_file_without_packets_is_one(awl, tmp_path):
    path = tmp_path / "none.pcap"
    r = awl("-e", f'begin {{ exit(); }} rawtracepoint:net_dev_queue {{ skboutput("{path}", args.skb, 128, 0); }}')
    assert r.code == 0 and read_pcap(path) == (101, [])


def test_skboutput_says_what_is_wrong(awl):
    refused(awl, 'rawtracepoint:net_dev_queue { skboutput("x", 5, 1, 0); }', "struct sk_buff *")
    refused(awl, 'rawtracepoint:net_dev_queue { skboutput("x", args.skb, 1, -1); }', "offset from 0")
    refused(awl, 'tracepoint:net:net_dev_queue { skboutput("x", (struct sk_buff *)args.skbaddr, 1, 0); }',
            "not possible in a tracepoint probe")
    r = awl("-e", 'rawtracepoint:net_dev_queue { skboutput("/nowhere/x.pcap", args.skb, 1, 0); }')
    assert r.code == 255 and "/nowhere/x.pcap" in r.err


# ---- test: and bench:

TRIALS = '''macro twice(x) { x * 2 }
test:good { assert(twice(4) == 8, "twice"); printf("not shown\\n"); }
test:wrong { printf("shown %d\\n", 5); assert(twice(4) == 9, "nine"); printf("never\\n"); }
test:returns { return 3; }
test:leaves { exit(0); }
test:exits { exit(2); }
test:complains { errorf("bad %d", 3); }
begin { printf("begin has run\\n"); }
bench:count { @ = count(); }
bench:nothing { printf("not shown\\n"); }
'''


def trial_results(r, kind):
    records = [json.loads(line) for line in r.out.splitlines()]
    assert all(x["type"] == kind for x in records), r.out
    return [(name, v) for x in records for name, v in x["data"].items()]


def test_the_option_test_runs_the_tests_alone(awl, tmp_path):
    path = tmp_path / "t.bt"
    path.write_text(TRIALS)
    r = awl("--test", str(path))
    said = [re.sub(r" \([0-9.]+ us\)", "", line) for line in r.out.splitlines()]
    assert r.code == 1 and said == [
        "ok    good", "FAIL  wrong: reported an error", "      shown 5", f"      {path}:3:39: assertion failed: nine",
        "FAIL  returns: returned 3", "ok    leaves", "FAIL  exits: left with exit(2)",
        "FAIL  complains: reported an error", f"      {path}:7:18: bad 3", "6 tests: 2 passed, 4 failed"]


def test_results_of_tests_as_json(awl):
    got = trial_results(awl("--mode", "test", "-f", "json", "-e", TRIALS), "test_result")
    assert [(name, v["passed"]) for name, v in got] == [
        ("good", True), ("wrong", False), ("returns", False), ("leaves", True), ("exits", False), ("complains", False)]
    assert all(v["duration"] > 0 for _, v in got) and "shown 5" in got[1][1]["output"]
    assert awl("--test", "-e", "test:a { return 0; } test:b { }").code == 0


def test_the_option_bench_measures(awl):
    r = awl("--bench", "-f", "json", "-e", TRIALS)
    got = trial_results(r, "benchmark_result")
    assert r.code == 0 and [name for name, _ in got] == ["count", "nothing"]
    assert all(v["iters"] >= 1000 and v["average"] >= 0 for _, v in got)
    text = awl("--bench", "-e", TRIALS).out.splitlines()
    assert len(text) == 2 and re.fullmatch(r"count +[0-9.]+ ns  \([0-9]+ runs\)", text[0])


def test_tests_are_left_out_of_a_usual_run(awl):
    r = awl("-q", "-e", TRIALS)
    assert r.code == 0 and r.out.split() == ["begin", "has", "run"]
    refused(awl, "test:a { }", "run it with --test")
    refused(awl, "bench:a { }", "run it with --bench")
    refused(awl, "begin { }", "run it without --test", args=("--test",))
    refused(awl, "test:a { } test:a { }", "two probes test:a", args=("--test",))
    refused(awl, "test:a { print($x); nonsense(); }", "nonsense", args=("--test",))


# ---- functions and imports

SIX = "fn six($a: int64, $b: int8, $c: uint64, $d: int64, $e: int64, $f: uint8) : int64 " \
      "{ return $a * 100000 + $b * 10000 + $c * 1000 + $d * 100 + $e * 10 + $f; } "


def test_functions_take_up_to_sixteen_parameters(awl):
    assert say(awl, "print(six(1, 2, 3, 4, 5, 6)); $x = 5; print(six($x, -1, 0, $x, 0, 300 - 291));", head=SIX) == [
        "123456", "490509"]
    names = [f"$p{i}" for i in range(16)]
    head = "fn all(" + ", ".join(f"{n}: int64" for n in names) + ") : int64 { return " + \
        " + ".join(f"{n} * {i + 1}" for i, n in enumerate(names)) + "; } "
    assert say(awl, f"print(all({', '.join(map(str, range(16)))}));", head=head) == [
        str(sum(i * (i + 1) for i in range(16)))]
    refused(awl, head.replace("fn all(", "fn all($q: int8, ") + "begin { }", "at most 16 parameters")


def test_many_parameters_of_calls_inside_calls_and_loops(awl):
    assert say(awl, '''print(six(0, 0, 0, 0, 0, six(0, 0, 0, 0, six(0, 0, 0, 0, 0, 3), 4)));
        @m[1] = 2; @m[2] = 4; for ($kv : @m) { $sum = six(0, 0, 0, 0, $kv.0, $kv.1); @s += $sum; }
        print(@s); print(outer(7)); clear(@m); clear(@s);''', head=SIX + '''
        fn outer($x: int64) : int64 { for ($kv : @m) { @t += six(0, 0, 0, $x, $kv.0, $kv.1); } return @t; } ''') == [
        "34", "@s: 36", "1436", "@t: 1436"]


def test_a_function_that_nobody_calls_is_checked(awl):
    refused(awl, 'fn f($a: int64) : int64 { return $a + "x"; } begin { }', 'fn f', '"x"')
    refused(awl, "fn g() : int64 { return nothing(); } fn f() : int64 { return g(); } begin { }", "nothing()")
    assert say(awl, "print(1);", head="fn g() : int64 { return 1; } fn f() : int64 { return g(); } "
                                      "fn h() : uint64 { return arg0; } ") == ["1"]


def test_import_inside_of_a_block(awl, tmp_path):
    (tmp_path / "lib.bt").write_text("macro seven() { 7 }\nfn eight() : int64 { return 8; }\n")
    (tmp_path / "more.bt").write_text("macro nine() { import \"lib.bt\"; seven() + 2 }\n")
    script = tmp_path / "s.bt"
    script.write_text('begin { import "lib.bt"; if (1) { import "more.bt"; print((seven(), eight(), nine())); } }\n')
    assert awl("-q", str(script)).lines[0] == "(7, 8, 9)"
    script.write_text('begin { import "none.bt"; }\n')
    r = awl("-q", str(script))
    assert r.code == 1 and "none.bt" in r.err and "s.bt:1:9" in r.err
    r = awl("--fmt", str(script))
    assert r.out == 'begin {\n\timport "none.bt";\n}\n'


# ---- kernel functions

def kfunc(name, where="interval:ms:10", *args):
    r = run_awl(*args, "-q", "-e", where + " { print(kfunc_allowed(\"%s\")); exit(); }" % name)
    return r.code == 0 and r.lines[0] == "true"


@pytest.mark.skipif(not kfunc("bpf_task_release", "rawtracepoint:sched_process_exec /args.bprm/", "-c", "/bin/true"), reason="no such kernel functions")
def test_kernel_functions_by_name(awl):
    r = awl("-q", "-c", "/bin/true", "-e", '''rawtracepoint:sched_process_exec /args.bprm/ {
        $t = bpf_task_from_pid(args.p.pid);
        if ($t) { printf("%s %d\\n", $t.comm, $t.pid == args.p.pid); bpf_task_release($t); } exit(); }''')
    assert r.code == 0 and r.lines[0] == "true 1", r


@pytest.mark.skipif(not kfunc("bpf_send_signal_task"), reason="no such kernel function")
def test_kernel_functions_that_change_the_system(awl):
    send = "interval:ms:10 { $t = bpf_task_from_pid(1); if ($t) { bpf_send_signal_task($t, 0, 0, 0); bpf_task_release($t); } }"
    refused(awl, send, "bpf_send_signal_task() may change the system", "--unsafe")
    assert awl("--unsafe", "-d", "bpf", "-e", send).code == 0


def test_kernel_functions_are_checked(awl):
    probe = "interval:ms:10 { "
    if kfunc("bpf_task_from_pid"):
        refused(awl, probe + "$t = bpf_task_from_pid(1, 2); }", "takes 1 argument, 2 given")
        refused(awl, probe + '$t = bpf_task_from_pid("x"); }', "is int32, this is string[2]")
    refused(awl, probe + "vfs_read(0, 0, 0, 0); }", "lets no interval probe call its function vfs_read()")
    refused(awl, probe + "no_such_function(); }", "there is no function no_such_function()")


# ---- the command line

def test_the_script_s_page_of_help(awl):
    script = 'begin { if (getopt("all")) { exit(); } print(getopt("limit", 10, "entries to show")); }'
    r = awl("-e", script, "--", "--help")
    assert r.code == 0 and r.out.splitlines() == [
        "Usage: awl -e [parameters] [-- NAMED …]", "", "Named parameters:", "  --all", "  --limit=NUMBER (10): entries to show"]
    r = awl("-q", "-e", 'begin { print(getopt("help", false, "more")); }', "--", "--help")
    assert r.lines[0] == "true"


def test_a_command_runs_also_when_a_script_has_nothing_but_begin(awl, tmp_path):
    r = awl("-q", "-e", 'begin { printf("begin\\n"); } end { printf("end\\n"); }', "-c", f"touch {tmp_path}/ran")
    assert r.code == 0 and r.out.split() == ["begin", "end"] and (tmp_path / "ran").exists()
    r = awl("-q", "-e", 'begin { exit(); }', "-c", f"touch {tmp_path}/not")
    assert r.code == 0 and not (tmp_path / "not").exists()


def test_constants_of_more_headers(awl):
    assert say(awl, 'printf("%x %d %d %d\\n", SECCOMP_RET_ALLOW, NETLINK_KOBJECT_UEVENT, ICMP_ECHO, POLLIN);') == [
        "7fff0000 15 8 1"]


# ---- -k

FAILING = '''begin { $p = (uint64 *)8; $x = *$p; $s = str(8); $y = @m[1]; @m[2] = $x + $y; print((buf(8, 2), $s));
    for ($kv : @m) { $z = *$p; @n = $z; } clear(@m); clear(@n); }'''


def test_warnings_of_failing_helpers_name_the_place(awl):
    r = awl("-k", "-q", "-e", FAILING)
    said = re.findall(r"warning: -e:(\d+):(\d+): (.*)\nAdditional Info - helper: (\w+), retcode: (-?\d+)", r.err)
    assert r.code == 0 and [(int(line), int(col), helper, code == "0") for line, col, _, helper, code in said] == [
        (1, 27, "probe_read_kernel", False), (1, 42, "probe_read_kernel_str", False), (1, 55, "map_lookup_elem", True),
        (1, 86, "probe_read_kernel", False), (2, 22, "probe_read_kernel", False)], r.err
    assert "the map has no such key" in r.err
    assert "Additional Info" not in awl("-q", "-e", FAILING).err


def test_warnings_of_failing_helpers_as_json(awl):
    r = awl("-k", "-q", "-f", "json", "-e", FAILING)
    got = [x for x in map(json.loads, r.out.splitlines()) if x["type"] == "helper_error"]
    assert len(got) == 5 and set(got[0]) == {"type", "msg", "helper", "retcode", "filename", "line", "col"}
    assert got[0]["helper"] == "probe_read_kernel" and got[0]["retcode"] < 0 and got[0]["col"] == 27


# ---- probes

def test_software_events_have_registers(awl):
    r = awl("-q", "-e", 'software:cpu-clock:100000 { printf("%d %d\\n", reg("ip") != 0, usermode <= 1); exit(); }')
    assert r.code == 0 and r.lines[0] == "1 1"
    r = awl("--dry-run", "-q", "-e", 'watchpoint:0x1000:8:rw { printf("%x %d %d\\n", reg("ip"), usermode, ctx != 0); }')
    assert r.code == 0, r
