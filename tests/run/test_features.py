"""What older kernels lack is replaced, or refused by awl with a reason: shown here by doing without on this kernel."""
import pytest

from conftest import run_awl

ATOMICS = """begin {
    @s = stats(10); @s = stats(-20); @m = min(4); @m = min(2); @m = min(5); @x = max(9); @x = max(7);
    @y = 5; @y *= 3; @y |= 64; @y &= 0x4e; @y ^= 1; $a = @y++; $b = --@y;
    $long = str(0, 300);
    printf("%d %d %d %d\\n", $a, $b, @y, delete(@y)); exit();
}"""


def test_without_exchanging_atomics():
    plain = run_awl("-q", "-e", ATOMICS)
    without = run_awl("-q", "--no-feature", "ATOMIC_FETCH", "-e", ATOMICS)
    assert plain.code == without.code == 0
    assert "79 79 79 1" in without.out
    assert "@s: { .count = 2, .average = -5, .total = -10 }" in without.out
    assert without.out == plain.out


def test_strings_are_short_where_keys_are():
    r = run_awl("-q", "--no-feature", "LONG_KEYS", "-e", 'begin { @[str(0), str(0), comm] = default_str_length; exit(); }')
    assert r.code == 0 and ": 160" in r.out


REFUSALS = [
    ("LONG_KEYS", "config = { max_strlen = 1024 } begin { @[str(0)] = 1; exit(); }",
     ["the key of @ has 1024 bytes; this kernel takes at most 512", "max_strlen = 64"]),
    ("PERCPU_LOOKUP", "begin { @n = count(); if (@n > 3) { exit(); } }",
     ["reading @n in the script needs bpf_map_lookup_percpu_elem", "@n++"]),
    ("FOR_EACH_MAP", "begin { @m[1] = 1; for ($kv : @m) { print($kv); } }",
     ["for over a map needs bpf_for_each_map_elem", "print(@m)"]),
    ("ITER_PATH", 'iter:task_file { print(path(ctx.file.f_path)); }',
     ["path() in iter probes needs bpf_d_path in iterators", "d_name.name"]),
    ("SOCKET_COOKIE", "rawtracepoint:tcp_probe { @[socket_cookie(args.sk)] = count(); }", ["socket_cookie"]),
]


@pytest.mark.parametrize("feature,script,wanted", REFUSALS, ids=[r[0] for r in REFUSALS])
def test_refusal_names_the_reason(feature, script, wanted):
    r = run_awl("-q", "--no-feature", feature, "-e", script)
    assert r.code == 1
    assert "error[E0701]" in r.err
    for text in wanted:
        assert text in r.err, r.err
