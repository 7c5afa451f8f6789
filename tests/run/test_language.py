"""Statements, expressions and functions, seen from the outside: each script says what it computed."""
import pytest


def say(awl, body, *args, **kw):
    """Runs `begin { body }` and returns its lines."""
    r = awl(*args, "-q", "-e", "begin { " + body + " }", **kw)
    assert r.code == 0, r
    return r.lines


@pytest.mark.parametrize("expr,want", [
    ("1 + 2 * 3", "7"), ("(1 + 2) * 3", "9"), ("7 / 2", "3"), ("-7 / 2", "-3"), ("7 % 3", "1"), ("-7 % 3", "-1"),
    ("1 << 40", "1099511627776"), ("-16 >> 2", "-4"), ("0xff & 0x0f", "15"), ("6 ^ 3", "5"), ("6 | 1", "7"), ("~0", "-1"),
    ("!5", "0"), ("3 > 2 ? 10 : 20", "10"), ("3 < 2 ? 10 : 20", "20"), ("1 && 0", "0"), ("1 || 0", "1"),
    ("0x7fffffffffffffff", "9223372036854775807"), ("1e6", "1000000"), ("10ms", "10000000"), ("1_000", "1000"),
    ("(int8)200", "-56"), ("(uint8)300", "44"), ("(uint32)-1", "4294967295"), ("(int64)(int32)0xffffffff", "-1"),
    ("sizeof(uint32)", "4"), ("010", "8"),
])
def test_constant_expressions(awl, expr, want):
    assert say(awl, f'printf("%d\\n", {expr});') == [want]


@pytest.mark.parametrize("op,want", [
    ("$a + $b", "-4"), ("$a - $b", "-10"), ("$a * $b", "-21"), ("$a / $b", "-2"), ("$a % $b", "-1"), ("$a >> 1", "-4"),
    ("$a << 2", "-28"), ("$a & 0xff", "249"), ("$a == -7", "1"), ("$a < $b", "1"), ("$a > $b", "0"), ("-$a", "7"), ("~$b", "-4"),
    ("!$a", "0"), ("$a < 0 ? 1 : 2", "1"), ("$b / $z", "0"), ("$b % $z", "3"),
])
def test_arithmetic_at_run_time_is_signed_where_it_should_be(awl, op, want):
    # the values come through a map, so that nothing is known at compile time
    lines = say(awl, f'@v[1] = -7; @v[2] = 3; $a = @v[1]; $b = @v[2]; $z = @v[9]; printf("%d\\n", {op}); clear(@v);')
    assert lines[:1] == [want]


def test_variables_maps_and_control_flow(awl):
    assert say(awl, '''
        $x = 1; $x += 4; $x++; --$x; @m[1, "two"] = $x; @m[1, "two"] += 10; @n = 3; @n++;
        if ($x == 5) { printf("five\\n"); } else { printf("no\\n"); }
        if ($x > 100) { printf("big\\n"); } else if ($x > 4) { printf("more than four\\n"); }
        unroll(3) { $x *= 2; }
        printf("%d %d %d\\n", $x, @m[1, "two"], @n);
        clear(@m); clear(@n);
    ''') [:3] == ["five", "more than four", "40 15 4"]


@pytest.mark.needs("MAY_GOTO")
def test_loops(awl):
    assert say(awl, '''
        $i = 0; while ($i < 5) { $i++; if ($i == 2) { continue; } if ($i == 4) { break; } printf("w%d ", $i); }
        for ($j : 1..4) { printf("f%d ", $j); }
        printf("\\n");
    ''') == ["w1 w3 f1 f2 f3 "]


def test_strings(awl):
    assert say(awl, '''
        $s = "abc"; @s = "longer than abc";
        printf("%s|%-5s|%5s|%.2s|%c\\n", $s, $s, $s, $s, 65);
        if ($s == "abc") { printf("equal\\n"); }
        if ($s != "abd") { printf("differs\\n"); }
        if (strncmp($s, "abx", 2) == 0) { printf("two\\n"); }
        printf("%d\\n", strlen(@s));
        clear(@s);
    ''')[:5] == ["abc|abc  |  abc|ab|A", "equal", "differs", "two", "15"]


def test_tuples(awl):
    assert say(awl, '$t = (1, "x", (2, 3)); printf("%d %s %d\\n", $t.0, $t.1, $t.2.1); print($t);') == \
        ["1 x 3", "(1, x, (2, 3))"]


def test_printf_conversions(awl):
    assert say(awl, r'''printf("%d %i %u %x %X %o %05d %-4d| %+d %lld %hhd %p %%\n", -1, -2, 3, 255, 255, 8, 42, 7, 5, -9, 511, 4096);''') == \
        ["-1 -2 3 ff FF 10 00042 7   | +5 -9 -1 0x1000 %"]


def test_print_and_zero_and_delete(awl):
    r = awl("-q", "-e", '''begin { @a["x"] = 1; @a["y"] = 2; print(@a); delete(@a, "x"); print(@a); zero(@a); print(@a);
        clear(@a); print(5); print("s"); print((1, 2)); }''')
    # print() of a map shows it as it is when the event is handled: only what survives all is certain
    assert "5" in r.lines and "s" in r.lines and "(1, 2)" in r.lines
    assert r.code == 0


def test_map_values_survive_to_the_end(awl):
    r = awl("-q", "-e", 'begin { @x = 5; @y["b"] = 2; @y["a"] = 1; @z[1, "k"] = "v"; }')
    assert [line for line in r.lines if line] == ["@x: 5", "@y[a]: 1", "@y[b]: 2", "@z[1, k]: v"]


def test_aggregations(awl):
    r = awl("-q", "-e", '''begin { @c = count(); @c = count(); @s = sum(5); @s = sum(-7); @mi = min(4); @mi = min(-2); @ma = max(4);
        @ma = max(9); @a = avg(1); @a = avg(4); @st = stats(10); @st = stats(20); @k["a"] = count(); @k["b"] = sum(3); }''')
    assert r.code == 1  # one map cannot have two aggregations
    assert "E0502" in r.err
    r = awl("-q", "-e", '''begin { @c = count(); @c = count(); @s = sum(5); @s = sum(-7); @mi = min(4); @mi = min(-2); @ma = max(4);
        @ma = max(9); @a = avg(1); @a = avg(4); @st = stats(10); @st = stats(20); @k["a"] = count(); @k["b"] = count(); @k["b"] = count(); }''')
    assert [line for line in r.lines if line] == [
        "@a: 2", "@c: 2", "@k[a]: 1", "@k[b]: 2", "@ma: 9", "@mi: -2", "@s: -2",
        "@st: { .count = 2, .average = 15, .total = 30 }"]


def test_histograms(awl):
    r = awl("-q", "-e", "begin { @h = hist(5); @h = hist(6); @h = hist(70000); @h = hist(0); @h = hist(-3); @l = lhist(15, 0, 100, 10); @l = lhist(-5, 0, 100, 10); @l = lhist(1000, 0, 100, 10); }")
    text = r.out
    assert "(..., 0)               1 |" in text
    assert "[0]                    1 |" in text
    assert "[4, 8)                 2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|" in text
    assert "[64K, 128K)            1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |" in text
    assert "[10, 20)               1 |" in text and "[100, ...)             1 |" in text and "(..., 0)               1 |" in text


def test_builtins_of_the_process(awl):
    lines = say(awl, 'printf("%s %d %d %d %d\\n", comm, pid == tid, uid, gid, cpu < 1024); printf("%d\\n", nsecs > 0 && elapsed < 10000000000);')
    assert lines == ["awl 1 0 0 1", "1"]


def test_time_and_strftime(awl):
    import re
    lines = say(awl, 'time("%Y-%m-%d\\n"); printf("%s\\n", strftime("%H:%M:%S.%f", nsecs));')
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", lines[0]) and re.fullmatch(r"\d\d:\d\d:\d\d\.\d{6}", lines[1])


def test_network_views(awl):
    assert say(awl, 'printf("%s %s\\n", ntop(0x0100007f), ntop(pton("::1")));') == ["127.0.0.1 ::1"]


def test_positional_parameters(awl):
    r = awl("-q", "-e", 'begin { printf("%d %s %d\\n", $1, str($2), $#); }', "42", "word")
    assert r.lines == ["42 word 2"], r


def test_exit_code_and_end(awl):
    r = awl("-q", "-e", 'begin { printf("one\\n"); exit(7); printf("never\\n"); } end { printf("end\\n"); }')
    assert (r.code, r.lines) == (7, ["one", "end"])


def test_system_needs_unsafe(awl):
    r = awl("-e", 'begin { system("echo hi"); }')
    assert r.code == 1 and "--unsafe" in r.err
    assert say(awl, 'system("echo from-shell %d", 3);', "--unsafe") == ["from-shell 3"]


def test_cat_and_join(awl, tmp_path):
    (tmp_path / "f").write_text("file text\n")
    assert say(awl, f'cat("{tmp_path}/f");') == ["file text"]


def test_old_spellings(awl):
    r = awl("-q", "-e", 'BEGIN { @[1] = 2; delete(@[1]); $x = 3; if ($x == 3) { printf("old\\n"); } } END { printf("bye\\n"); }')
    assert r.lines[:2] == ["old", "bye"]


def test_short_circuit_evaluates_once(awl):
    assert say(awl, '@n = 0; $a = @n++ ?: 7; $b = 0 && @n++; $c = 1 || @n++; printf("%d %d\\n", $a, @n); clear(@n);')[0] == "7 1"


def test_curtask_fields(awl):
    lines = say(awl, 'printf("%d %s\\n", curtask.pid == tid, curtask.comm); printf("%d\\n", curtask->tgid == pid);')
    assert lines == ["1 awl", "1"]


def test_addresses_of_variables_and_maps(awl):
    assert say(awl, '''
        $x = 5; $p = &$x; $x = 7; printf("%d\\n", *$p);
        $t = (1, "a"); $q = &$t; printf("%s %d\\n", $q.1, $q.0);
        @v = 3; $m = &@v; @v = 4; printf("%d\\n", *$m);
        @k[1] = 2; $y = &@k; printf("%d\\n", $y.max_entries);
        printf("%d\\n", &$x == $p); clear(@k); clear(@v);
    ''')[:5] == ["7", "a 1", "4", "4096", "1"]


def test_pointers_are_subtracted_in_elements(awl):
    assert say(awl, '$a = (uint64 *)0x100; $b = (uint64 *)0x110; printf("%d %d\\n", $b - $a, $a - $b);') == ["2 -2"]


def test_records_in_any_order(awl):
    assert say(awl, '''
        $r = (a=1, b="x"); $r = (b="yy", a=2); print($r); print($r == (b="yy", a=2)); print($r != (b="yy", a=2));
    ''') == ["{ .a = 2, .b = yy }", "true", "false"]


def test_typeinfo(awl):
    lines = say(awl, 'print(typeinfo(curtask).full_type); print(typeinfo((uint16)1).base_type); print(typeinfo(struct task_struct).btf_id > 0);')
    assert lines == ["struct task_struct *", "int", "true"]


def test_constants_of_system_headers(awl):
    import errno
    import os
    import signal
    import socket
    import stat
    names = {"AF_INET6": socket.AF_INET6, "S_IFMT": 0o170000, "S_IFREG": stat.S_IFREG, "SIGTERM": signal.SIGTERM,
             "EAGAIN": errno.EAGAIN, "O_CREAT": os.O_CREAT, "PROT_WRITE": 2, "MAP_SHARED": 1, "CLONE_NEWNS": 0x20000,
             "IPPROTO_TCP": 6, "TCP_ESTABLISHED": 1, "SOCK_STREAM": socket.SOCK_STREAM, "EPOLLIN": 1, "AT_FDCWD": -100}
    body = " ".join(f'printf("{n} %d\\n", {n});' for n in names)
    assert say(awl, body) == [f"{n} {int(v)}" for n, v in names.items()]


def test_short_string_literals_can_be_cast(awl):
    assert say(awl, '$s = (string[16])"ab"; print($s); $t = (string[2])"a"; print($t);') == ["ab", "a"]


def test_arguments_inside_the_body_of_a_map_loop(awl):
    r = awl("-q", "-e", '''tracepoint:syscalls:sys_enter_read { @m[1] = 1; for $kv : @m { printf("%d %s\\n", args.fd >= 0, probe); exit(); } }
                           end { clear(@m); }''', "-c", "cat /etc/hostname")
    assert r.code == 0 and "1 tracepoint:syscalls:sys_enter_read" in r.lines, r


def script(awl, text, *args, code=0):
    r = awl("-q", *args, "-e", text)
    assert r.code == code, r
    return r.lines


def test_functions(awl):
    assert script(awl, '''
        fn twice($a: uint64): uint64 { return $a * 2; }
        fn pick($a: int32, $b: int64): int64 { if $a > 3 { return twice($a); } $b + 1 }
        begin { print(twice(4)); print(pick(5, 1)); print(pick(1, 1)); print(pick(1, -5)); }
    ''') == ["8", "10", "2", "-4"]


def test_functions_with_effects_strings_and_pointers(awl):
    assert script(awl, '''
        fn name($p: struct task_struct *): int32 { $s = str($p.comm); printf("[%s]\\n", $s); return $p.pid; }
        fn note($t: uint64): void { @x[$t] = count(); }
        begin { print(name(curtask) == pid); note(1); for $i : 0..3 { note($i); } printf("%d %d\\n", @x[1], @x[2]); clear(@x); }
    ''')[:3] == ["[awl]", "true", "2 1"]


def test_functions_with_map_loops(awl):
    assert script(awl, '''
        fn at($k: int64): int64 { for $kv : @m { if $kv.0 == $k { return $kv.1; } } return -1; }
        begin { @m[1] = 10; @m[2] = 20; print(at(2)); print(at(7)); print(at(1)); clear(@m); }
    ''')[:3] == ["20", "-1", "10"]


def test_exit_inside_of_a_function_ends_the_script(awl):
    assert script(awl, '''
        fn check($k: int64): void { if $k == 2 { exit(5); } print($k); }
        begin { for $i : 0..5 { check($i); } print("never"); }
    ''', code=5) == ["0", "1"]
    lines = script(awl, '''
        fn find_it($k: int64): void { for $kv : @m { for $j : @m { if $j.0 == $k { exit(); } } } }
        begin { @m[1] = 1; find_it(9); print("first"); find_it(1); print("never"); } end { clear(@m); }
    ''')
    assert lines[0] == "first" and "never" not in lines


def test_functions_use_what_the_probe_has(awl):
    lines = script(awl, '''
        fn odd($x: uint64): bool { $x % 2 == 1 }
        fn dir(): int32 { $s = str(args.filename, 900); if $s != "no such name" { return (int32)args.dfd; } return 7; }
        tracepoint:syscalls:sys_enter_openat /odd(pid) || !odd(pid)/ { @q[1] = 1; for $kv : @q { print(dir() == (int32)args.dfd); } exit(); }
        interval:100ms { system("cat /dev/null"); } end { clear(@q); }
    ''', "--unsafe")
    assert lines[0] == "true"


def test_nested_map_loops_see_the_outer_pair(awl):
    lines = say(awl, '''@m[1] = 2; @m[2] = 3; @c[7] = count();
        for $a : @m { for $b : @m { @seen[$a.0 * 10 + $b.0] = $a.1; } } for $x : @c { for $y : @m { @n[$x.0, $x.1] = $y.1; } }
        clear(@m); clear(@c);''')
    assert [l for l in lines if l.startswith("@seen")] == ["@seen[11]: 2", "@seen[12]: 2", "@seen[21]: 3", "@seen[22]: 3"]
    assert any(l.startswith("@n[7, 1]: ") for l in lines)


def test_addresses_of_members(awl):
    script = ("struct pair { int first; struct { int x; char text[8]; } second; }; begin { let $m: uint64[3]; $p = (struct pair *)&$m; @i = 2; "
              "printf(\"%d %d %d %d\\n\", (uint64)&$p.second.x - (uint64)$p, (uint64)&(*$p).second.text - (uint64)$p, &$p[@i] - $p, &$p[3] - $p); "
              "print(container_of(&curtask.tasks, struct task_struct, tasks).pid == pid); print(*&curtask.pid == curtask.pid); "
              "print(str(&curtask.comm) == comm); print(str(&curtask.comm[1])); print(*&$p.second.text[7] == 0); exit(); }")
    r = awl("-q", "-e", script)
    assert r.code == 0 and r.lines[:6] == ["4 8 2 3", "true", "true", "true", "wl", "true"], r


@pytest.mark.parametrize("probe,expr,why", [
    ("begin", "curtask.in_execve", "a bit-field has no address"),
    ("begin", "curtask.comm[@i]", "behind a pointer"),
    ("tracepoint:sched:sched_switch", "args.prev_pid", "behind a pointer"),
    ("begin", "7", "variables, maps and members only"),
])
def test_what_has_no_address(awl, probe, expr, why):
    r = awl("-e", f"{probe} {{ @i = 1; print(&{expr}); exit(); }}")
    assert r.code == 1 and why in r.err and "-e:1:" in r.err, r


def test_an_unknown_index_behind_a_pointer_of_the_kernel(awl):
    script = ("begin { @i = 1; $t = curtask; $p = (uint8 *)curtask; print($t[@i - 1].pid == pid); print(curtask[@i - 1].pid == pid); "
              "print($p[@i - 1] == *$p); exit(); }")
    r = awl("-q", "-e", script)
    assert r.code == 0 and r.lines[:3] == ["true"] * 3, r


def test_addresses_of_network_cards_are_literals(awl):
    script = ('begin { let $m: uint64 = 0xff00105e0002; $p = (uint8 *)&$m; $a = macaddr("02:00:5E:10:00:ff"); print($a); '
              'print(macaddr($p) == $a); print(macaddr($p) == macaddr("02:00:5e:10:00:fe")); @[$a] = 1; @[macaddr($p)]++; exit(); }')
    r = awl("-q", "-e", script)
    assert r.code == 0 and r.lines[:3] == ["02:00:5E:10:00:FF", "true", "false"] and "@[02:00:5E:10:00:FF]: 2" in r.lines, r


@pytest.mark.parametrize("text", ["02:00:5e:10:00", "02:00:5e:10:00:fg", "2:00:5e:10:00:0ff", "02-00-5e-10-00-ff", "02:00:5e:10:00:ff ", ""])
def test_what_is_no_address_of_a_network_card(awl, text):
    r = awl("-e", f'begin {{ print(macaddr("{text}")); exit(); }}')
    assert r.code == 1 and "is not the address of a network card" in r.err and "help: macaddr() takes" in r.err, r


def test_types_that_show_as_text_have_names(awl):
    script = ('begin { let $m: macaddr_t = macaddr("02:00:5e:10:00:ff"); let $n: macaddr_t; let $i: inet = ntop(16777343); let $j: inet[16] = ntop(pton("::1")); '
              'let $u: username_t = username; let $k: ksym_t; printf("%s %s %s %s %s %s %d\\n", $m, $n, $i, $j, $u, $k, sizeof(macaddr_t)); exit(); }')
    r = awl("-q", "-e", script)
    assert r.code == 0 and r.lines[0] == "02:00:5E:10:00:FF 00:00:00:00:00:00 127.0.0.1 ::1 root 0x0 6", r
    r = awl("-e", "begin { let $m: macaddr_t = 5; }")
    assert r.code == 1 and "integer cannot be assigned to $m" in r.err, r
