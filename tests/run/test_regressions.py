"""Scripts that once were wrong: each is the shortest that shows the defect."""
import os
import subprocess
import tempfile

import pytest


def lines(awl, script):
    r = awl("-q", "-e", script)
    assert r.code == 0, r
    return r.lines


def test_a_bool_stays_a_bool_when_it_is_counted_up(awl):
    script = 'begin { @z = 1; let $b: bool = @z; $b++; let $c: bool = @z - 1; $c--; printf("%d %d\\n", $b, $c); exit(); }'
    assert lines(awl, script)[0] == "1 1"


def test_large_temporaries_in_the_body_of_a_map_loop(awl):
    text = "a text of more than thirty-two bytes in all"
    script = ('begin { @m[1] = 2; $n = 0; for ($kv : @m) { $n += $kv.1 * strcontains("%s", "more") + strlen("%s"); } '
              'printf("%%d\\n", $n); exit(); }' % (text, text))
    assert lines(awl, script)[0] == str(2 + len(text))


def test_a_loop_that_tests_what_it_counts_is_walked_by_the_verifier(awl):
    # behind the test the verifier knew $i exactly and followed it through a million instructions
    script = ('begin { @z = 1; $w = 1; $i = @z; $d = @z - 1; $s = 0; while $w > 0 { $w--; $i -= $d; if $d { $i++; } '
              '$s += (--$i ?: 5) & 63; } printf("%d %d\\n", $s, $i); exit(); }')
    assert lines(awl, script)[0] == "5 0"


def test_a_condition_that_changes_what_it_tests(awl):
    script = 'begin { @z = 5; $x = @z; $n = 0; while --$x > 0 { if $x == 2 { $n += 10; } $n++; } print($n); exit(); }'
    assert lines(awl, script)[0] == "14"


def test_a_tuple_of_its_own_items(awl):
    script = ('begin { $p = (1, 2); $p = ($p.1, $p.0); print($p); @p = (3, 4); @p = (@p.1, @p.0); printf("%s\\n", @p); '
              '$q = ((1, 2), (3, 4)); $q = ($q.1, $q.0); print($q); exit(); }')
    assert lines(awl, script)[:3] == ["(2, 1)", "(4, 3)", "((3, 4), (1, 2))"]


def test_a_function_that_another_tracer_probes(trace, awl, target):
    """A private mapping of the file would show the other's breakpoint instead of the instruction."""
    script = f"uprobe:{target('calls')}:tick {{ @ = count(); }}"
    with trace("-e", script):
        r = awl("-e", script, "-c", f"{target('calls')} 5")
    assert "@: 5" in r.lines, r


@pytest.mark.parametrize("capacity", [64, 128])
def test_what_stands_behind_the_end_of_a_string_makes_no_other_key(trace, capacity):
    """A tracepoint's record lies in a buffer of its CPU, where records of other events lay before."""
    cpu = min(os.sched_getaffinity(0))
    script = ("config = { max_strlen = %d } tracepoint:sched:sched_process_exec /curtask.real_parent.tgid == %d/ "
              "{ @[str(args.filename)] = count(); @s = str(args.filename); @t[@s] = count(); }" % (capacity, os.getpid()))
    with tempfile.TemporaryDirectory(prefix="x") as d, trace("-e", script) as t:
        for name in "a" * 40, "s", "b" * 40, "s":
            path = os.path.join(d, name)
            if not os.path.exists(path):
                os.symlink("/bin/true", path)
            subprocess.run([path], preexec_fn=lambda: os.sched_setaffinity(0, {cpu}), check=True)
        r = t.finish()
        for name in "@", "@t":
            assert f"{name}[{d}/s]: 2" in r.lines, r


def test_many_values_alive_leave_the_stack_to_the_registers(awl):
    # what lies on the stack otherwise goes to scratch memory when registers need the room
    n = 60
    lines = [f"$v{i} = @z + {i}; @m[$v{i}, {i}] = $v{i};" for i in range(n)]
    lines += [f"$t{i} = ($v{i}, $v{i + 1});" for i in range(10)]
    lines.append("@x = " + " + ".join(f"$v{i} * $v{i * 7 % n}" for i in range(n)) + ";")
    lines += [f"print($t{i});" for i in range(10)]
    r = awl("-q", "-e", "begin { " + " ".join(lines) + " @z = 0; print(@x); clear(@m); }")
    assert r.code == 0, r
    assert f"@x: {sum(i * (i * 7 % n) for i in range(n))}" in r.lines
    assert "(9, 10)" in r.lines


@pytest.mark.parametrize("expression, want", [
    # what stands first is read first, whatever the rest changes
    ('printf("%s %d\\n", ($d ? "yes" : $s), --$d)', "yes 0"),
    ('printf("%s %d\\n", $t, { $t = (9, 9); 5 })', "(1, 2) 5"),
    ('printf("%s %d\\n", @t, { @t = (9, 9); 5 })', "(1, 2) 5"),
    ('printf("%s %d\\n", @k[1], note())', "one 7"),
    ('printf("%s %s\\n", { $s = "new"; "x" }, $s)', "x new"),
    ('printf("%d\\n", $s == { $s = "new"; "old" })', "1"),
    ('printf("%d\\n", strncmp($s, { $s = "new"; "old" }, 3))', "0"),
    ('printf("%d\\n", strcontains($s, { $s = "new"; "ld" }))', "1"),
    ('printf("%d\\n", memcmp($s, { $s = "new"; "old" }, 3))', "0"),
    ('printf("%c\\n", $s[{ $s = "new"; $d }])', "l"),
    ('@q[{ $t = (9, 9); 1 }] = $t; printf("%s\\n", @q[1])', "(1, 2)"),
    ('@t = (4, swap()); printf("%s\\n", @t)', "(4, 1)"),
    ('$p = (7, { if ($d) { printf("%s\\n", $t); } $t.0 }); printf("")', "(1, 2)"),
])
def test_operands_are_read_in_order(awl, expression, want):
    script = ('fn note(): int64 { @k[1] = "two"; 7 } fn swap(): int64 { @t.0 } '
              'begin { @z = 1; let $d = @z; $s = "old"; $t = (1, 2); @t = (1, 2); @k[1] = "one"; %s; clear(@k); exit(); }')
    assert lines(awl, script % expression)[0] == want


def test_what_is_left_in_the_middle_of_a_value_changes_nothing(awl):
    script = 'begin { @z = 1; @t = (1, 2); @t = (3, { if (@z) { return; } 4 }); } end { printf("%s\\n", @t); }'
    assert lines(awl, script)[0] == "(1, 2)"


def test_a_predicate_that_leaves_by_a_function(awl):
    script = ('fn stop(): bool { if (@s == "stop") { exit(); } true } begin { @s = "go"; } begin /stop()/ '
              '{ @s = "stop"; $t = (1, "a text of more than thirty-two bytes", @s); printf("%s\\n", $t.1); } '
              'begin /stop()/ { printf("not reached\\n"); } end { printf("%s\\n", @s); }')
    assert lines(awl, script)[:2] == ["a text of more than thirty-two bytes", "stop"]


def test_find_evaluates_its_key_once(awl):
    script = ('begin { @n = 0; @m[1] = 10; @m[2] = 20; @c[1] = count(); @s[2] = "two"; if (find(@m, ++@n, $x)) { print(($x, @n)); } '
              'if (find(@s, ++@n, $t)) { print(($t, @n)); } if (find(@c, 1, $c)) { print($c); } '
              'if (!find(@m, ++@n, $x)) { print(($x, @n)); } exit(); }')
    assert lines(awl, script)[:4] == ["(10, 1)", "(two, 2)", "1", "(10, 3)"]


def test_nothing_stands_behind_the_end_of_a_string(awl):
    script = ('begin { @z = 2; $s = "longer"; printf("%d %d\\n", $s[2], $s[@z]); $s = "x"; '
              'printf("%d %d %d %d %d %d\\n", $s[0], $s[1], $s[2], $s[@z], $s[@z - 1], $s[@z - 2]); '
              'exit(); }')
    assert lines(awl, script)[:2] == ["110 110", "120 0 0 0 0 120"]


@pytest.mark.parametrize("loop", ["for ($kv : @m)", "for $i : 0..200", "for $i : 0..40", "while $w-- > 0"])
def test_branches_in_loops_are_not_walked_turn_by_turn(awl, loop):
    """What a turn changes and the next one asks for: the verifier would follow each value."""
    script = ("begin { for $i : 0..100 { @m[$i] = $i; } $w = 200; $odd = 0; $n = 0; %s { $n++; if $n & 1 { $odd++; continue; } "
              'if $odd %% 5 == 0 { $odd++; } $n += 3; } printf("%%d\\n", $odd > 0 && $n > 40); exit(); }')
    assert lines(awl, script % loop)[0] == "1"


@pytest.mark.parametrize("find,want", [
    ('strstr(@long, "twenty-four characters!!")', "300"),
    ("strstr(@long, @needle)", "300"),
    ("strstr(@long, comm)", "-1"),
    ("strcontains(@long, @long)", "1"),
    ('strcontains(@long, "characters of the end")', "0"),
    ('strstr(@long, "xx!!")', "-1"),
    ("strstr(@needle, @long)", "-1"),
    ("(strstr(@long, @needle) & 7) + (strstr(@long, @needle) & 3) * 10", "4"),
    ("memcmp(@long, @long, 1000)", "0"),
    ("strncmp(@long, @other, 1000)", "1"),
])
def test_long_strings_are_searched(awl, find, want):
    script = ('begin { @needle = "twenty-four characters!!"; @long = str($1); @long = str($2); @other = str($1); '
              'printf("%%d\\n", %s); exit(); }' % find)
    r = awl("-q", "-e", script, "a" * 1000, "x" * 300 + "twenty-four characters!!" + "y" * 600)
    assert r.code == 0 and r.lines[0] == want, r


def test_an_empty_string_leaves_nothing_of_an_older_pointer(awl):
    """Its place on the stack had an address, of which the verifier lets nobody read single bytes."""
    script = ("begin { let $m: uint64 = 1; $b = (uint8 *)&$m; "
              'printf("%x|%s|%s|%-3hd|%-9s\\n", 1, { let $l = 1; @is[1] }, 1, 1, "eight888"); @is[1] = comm; $m = $b[0]; exit(); }')
    assert lines(awl, script)[0] == "1||1|1  |eight888 "


@pytest.mark.needs("MAY_GOTO")
@pytest.mark.parametrize("probe", ["begin { $n = 0; while 1 { $n++; } @done = $n > 0; exit(); }",
                                   "fn spin(): int64 { $n = 0; while $n >= 0 { $n++; } $n } begin { @done = spin() > 0; exit(); }"])
def test_a_loop_that_the_kernel_cuts_off_is_told_of(awl, probe):
    r = awl("-e", probe)
    assert r.code == 0 and "@done: 1" in r.out.replace("true", "1"), r
    assert "Cut off 1 loop: the kernel ends loops that take too long" in r.err, r
    r = awl("-f", "ndjson", "-e", probe)
    assert '"type": "lost"' in r.out and '"cause": "loop"' in r.out, r


def test_a_loop_that_ends_is_not_told_of(awl):
    r = awl("-e", "begin { for $i : 0..100000 { @n++; } exit(); }")
    assert "Cut off" not in r.err and "@n: 100000" in r.out, r


def test_an_array_lies_where_a_number_may_not(awl):
    """Behind a byte in a tuple, an array of 16-bit numbers is aligned to two bytes; on the stack it was stored as eight at once."""
    script = ("begin { print((7, { let $l = 1; (int16[4])(uint64)0x8877665544332211 })); $t = (1, { let $n = 2; (int16[2])(uint32)65537 }); "
              "print($t); print((7, { let $n = 2; (int32[2])(uint64)4294967298 })); exit(); }")
    assert lines(awl, script)[:3] == ["(7, [8721,17459,26197,-30601])", "(1, [1,1])", "(7, [2,1])"]


POINTERS = """
struct text { const char *p; long n; };
struct url { long x; struct text path; const char *parts[3]; };
struct request { long m; struct url *url; struct url **all; };
__attribute__((noipa)) long handle(struct request *r) { return r->url->path.n; }
int main(void)
{
	char path[] = "/index.html", part[] = "index";
	struct url u = {1, {path, 11}, {path, part, path}}, *all[] = {&u};
	struct request r = {2, &u, all};
	return handle(&r) != 11;
}
"""


def test_pointers_of_structs_that_a_script_defines_lead_to_the_program(awl, tmp_path):
    """Those behind the first one were followed into the kernel: empty strings, zeroes."""
    program = tmp_path / "program"
    subprocess.run(["gcc", "-O1", "-x", "c", "-o", program, "-"], input=POINTERS.encode(), check=True)
    script = """struct text { char *p; long n; };
        struct url { long x; struct text path; char *parts[3]; };
        struct request { long m; struct url *url; struct url **all; };
        uprobe:%s:handle {
            $r = (struct request *)arg0; $u = $r.url; $path = $r.url.path; $i = 1;
            printf("%%s %%s %%s %%d\\n", str($r.url.path.p), str($u->path.p), str($path.p), $path.n);
            printf("%%s %%s\\n", str($r.url.parts[1]), str($r->url->parts[$i]));
            printf("%%s %%d\\n", str((*$r.all).path.p), $r.all[0].x);
        }""" % program
    r = awl("-q", "-e", script, "-c", program)
    assert r.lines[:3] == ["/index.html /index.html /index.html 11", "index index", "/index.html 1"], r
    assert not r.err, r


def choices(n, values):
    """A loop with `n` choices one after the other: two to the power of n ways to what follows them in its body."""
    sets = " ".join(f"$v{i} = {values} + {i};" for i in range(n))
    ifs = " ".join(f"if $v{i} > 6 {{ $t{i} = 1; }} else {{ $t{i} = 2; }}" for i in range(n))
    total = " + ".join(f"$t{i}" for i in range(n))
    return (f"begin {{ @m[1] = 3; $z = @m[1]; {sets} for $i : 0..50 {{ {ifs} unroll(100) {{ $z = $z * 3 + $i; }} @s += {total}; }} "
            "@z = $z; exit(); }")


@pytest.mark.needs("MAY_GOTO")
@pytest.mark.parametrize("n", [6, 13])
def test_a_program_too_large_for_the_verifier_is_made_again_for_it(awl, n):
    r = awl("-v", "-e", choices(n, "@m[1]"))
    assert r.code == 0 and f"@s: {50 * (4 * 2 + (n - 4))}" in r.lines, r  # 3, 4, 5 and 6 are not above 6
    assert ("Compiled again, in a way that spares the verifier" in r.err) == (n == 13), r
    assert "gave up" not in r.err, r


@pytest.mark.needs("MAY_GOTO")
def test_a_compiled_program_too_large_for_the_verifier_is_made_again_for_it(awl, tmp_path):
    file, script = tmp_path / "large.awlc", choices(13, "@m[1]")
    assert awl("--aot", "-o", file, "-e", script).code == 0
    assert "@s: 850" in awl("-q", file).lines


@pytest.mark.needs("MAY_GOTO")
def test_parameters_are_the_same_when_a_program_is_made_again(awl, tmp_path):
    (tmp_path / "lib.bt").write_text("macro more(x) { x + 1 }")
    script = tmp_path / "main.bt"
    script.write_text('import "lib.bt"; ' + choices(13, "(@m[1] + more($1) * 0)").replace("@s +=", "@s = $1 + more(0); @all +="))
    r = awl("-q", script, "41")
    assert r.code == 0 and "@s: 42" in r.lines and "@all: 850" in r.lines, r


@pytest.mark.needs("MAY_GOTO")
def test_long_buffers_are_compared(awl):
    script = ("config = { max_strlen = 16000 } begin { $t = (uint8 *)curtask; $a = buf($t, 5000); $b = buf($t, 5000); $c = buf($t + 8, 5000); "
              'for $i : 0..20 { if $a == $b { @same++; } if $a == $c { @wrong++; } } exit(); }')
    out = lines(awl, script)
    assert "@same: 20" in out and not any("@wrong" in x for x in out)


def test_buffers_are_equal_up_to_their_length(awl):
    script = ("begin { let $m: uint64 = 0x1122334455667788; let $k: uint64 = 0x9922334455667788; $p = (uint8 *)&$m; $q = (uint8 *)&$k; "
              'for $n : 0..9 { printf("%d", buf($p, $n) == buf($q, $n)); } printf(" %d\\n", buf($p, 3) == buf($p, 4)); exit(); }')
    assert lines(awl, script)[0] == "111111110 0"


def test_a_length_whose_mask_turns_out_to_be_needless_is_masked(awl):
    """What is left of a division by 6 is less than 6, which not every verifier knows."""
    script = ("begin { let $m: uint64 = 0x1122334455667788; $b = (uint8 *)&$m; @x = 1; @i[1] = 11; "
              'printf("%rx\\n", buf($b, (((uint16)((int64)@i[@x]) % (({ @y = 1; 6 }) ?: 127)) & 7))); exit(); }')
    assert lines(awl, script)[0] == "\\x88\\x77\\x66\\x55\\x44"
