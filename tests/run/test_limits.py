"""--max-rate and --max-overhead: what is left out is told, to the number; a target is never harmed."""
import re
import shutil
import subprocess

import pytest


@pytest.fixture
def storm(target):
    """A command that calls `hit` so many times."""
    return lambda n: f"{target('storm')} {n}"


def left_out(r, what="max_rate"):
    found = re.findall(rf"Left out (\d+) of (\d+) hits of .*: the limit {what}", r.err)
    return tuple(map(int, found[0])) if found else (0, 0)


def count(r, name="@"):
    found = re.findall(rf"^{name}: (\d+)$", r.out, re.M)
    return int(found[0]) if found else 0


def test_what_is_beyond_the_rate_is_counted(awl, target, storm):
    r = awl("--max-rate", "50", "-e", f"uprobe:{target('storm')}:hit {{ @ = count(); }}", "-c", storm(1000000))
    n, hits = left_out(r)
    assert r.code == 0 and hits == 1000000 and count(r) + n == 1000000 and count(r) > 0, r
    assert "is hit more than 50 times a second" in r.err, r


def test_the_predicate_comes_first(awl, target, storm):
    r = awl("--max-rate", "1", "-e", f"uprobe:{target('storm')}:hit /pid == 0/ {{ @ = count(); }}", "-c", storm(5000))
    assert r.code == 0 and left_out(r) == (0, 0) and "max_rate" not in r.err, r


def test_scratch_memory_is_given_back(awl, target, storm):
    """The body needs some, and is left out on most hits."""
    script = f'uprobe:{target("storm")}:hit {{ @[str(0, 2000), ustack] = count(); @n = count(); }}'
    r = awl("--max-rate", "100", "-e", script, "-c", storm(20000))
    assert count(r, "@n") + left_out(r)[0] == 20000 and "too many probes" not in r.err, r


def test_probes_that_hand_values_on_are_detached(awl, target, storm):
    script = f"""uprobe:{target('storm')}:hit {{ @start[tid] = nsecs; }}
                 uretprobe:{target('storm')}:hit /@start[tid]/ {{ @ = count(); delete(@start[tid]); }}"""
    r = awl("--max-rate", "10", "-e", script, "-c", storm(400000))
    assert r.code == 0 and "hands values to other probes" in r.err, r
    assert "is detached, too: it shares maps" in r.err and r.err.count("was detached before the end") == 2, r
    assert "No probe is left" in r.err, r


def test_an_expensive_probe_is_detached_and_the_command_goes_on(awl, target, storm):
    r = awl("--max-overhead", "0.001%", "-e", f'uprobe:{target("storm")}:hit {{ @ = count(); }} end {{ printf("end\\n"); }}',
            "-c", storm(2000000))
    assert r.code == 0 and "end" in r.lines, r
    assert re.search(r"took [\d.]+% of a processor \((measured|estimated from their hits)\), more than max_overhead 0.001%", r.err), r
    assert "hit is detached: it took" in r.err, r
    hits = int(re.search(r"what it did after its (\d+) hits is not", r.err)[1])
    assert count(r) == hits <= 2000000, r


def test_without_a_command_the_run_ends(awl):
    r = awl("--max-overhead", "0.001%", "-e", "tracepoint:raw_syscalls:sys_enter { @ = count(); }")
    assert r.code == 0 and "No probe is left: leaving" in r.err and count(r) > 0, r


def test_a_heavy_body_is_thinned_out(awl):
    """The way to a raw tracepoint is short: most of the cost is the body's."""
    script = 'tracepoint:raw_syscalls:sys_enter /comm == "dd"/ { @n = count(); $i = 0; while ($i < 300) { @[$i] = count(); $i++; } }'
    r = awl("-F", "--max-overhead", "10%", "-e", "config = { print_maps_on_exit = false } " + script,
            "-c", "timeout 4 dd if=/dev/zero of=/dev/null bs=1")
    assert re.search(r"runs for at most \d+ hits a second from now on", r.err), r
    assert left_out(r, "max_overhead")[0] > 0 or "is detached" in r.err, r


@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv")
def test_without_the_right_to_measure_it_says_so(target, storm):
    from conftest import AWL
    p = subprocess.run(["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", AWL, "--max-overhead", "0.001%", "-e",
                        f"uprobe:{target('storm')}:hit {{ @ = count(); }}", "-c", storm(2000000)],
                       capture_output=True, text=True, timeout=60)
    assert p.returncode == 0 and "(estimated from their hits)" in p.stderr and "is detached" in p.stderr, p


def test_returns_of_go_keep_their_pairs(awl, tmp_path):
    """Left out is the body; the pairing sees each call and each return."""
    if not shutil.which("go"):
        pytest.skip("no Go toolchain")
    import test_go
    program = test_go.build(tmp_path)
    r = awl("--max-rate", "20", "-e", f'goret:{program}:"main.recurse" {{ @ = count(); @bad = sum(retval != args.n); }}',
            "-c", f"{program} recurse 3000", timeout=120)
    assert r.code == 0 and count(r) + left_out(r)[0] == 3001 and count(r, "@bad") == 0, r
    assert "did not return" not in r.err and "Left out 1 return" not in r.err, r


@pytest.mark.parametrize("option,value,text", [
    ("--max-rate", "0", "is not a number of hits a second"),
    ("--max-rate", "5%", "is not a number of hits a second"),
    ("--max-overhead", "0%", "a share of a processor"),
    ("--max-overhead", "much", "a share of a processor"),
    ("--max-overhead", "-3%", "a share of a processor"),
])
def test_limits_that_are_none(awl, option, value, text):
    r = awl(option, value, "-e", "begin { exit(); }")
    assert r.code == 1 and text in r.err, r


def test_settings(awl):
    r = awl("-e", 'config = { max_rate = 7; max_overhead = "2.5%" } begin { print((config.max_rate, config.max_overhead)); exit(); }')
    assert "(7, 2.5%)" in r.lines, r
    r = awl("--max-rate", "9", "-e", "config = { max_rate = 7 } begin { print(config.max_rate); exit(); }")
    assert "9" in r.lines, r
    r = awl("-e", 'config = { max_overhead = "lots" } begin { exit(); }')
    assert r.code == 1 and "a share of a processor" in r.err, r


def test_not_ahead_of_time(awl, tmp_path):
    file = tmp_path / "x.awlc"
    r = awl("--aot", "-o", file, "--max-rate", "5", "-e", "begin { exit(); }")
    assert r.code == 1 and "--max-rate" in r.err, r
    r = awl("--aot", "-o", file, "-e", "config = { max_rate = 5 } begin { exit(); }")
    assert r.code == 1 and "cannot be compiled ahead of time" in r.err and not file.exists(), r
    assert awl("--aot", "-o", file, "-e", "begin { exit(); }").code == 0
    r = awl("--max-rate", "5", file)
    assert r.code == 1 and "compiled without limits" in r.err, r


def test_explain_tells_the_cost(awl, target):
    r = awl("--explain", "-e", f"uprobe:{target('storm')}:hit {{ @ = count(); }} tracepoint:sched:sched_switch {{ }} profile:hz:99 {{ }}")
    assert len(re.findall(r"expected cost of a hit: \d+\.\d\d us \(\d+ ns of it the program\)", r.out)) == 3, r
