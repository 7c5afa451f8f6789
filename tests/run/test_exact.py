"""Every number is the number: counts, sums and histograms of many events from several threads at once.

The sizes here keep the suite quick; AWL_EVENTS=10000000 runs them at full length.
"""
import json
import os
import re
import subprocess

import pytest

from conftest import AWL, TARGETS, run_awl

STORM = str(TARGETS / "storm")
EVENTS = int(os.environ.get("AWL_EVENTS", 50_000 if "asan" in AWL else 400_000))


def storm(script, threads=2, events=EVENTS, *args):
    """Runs `script` over `events` calls made by `threads` threads; the calls of each, and what awl said."""
    each = events // threads
    r = run_awl("-q", *args, "-e", script, "-c", f"{STORM} {each} {threads}", timeout=600)
    assert r.code == 0, r
    return each, r


def values(r):
    return {m[0]: int(m[1]) for m in re.findall(r"^(@\w*(?:\[[^\]]*\])?): (-?\d+)$", r.out, re.M)}


def buckets(r, name):
    block = re.search(rf"^{re.escape(name)}:\n((?:[\[(].*\n)+)", r.out, re.M).group(1)
    return {m[0]: int(m[1]) for m in re.findall(r"^([\[(][^|]*?[)\]]) +(\d+) \|", block, re.M)}


# 1, 2 threads; more threads than processors, so that one is preempted inside of the program while others run it
@pytest.mark.parametrize("threads", [1, 2, 16])
def test_all_aggregations_at_once(threads):
    n, r = storm(f"""uprobe:{STORM}:hit {{
        @count = count(); @sum = sum(arg0); @neg = sum(-(int64)arg0); @min = min(arg0 + 3); @max = max(arg0); @avg = avg(arg0);
        @stats = stats(arg0); @plus++; @three += 3; @by[arg0 % 7] = count(); @inc[arg0 % 7]++; @hist = hist(arg0);
        @lhist = lhist(arg0 % 100, 0, 100, 10); @tid[tid] = count(); }}""", threads)
    happened, total = n * threads, threads * n * (n - 1) // 2
    v = values(r)

    assert v["@count"] == v["@plus"] == happened and v["@three"] == 3 * happened
    assert (v["@sum"], v["@neg"], v["@min"], v["@max"]) == (total, -total, 3, n - 1)
    assert v["@avg"] == total // happened
    assert f"@stats: {{ .count = {happened}, .average = {total // happened}, .total = {total} }}" in r.lines
    for name in ("@by", "@inc"):
        assert [v[f"{name}[{k}]"] for k in range(7)] == [threads * len(range(k, n, 7)) for k in range(7)]
    assert sum(buckets(r, "@hist").values()) == happened
    assert buckets(r, "@hist")["[0]"] == threads and buckets(r, "@hist")["[4, 8)"] == 4 * threads
    assert list(buckets(r, "@lhist").values()) == [threads * sum(1 for x in range(n) if x % 100 // 10 == d) for d in range(10)] \
        if n <= 100_000 else sum(buckets(r, "@lhist").values()) == happened
    assert [c for k, c in v.items() if k.startswith("@tid[")] == [n] * threads
    assert "Lost" not in r.err


@pytest.mark.parametrize("threads", [2, 16])
def test_printed_and_lost_are_all(threads):
    n, r = storm(f'uprobe:{STORM}:hit {{ printf("%d x\\n", arg0); @ = count(); }}', threads)
    printed = sum(line.endswith(" x") for line in r.lines)
    lost = int((re.search(r"Lost (\d+) event", r.err) or [0, 0])[1])

    assert values(r)["@"] == n * threads == printed + lost


@pytest.mark.parametrize("threads", [1, 8])
def test_every_line_is_right_and_in_order_for_each_thread(threads, tmp_path):
    """With a ring that holds them all: no line is lost, torn or repeated. (Into a file: the traced program
    writes to the standard output, too.)"""
    n, r = storm(f'config = {{ perf_rb_pages = 4096 }} uprobe:{STORM}:hit {{ printf("%d %d %s\\n", tid, arg0, str(arg1, 80)); }}', threads,
                 20_000, "-o", tmp_path / "out")
    seen, bad = {}, []
    for line in (tmp_path / "out").read_text().split("\n"):
        m = re.fullmatch(r"(\d+) (\d+) sixty-three bytes of text to be read out of the traced program", line)
        if m:
            seen.setdefault(m[1], []).append(int(m[2]))
        elif line:
            bad.append(line)
    assert not bad, bad[:5]
    assert list(seen.values()) == [list(range(n))] * threads and "Lost" not in r.err


def test_lines_that_go_around_the_end_of_the_ring(tmp_path):
    """A ring of 64 KiB that is filled many times, with records of many lengths: what is printed is whole and in order."""
    text = "sixty-three bytes of text to be read out of the traced program"
    n, r = storm(f"""config = {{ perf_rb_pages = 16 }} uprobe:{STORM}:hit {{
        if (arg0 % 3) {{ printf("%d %s\\n", arg0, str(arg1, 40)); }} else {{ printf("%d %d %s\\n", arg0, -1, str(arg1, 80)); }} }}""", 1,
                 200_000, "-o", tmp_path / "out")
    lines = (tmp_path / "out").read_text().rstrip("\n").split("\n")
    lost = int((re.search(r"Lost (\d+) event", r.err) or [0, 0])[1])
    numbers = [int(line.split()[0]) for line in lines]

    assert len(lines) + lost == n and sum(map(len, lines)) > 3 * 64 << 10, (len(lines), lost)
    assert lines == [f"{i} {text[:40]}" if i % 3 else f"{i} -1 {text}" for i in numbers]
    assert numbers == sorted(set(numbers))


def test_keys_and_strings_of_preempted_threads_do_not_mix():
    """Keys, strings and tuples are built in memory that another task on the processor may want at the same time."""
    n, r = storm(f"""uprobe:{STORM}:hit {{ $k = (tid, str(arg1)); @[$k.0, $k.1, tid] = count(); @s[str(arg1), arg0 % 3] = count();
        if ($k.0 != tid) {{ @wrong = count(); }} }}""", 16, EVENTS // 2)
    keys = re.findall(r"^@\[(\d+), sixty-three bytes of text to be read out of the traced program, (\d+)\]: (\d+)$", r.out, re.M)

    assert len(keys) == 16 and all(a == b and int(c) == n for a, b, c in keys), r.out[:2000]
    assert "@wrong" not in r.out
    assert sum(map(int, re.findall(r"^@s\[.*\]: (\d+)$", r.out, re.M))) == 16 * n


def test_entry_and_return_agree():
    n, r = storm(f"uprobe:{STORM}:hit {{ @in = count(); @start[tid] = nsecs; }} "
                 f"uretprobe:{STORM}:hit /@start[tid]/ {{ @out = count(); @ns = hist(nsecs - @start[tid]); delete(@start, tid); }}", 4, EVENTS // 2)
    v = values(r)
    assert v["@in"] == v["@out"] == 4 * n == sum(buckets(r, "@ns").values())
    assert "@start" not in r.out


def test_maps_and_losses_in_json_are_the_same_numbers():
    n, r = storm(f"uprobe:{STORM}:hit {{ @ = count(); @k[arg0 % 3] = sum(arg0); @h = hist(arg0 % 10); }}", 2, EVENTS // 4, "-f", "json")
    rows = [json.loads(line) for line in r.lines if line.startswith("{")]
    data = {}
    for row in rows:
        if row["type"] in ("map", "hist"):
            data.update(row["data"])
    assert data["@"] == 2 * n and data["@k"] == {str(k): 2 * sum(range(k, n, 3)) for k in range(3)}
    assert sum(b["count"] for b in data["@h"]) == 2 * n


def test_exit_in_a_flood_stops_the_count_once():
    r = run_awl("-q", "-e", f"uprobe:{STORM}:hit {{ @ = count(); if (arg0 == 1000) {{ exit(); }} }}", "-c", f"{STORM} 100000000 1", timeout=60)
    assert r.code == 0 and "@: 1001" in r.lines, r


def test_exit_with_printed_lines_keeps_all_before_it():
    r = run_awl("-q", "-e", f'uprobe:{STORM}:hit {{ printf("%d\\n", arg0); if (arg0 == 500) {{ exit(); }} }}', "-c", f"{STORM} 100000000 1", timeout=60)
    assert [line for line in r.lines if line.isdigit()] == [str(i) for i in range(501)]


def test_clear_and_print_in_a_flood_lose_nothing():
    """What print() shows before clear() and what is there at the end add up: nothing falls between the two."""
    n, r = storm(f"uprobe:{STORM}:hit {{ @n = count(); @all = count(); }} interval:ms:20 {{ print(@n); }}", 2)
    v = values(r)
    assert v["@all"] == v["@n"] == 2 * n
    shown = [int(x) for x in re.findall(r"^@n: (\d+)$", r.out, re.M)]
    assert shown == sorted(shown)


def test_intervals_in_a_flood_are_all_there():
    """The kernel leaves a perf event's program out when it interrupts another program: one in eighty here."""
    floods = [subprocess.Popen(["dd", "if=/dev/zero", "of=/dev/null", "bs=1"], stderr=subprocess.DEVNULL) for _ in range(os.cpu_count())]
    try:
        r = run_awl("-q", "-e", """tracepoint:raw_syscalls:sys_enter /comm == "dd"/ { @h = hist(args.id); @s[ustack(3)] = count(); }
            tracepoint:raw_syscalls:sys_exit /comm == "dd"/ { @k[kstack(5)] = count(); }
            interval:ms:5 { @ticks++; } interval:s:3 { clear(@h); clear(@s); clear(@k); @elapsed = elapsed; exit(); }""", timeout=120)
    finally:
        for p in floods:
            p.kill()
            p.wait()
    v = values(r)
    assert 3 * 200 <= v["@ticks"] <= v["@elapsed"] // 5_000_000, r
    assert "missed" not in r.err, r


def test_counts_of_system_calls_match_the_program(awl):
    r = awl("-q", "-e", "tracepoint:syscalls:sys_enter_write /comm == \"dd\"/ { @w = count(); @bytes = sum(args.count); } "
            "tracepoint:syscalls:sys_exit_write /comm == \"dd\"/ { @r = sum(args.ret); }",
            "-c", "dd if=/dev/zero of=/dev/null bs=7 count=30000 status=none")
    assert {"@w: 30000", "@bytes: 210000", "@r: 210000"} <= set(r.lines), r
