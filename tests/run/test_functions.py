"""Functions beyond the everyday ones, seen from the outside."""
import json
import pathlib
import subprocess
import threading
import time

import pytest


def say(awl, body, *args, **kw):
    """Runs `begin { body }` and returns its lines."""
    r = awl(*args, "-q", "-e", "begin { " + body + " }", **kw)
    assert r.code == 0, r
    return r.lines


# ---- maps

def test_find_sets_the_variable_only_when_the_key_is_there(awl):
    assert say(awl, '''@[1] = 5; @s["a", 2] = "xyz"; @c[3] = count(); @c[3] = count();
        if (find(@, 1, $x)) { print($x); }
        if (!find(@, 2, $x)) { print(("no", $x)); }
        print(find(@s, ("a", 2), $s)); print($s);
        if (find(@c, 3, $n)) { print($n); }
        clear(@); clear(@s); clear(@c);''') == ["5", "(no, 5)", "true", "xyz", "2"]


def test_find_needs_a_variable(awl):
    r = awl("-e", "begin { @[1] = 1; find(@, 1, 5); }")
    assert r.code == 1 and "must be a variable" in r.err and "bool find(" in r.err


# ---- for those who write scripts

def test_fail_counts_only_where_it_is_reached(awl):
    assert say(awl, 'if (sizeof(pid) > 8) { fail("too large"); } print(1);') == ["1"]
    assert say(awl, 'if (sizeof(pid) == 4) { print(2); } else { fail("odd"); }') == ["2"]
    r = awl("-e", 'macro small(x) { if (sizeof(x) > 2) { fail("%d bytes are too many for %s", sizeof(x), "it"); } x }'
            ' begin { print(small(pid)); }')
    assert r.code == 1 and "4 bytes are too many for it" in r.err and "-e:1:" in r.err


def test_debugf_writes_to_the_kernels_log(awl):
    pipe = pathlib.Path("/sys/kernel/tracing/trace_pipe")
    if not pipe.exists():
        pytest.skip("tracefs is not mounted")
    mark = f"awl-test-{time.time_ns()}"
    cat = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    found = threading.Event()
    text = []

    def read():
        for line in cat.stdout:
            if mark.encode() in line:
                text.append(line.decode())
                found.set()
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        time.sleep(0.3)
        assert say(awl, f'debugf("{mark} %s %d %4x 100%%", comm, -1, 255);') == [""]
        if not found.wait(5):
            pytest.skip("another reader takes the trace log")
    finally:
        cat.kill()
        cat.wait()
        reader.join()
    assert text[0].rstrip().endswith(f"{mark} awl -1   ff 100%")


def test_debugf_says_what_it_cannot_print(awl):
    r = awl("-e", 'begin { debugf("%.3s", comm); }')
    assert r.code == 1 and "debugf() knows" in r.err
    r = awl("-e", 'begin { debugf("%s", kstack); }')
    assert r.code == 1 and "numbers and strings" in r.err


# ---- beyond the event

@pytest.mark.needs("ITER")
def test_path_names_open_files(awl, tmp_path):
    held = tmp_path / "a-file-that-is-open"
    with open(held, "w"):
        r = awl("-q", "-e", 'iter:task_file { printf("%s\\n", path(ctx.file.f_path)); }')
        assert r.code == 0 and any(line.endswith("/a-file-that-is-open") for line in r.lines), r
    r = awl("-e", "begin { path(1); }")
    assert r.code == 1 and "path() is not possible in a begin probe" in r.err and "iter" in r.err


@pytest.mark.needs("TP_BTF")
def test_socket_cookie_tells_sockets_apart(trace):
    import socket
    with trace("-e", 'rawtracepoint:inet_sock_set_state { @[socket_cookie(args.sk)] = count(); }') as t:
        for _ in range(3):
            server = socket.create_server(("127.0.0.1", 0))
            client = socket.create_connection(server.getsockname())
            client.close()
            server.close()
        r = t.finish()
    assert len([line for line in r.lines if line.startswith("@[")]) >= 3, r


def test_socket_cookie_wants_the_pointer_itself(awl):
    r = awl("-e", 'rawtracepoint:inet_sock_set_state { print(socket_cookie((struct sock *)(uint64)args.sk)); }')
    assert r.code == 1 and "without variable or cast" in r.err
    r = awl("-e", 'begin { print(socket_cookie(curtask)); }')
    assert r.code == 1 and "struct sock" in r.err


def test_comm_of_another_process(awl):
    r = awl("-q", "-e", 'interval:ms:1 { if (tid(init) == 0 || comm == comm(tid(init))) { print("same"); } print(comm(4194303)); exit(); }')
    assert r.lines[0] == "same", r  # thread 0, an idle processor's, has no number to be found by
    r = awl("-e", "begin { print(comm(1)); }")
    assert r.code == 1 and "comm(pid) is not possible in a begin probe" in r.err
    r = awl("-q", "-e", 'tracepoint:syscalls:sys_enter_nanosleep,tracepoint:syscalls:sys_enter_clock_nanosleep'
            ' /comm == "sleep"/ { print(comm(tid(init))); exit(); }', "-c", "sleep 0.1")
    assert r.lines[0] == "sleep", r


def test_percpu_kaddr(awl):
    has = any(line.split()[2] == "__per_cpu_offset" for line in open("/proc/kallsyms") if len(line.split()) > 2)
    r = awl("-q", "-e", 'begin { printf("%d\\n", percpu_kaddr("runqueues", 0) != 0); print(percpu_kaddr("runqueues", 99999)); }')
    if has:
        assert r.lines[:2] == ["1", "0"], r
    else:
        assert r.code == 1 and "CONFIG_KALLSYMS_ALL" in r.err


@pytest.mark.needs("WRITE_USER")
def test_write_user_changes_the_target(awl, target):
    p = subprocess.Popen([target("calls"), "3", "go"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    address = p.stdout.readline().split()[3]
    t = subprocess.Popen([__import__("conftest").AWL, "--unsafe", "-e", 'uprobe:%s:outer { write_user(%s, (uint16)0x4241); '
                          'printf("%%s\\n", str(uptr(%s), 2)); write_user(%s, "xyz", 2); printf("%%s\\n", str(uptr(%s), 2)); exit(); }'
                          % (target("calls"), address, address, address, address)],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in t.stderr:
        if line.startswith("Attached"):
            break
    out, _ = p.communicate("go\n", timeout=20)
    assert t.communicate(timeout=20)[0].split("\n")[:2] == ["AB", "xy"]
    assert "done" in out


def test_what_changes_the_system_needs_leave_and_a_kernel_that_allows_it(awl, target):
    r = awl("-e", "uprobe:%s:outer { write_user(arg1, 1); }" % target("calls"))
    assert r.code == 1 and "--unsafe" in r.err
    if "WRITE_USER" not in __import__("conftest").features():
        r = awl("--unsafe", "-e", "uprobe:%s:outer { write_user(arg1, 1); }" % target("calls"))
        assert r.code == 1 and "E0701" in r.err and "bpf_probe_write_user" in r.err


# ---- begin and end programs

@pytest.mark.needs("MAY_GOTO")
def test_what_begin_prints_is_taken_while_it_runs(awl):
    # What the ring buffer has room for is far less; what is lost nevertheless is counted. The kernel does not let go of
    # the CPU meanwhile: on a busy machine the reader may not get another one at once.
    import re
    n = 2000000
    for probe in ("begin", "end"):
        for _ in range(20):
            r = awl("-q", "-e", 'config = { perf_rb_pages = 16 } %s { for $i : 0..%d { printf("line %%d\\n", $i); } }' % (probe, n))
            printed = sum(line.startswith("line ") for line in r.lines)
            lost = re.search(r"Lost (\d+) event", r.err)
            assert printed + int(lost.group(1) if lost else 0) == n, r.err
            if printed > 3000:  # 64 KiB hold 2730
                break
        assert printed > 3000, (probe, printed)


# ---- printing and clearing

def totals(out, name):
    import re
    return sum(int(n) for n in re.findall(r"^@%s(?:\[[^]]*\])?: (\d+)$" % name, out, re.M))


def test_nothing_is_lost_between_print_and_clear(awl, target):
    calls = 400000
    storm = target("storm")
    r = awl("-q", "-e", """uprobe:%s:hit { @n = count(); @k[arg0 %% 100] = count(); @s = sum(2); @h = hist(arg0 %% 7); @all = count(); }
        interval:ms:20 { print(@n); clear(@n); print(@k); clear(@k); print(@s); print(@h); clear(@s); zero(@h); }""" % storm,
            "-c", f"{storm} {calls} 2")
    all_ = totals(r.out, "all")
    assert all_ >= calls and r.err == "", r.err
    assert totals(r.out, "n") == all_
    assert totals(r.out, "k") == all_
    assert totals(r.out, "s") == 2 * all_
    import re
    assert sum(int(n) for n in re.findall(r"^\[.*[\])] +(\d+) \|", r.out, re.M)) == all_


def test_clear_makes_room_in_a_full_map(awl, target):
    storm = target("storm")
    r = awl("-q", "-e", """config = { max_map_keys = 256 } uprobe:%s:hit /@turn < 40/ { @k[@turn * 40 + arg0 %% 40] = count(); @all = count(); }
        interval:ms:20 { print(@k); clear(@k); @turn++; }""" % storm, "-c", f"{storm} 400000 2")
    assert totals(r.out, "all") > 0 and "Lost" not in r.err, r.err
    keys = {line.split("[")[1].split("]")[0] for line in r.lines if line.startswith("@k[")}
    assert len(keys) > 256  # more than the map has room for at a time


def test_cleared_maps_read_by_programs_are_empty(awl):
    r = awl("-q", "-e", """interval:ms:5 { @t++; if (@t == 1) { @c[1] = count(); clear(@c); }
        if (@t == 4) { printf("%d %d\\n", len(@c), has_key(@c, 1)); exit(); } }""")
    assert r.lines[0] == "0 0", r


def test_what_is_nothing_but_there_is_printed(awl):
    r = awl("-q", "-e", """begin { @a = sum(0); @k[1] = sum(0); @z = count(); zero(@z); @m = min(5); zero(@m); @g = count(); clear(@g);
        @st = stats(4); zero(@st); @kz["a"] = count(); @kz["b"] = count(); zero(@kz); @kc[1] = count(); clear(@kc); }""")
    assert [line for line in r.lines if line] == [
        "@a: 0", "@k[1]: 0", "@kz[a]: 0", "@kz[b]: 0", "@m: 0", "@st: { .count = 0, .average = 0, .total = 0 }", "@z: 0"]


# ---- values that get their text when they are printed

def test_views_compare_with_text(awl):
    assert say(awl, '''print(strerror(2) == "No such file or directory"); print("SIGKILL" != signal_name(9));
        print(username == "root"); print(probe == "begin"); print(probe != "begin"); $e = 13; print(strerror($e) == "Permission denied");''') == \
        ["true", "false", "true", "true", "false", "true"]
    r = awl("-q", "-e", '''tracepoint:raw_syscalls:sys_enter /comm == "cat" && syscall_name(args.id) == "openat"/
        { @[syscall_name(args.id)] = count(); }''', "-c", "cat /dev/null")
    assert [line.split(":")[0] for line in r.lines if line] == ["@[openat]"], r


def test_probe_compares_in_a_program_of_several_probes(awl):
    r = awl("-q", "-e", '''tracepoint:syscalls:sys_enter_read,tracepoint:syscalls:sys_enter_openat /comm == "cat"/ {
        if (probe == "tracepoint:syscalls:sys_enter_read") { @[probe] = count(); } else { @other = count(); } }''', "-c", "cat /dev/null")
    assert [line.split(":")[0] for line in r.lines if line] == ["@[tracepoint", "@other"], r


def test_texts_that_cannot_be(awl):
    r = awl("-q", "-e", 'begin { print(strerror(2) == "nonsense"); }')
    assert r.lines[0] == "false" and "W0010" in r.err and "always false" in r.err
    r = awl("-e", 'begin { print(ksym(2) == "vfs_read"); }')
    assert r.code == 1 and "ksym_t cannot be compared with text" in r.err and "= help:" in r.err


def test_questions_about_the_kernel(awl):
    assert say(awl, 'print(is_err(0)); print(is_err((uint64)-22)); print(kfunc_exist("bpf_task_from_pid")); print(kfunc_exist("no_such")); '
               'print(kfunc_allowed("vfs_read"));') == ["false", "true", "true", "false", "false"]


# ---- options of print

def test_print_sorts_and_cuts_as_told(awl):
    fill = '@[1,"z"] = 5; @[2,"a"] = 9; @[3,"m"] = 7; '
    assert say(awl, fill + 'print(@, top=2); clear(@);')[:2] == ["@[3, m]: 7", "@[2, a]: 9"]
    assert say(awl, fill + 'print(@, by=key[1]); clear(@);')[:3] == ["@[2, a]: 9", "@[3, m]: 7", "@[1, z]: 5"]
    assert say(awl, fill + 'print(@, by=key, desc=true); clear(@);')[:3] == ["@[3, m]: 7", "@[2, a]: 9", "@[1, z]: 5"]
    assert say(awl, fill + 'print(@, top=1, desc=true, by=value, div=2); clear(@);') == ["@[2, a]: 4"]


def test_print_gives_percentiles(awl):
    import json
    r = awl("-q", "-e", "begin { for $i : 1..101 { @h = lhist($i, 0, 200, 1); } @k[1] = hist(5); @k[1] = hist(700); "
            "print(@h, percentiles=(1, 50, 99, 100)); print(@k, percentiles=50); clear(@h); clear(@k); }")
    assert "p1 <= 1, p50 <= 50, p99 <= 99, p100 <= 100" in r.lines and "p50 <= 7" in r.lines, r
    r = awl("-q", "-f", "json", "-e", "begin { @k[1] = lhist(30, 0, 10, 1); @k[2] = lhist(3, 0, 10, 1); print(@k, percentiles=(50, 90)); clear(@k); }")
    assert json.loads(r.lines[1]) == {"type": "percentiles", "data": {"@k": {"1": {"p50": None, "p90": None}, "2": {"p50": 3, "p90": 3}}}}


def test_print_options_that_are_a_word(awl):
    fill = 'begin { @[1] = 5; @[2] = 9; @[3] = 7; '
    assert awl("-q", "-e", fill + "print(@, desc); clear(@); }").lines[:3] == ["@[2]: 9", "@[3]: 7", "@[1]: 5"]
    assert awl("-q", "-e", fill + "print(@, top=2, by=value, desc); clear(@); }").lines == ["@[2]: 9", "@[3]: 7"]
    assert awl("-q", "-e", fill + "print(@, 1, desc); clear(@); }").lines == ["@[2]: 9"]
    assert awl("-q", "-e", fill + "print(@, desc, top=1); clear(@); }").lines == ["@[2]: 9"]
    assert awl("-q", "-e", fill + "print(@, by=key, desc=false); clear(@); }").lines == ["@[1]: 5", "@[2]: 9", "@[3]: 7"]
    hist = "begin { @h = hist(5); @h = hist(500); "
    for words in ("p50, p99", "top=1, p50, p99", "p50, percentiles=99", "0, 1, p50, p99"):
        assert awl("-q", "-e", f"{hist}print(@h, {words}); clear(@h); }}").out.rstrip().endswith("|\np50 <= 7, p99 <= 511"), words


def test_words_of_print_are_checked(awl):
    r = awl("-e", """begin { @h = hist(5); @c[1] = 5; print(@h, p0); print(@h, p101); print(@h, p050); print(@c, p50); print(@h, 1, 2, 3);
        print(@h, p1, p2, p3, p4, p5, p6, p7, p8, p9); print(@h, top=1, p50=3); print(@h, top=1, dsc); print(5, desc); }""")
    assert r.code == 1
    for text in ("the name p0 is", "the name p101 is", "the name p050 is", "@c has no percentiles", "takes two numbers", "up to 8 percentiles",
                 "p50 has no value", "no option dsc", "did you mean desc", "only with a map"):
        assert text in r.err, text


def test_words_of_print_are_formatted_as_they_are(awl):
    assert awl("--fmt", "-e", "begin{print(@h,top=1,desc,p50);@h=hist(1)}").lines[1].strip() == "print(@h, top=1, desc, p50);"


def test_options_of_print_are_checked(awl):
    r = awl("-e", '''begin { @h = count(); print(@h, tpo=5, by=5, desc=$x, percentiles=5); print(5, top=1); printf("x", top=5);
        @k[1] = 1; print(@k, by=key[1]); $x = 1; }''')
    assert r.code == 1
    for text in ("print() has no option tpo", "did you mean top", "print(by=…)", "@h has no percentiles", "only with a map",
                 "printf() has no named arguments", "has no part 1"):
        assert text in r.err, text


# ---- time series

def test_tseries_keeps_a_number_for_each_interval(awl):
    import json
    r = awl("-q", "-f", "json", "-e", """interval:ms:20 { @n++; @last = tseries(@n, 100ms, 3); @sum[1] = tseries(1, 1h, 2, "sum");
        @max[1] = tseries(@n, 1h, 1, "max"); @min[1] = tseries((int64)0 - @n, 1h, 1, "min"); @avg[1] = tseries(@n, 1h, 1, "avg");
        if (@n == 20) { exit(); } }""")
    data = {}
    for line in r.lines:
        record = json.loads(line)
        if record["type"] == "tseries":
            data.update(record["data"])
    assert len(data["@last"]) == 3 and data["@last"][-1]["value"] == 20
    assert [p["value"] for p in data["@last"]] == sorted(p["value"] for p in data["@last"])
    # an hour may begin meanwhile
    if len(data["@sum"]["1"]) == 1:
        assert (data["@sum"]["1"][0]["value"], data["@max"]["1"][0]["value"], data["@min"]["1"][0]["value"], data["@avg"]["1"][0]["value"]) == \
            (20, 20, -20, 10)


def test_tseries_draws_a_graph(awl):
    import re
    r = awl("-q", "-e", "interval:ms:100 { @n++; @ = tseries(@n, 100ms, 4); if (@n == 6) { exit(); } }")
    points = [line for line in r.lines if re.match(r"\d\d:\d\d:\d\d\.\d{3} \|", line)]
    assert 3 <= len(points) <= 4 and points[-1].endswith("*| 6"), r
    assert sum(len(line) == len(points[0]) - 2 for line in r.lines if line.endswith("v")) >= 2 or "v" + "_" * 53 + "v" in r.out
    r = awl("-e", 'begin { @ = tseries(1, 0, 5000, "bla"); }')
    assert r.code == 1 and all(t in r.err for t in ("an interval", "from 1 to 1365", '"avg", "sum"'))


# ---- named parameters

OPTIONS = '''begin { print(getopt("all")); print(getopt("n", 5, "how many")); print(getopt("who", "me")); print(getopt("b", true));
    printf("%d\\n", $#); }'''


def test_getopt_reads_named_parameters(awl, tmp_path):
    assert awl("-q", "-e", OPTIONS).lines[:5] == ["false", "5", "me", "true", "0"]
    given = ["one", "--", "--all", "--n=-7", "--who=you", "--b=false", "two"]
    assert awl("-q", "-e", OPTIONS, *given).lines[:5] == ["true", "-7", "you", "false", "2"]
    script = tmp_path / "s.bt"
    script.write_text(OPTIONS)
    assert awl("-q", script, *given).lines[:5] == ["true", "-7", "you", "false", "2"]


def test_getopt_says_what_parameters_there_are(awl):
    r = awl("-e", OPTIONS, "--", "--nix")
    assert r.code == 1 and "the script has no parameter --nix" in r.err
    for form in ("--all", "--n=NUMBER (5): how many", '--who=TEXT ("me")', "--b[=true|false] (true)"):
        assert form in r.err
    assert "--n takes a number" in awl("-e", OPTIONS, "--", "--n=x").err
    assert "--who needs a text" in awl("-e", OPTIONS, "--", "--who").err


@pytest.mark.parametrize("key", ["", "[1]"])
def test_time_series_as_long_as_the_kernel_keeps(awl, key):
    r = awl("-q", "-f", "json", "-e", f'begin {{ @{key} = tseries(5, 1h, 1365, "sum"); @{key} = tseries(6, 1h, 1365, "sum"); exit(); }}')
    data = json.loads(r.lines[0])["data"]["@"]
    points = data["1"] if key else data
    assert sum(p["value"] or 0 for p in points) == 11
    r = awl("-e", f"begin {{ @{key} = tseries(5, 1h, 1366); exit(); }}")
    assert r.code == 1 and "from 1 to 1365, got 1366" in r.err
