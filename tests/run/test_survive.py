"""Ends that nobody planned: full buffers, closed pipes, signals, targets that die. What was printed stays printed,
what was lost is counted, and nothing stays behind in the kernel or in the traced program."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import AWL, TARGETS, Tracer, run_awl

STORM = str(TARGETS / "storm")
ASAN = "asan" in AWL
EVENTS = 100_000 if ASAN else 300_000


def lost(r, what="event"):
    m = re.search(rf"Lost (\d+) {what}", r.err)
    return int(m.group(1)) if m else 0


def bpf_objects(pid):
    """(kind, id) of the programs, maps and links that process `pid` has descriptors of."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            info = open(f"/proc/{pid}/fdinfo/{fd}").read()
        except FileNotFoundError:
            continue
        for kind in ("prog", "map", "link"):
            if m := re.search(rf"^{kind}_id:\t(\d+)$", info, re.M):
                found.add((kind, m.group(1)))
    return found


def still_there(objects):
    return {o for o in objects if subprocess.run(["bpftool", o[0], "show", "id", o[1]], capture_output=True).returncode == 0}


def gone(pid, timeout=10):
    """No process `pid`, and with it none of the descriptors that programs and links live by."""
    end = time.monotonic() + timeout
    while os.path.exists(f"/proc/{pid}/fd"):
        state = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
        if state == "Z":
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def start_target(name, *args):
    p = subprocess.Popen([str(TARGETS / name), *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    p.stdout.readline()
    return p


def wait_for(check, timeout=15):
    end = time.monotonic() + timeout
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def mapping(pid, path):
    for line in open(f"/proc/{pid}/maps"):
        fields = line.split()
        if len(fields) > 5 and fields[5] == path and "x" in fields[1]:
            return [int(x, 16) for x in fields[0].split("-")]
    return None


def text_of(pid, path):
    """The bytes of the executable mapping of `path` in process `pid`, as they are in its memory now."""
    assert wait_for(lambda: mapping(pid, path)), "it does not start"
    a, b = mapping(pid, path)
    with open(f"/proc/{pid}/mem", "rb") as f:
        f.seek(a)
        return f.read(b - a)


# ---- full things ----

def test_full_ring_printed_plus_lost_is_what_happened(awl):
    r = awl("-q", "-e", f'config = {{ perf_rb_pages = 1 }} uprobe:{STORM}:hit {{ printf("%d %s\\n", arg0, str(arg1)); }}',
            "-c", f"{STORM} {EVENTS // 2} 2", timeout=120)
    printed = sum(1 for line in r.lines if line.endswith("traced program"))
    assert printed + lost(r) == EVENTS, (printed, lost(r), r.err)
    assert lost(r) == 0 or ("ring buffer" in r.err and "perf_rb_pages" in r.err)


def test_full_ring_in_json(awl):
    r = awl("-q", "-f", "json", "-e", f'config = {{ perf_rb_pages = 1 }} uprobe:{STORM}:hit {{ printf("%d", arg0); }}',
            "-c", f"{STORM} {EVENTS // 2} 2", timeout=120)
    rows = [json.loads(line) for line in r.lines if line.startswith("{")]
    printed = sum(row["type"] == "printf" for row in rows)
    assert printed + sum(row["count"] for row in rows if row["type"] == "lost_events") == EVENTS, (printed, r.err)


def test_full_map_losses_are_exact(awl):
    r = awl("-q", "-e", f"config = {{ max_map_keys = 100 }} uprobe:{STORM}:hit {{ @n[arg0] = count(); @all = count(); }}",
            "-c", f"{STORM} 20000 2")
    kept = [int(m) for m in re.findall(r"^@n\[\d+\]: (\d+)$", r.out, re.M)]
    assert len(kept) == 100 and "@all: 40000" in r.lines
    assert sum(kept) + lost(r, "updates? of @n") == 40000, r.err
    assert "100 keys" in r.err and "max_map_keys" in r.err


def test_full_declared_map(awl):
    r = awl("-q", "-e", f"let @n = hash(7); uprobe:{STORM}:hit {{ @n[arg0] = 1; }}", "-c", f"{STORM} 1000 1")
    assert len(re.findall(r"^@n\[", r.out, re.M)) == 7 and lost(r, "updates? of @n") == 993, r


def test_lru_map_loses_nothing_silently_and_never_fills(awl):
    r = awl("-q", "-e", f"let @n = lruhash(64); uprobe:{STORM}:hit {{ @n[arg0] = 1; }}", "-c", f"{STORM} 5000 1")
    assert 1 <= len(re.findall(r"^@n\[", r.out, re.M)) <= 64 * (os.cpu_count() + 1) and "updates" not in r.err, r


# ---- outputs that end ----

def test_closed_pipe_ends_the_run_promptly():
    start = time.monotonic()
    p = subprocess.run(["sh", "-c", f"{AWL} -q -e 'interval:ms:1 {{ printf(\"tick\\n\"); }}' | head -1"], capture_output=True, timeout=30)
    assert p.stdout == b"tick\n" and time.monotonic() - start < 10


def test_closed_pipe_has_a_sane_exit_code():
    p = subprocess.Popen([AWL, "-q", "-e", 'interval:ms:1 { printf("tick\\n"); }'], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.readline()
    p.stdout.close()
    err = p.stderr.read()
    p.stderr.close()
    assert p.wait(15) in (0, 1, 255, -signal.SIGPIPE), err
    assert b"Sanitizer" not in err


def test_full_disk_is_an_error(awl):
    r = awl("-q", "-o", "/dev/full", "-e", 'begin { printf("x\\n"); exit(); }')
    assert r.code != 0 and "No space left" in r.err, r
    p = subprocess.run(f"{AWL} -q -e 'begin {{ printf(\"x\\n\"); exit(); }}' > /dev/full", shell=True, capture_output=True, timeout=30)
    assert p.returncode != 0 and b"No space left" in p.stderr


def test_list_into_a_closed_pipe():
    p = subprocess.run(["sh", "-c", f"{AWL} -l | head -1"], capture_output=True, timeout=30)
    assert p.stdout.count(b"\n") == 1 and b"Sanitizer" not in p.stderr


def test_slow_reader_loses_nothing_silently():
    p = subprocess.Popen([AWL, "-q", "-e", f'uprobe:{STORM}:hit {{ printf("line %d\\n", arg0); }}', "-c", f"{STORM} {EVENTS // 2} 2"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out = []
    while chunk := p.stdout.read1(8192):
        out.append(chunk)
        if len(out) < 200:
            time.sleep(0.005)
    err = p.stderr.read().decode()
    p.stderr.close()
    p.stdout.close()
    assert p.wait(60) == 0, err
    m = re.search(r"Lost (\d+) event", err)
    # the traced program writes its number of calls into the same pipe, maybe in the middle of a line
    assert b"".join(out).replace(b"%d\n" % EVENTS, b"").count(b"line ") + (int(m.group(1)) if m else 0) == EVENTS, err


# ---- signals ----

@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_with_the_maps(sig):
    with Tracer("-e", "tracepoint:raw_syscalls:sys_enter { @ = count(); } end { printf(\"end\\n\"); }") as t:
        time.sleep(0.2)
        r = t.finish(sig)
    assert r.code == 0 and re.search(r"^@: \d+$", r.out, re.M) and "end" in r.lines, r


def test_interrupt_in_a_flood_leaves_at_once_with_exact_totals():
    storm = subprocess.Popen([STORM, "1000000000", "2"], stdout=subprocess.DEVNULL)
    try:
        with Tracer("-e", f'uprobe:{STORM}:hit {{ @ = count(); printf("%d\\n", arg0); }}') as t:
            time.sleep(0.5)
            start = time.monotonic()
            r = t.finish()
        took = time.monotonic() - start
    finally:
        storm.kill()
        storm.wait()
    total = int(re.search(r"^@: (\d+)$", r.out, re.M).group(1))
    printed = sum(line.isdigit() for line in r.lines)
    assert r.code == 0 and printed + lost(r) == total, (printed, lost(r), total)
    assert took < (20 if ASAN else 5), took


def test_second_interrupt_ends_a_run_that_cannot_write():
    p = subprocess.Popen([AWL, "-q", "-e", 'interval:us:500 { printf("%s\\n", "a long line of text to fill the pipe with, again and again"); }'],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # nobody reads
    time.sleep(1.5)
    p.send_signal(signal.SIGINT)
    time.sleep(0.5)
    p.send_signal(signal.SIGINT)
    try:
        p.wait(10)
    finally:
        p.kill()
        p.stdout.close()
        p.stderr.close()
        p.wait()
    assert p.returncode != -signal.SIGKILL


def test_timeout_sends_its_signal_twice():
    """timeout(1) signals the command and then its group: both are one wish to end, and what is there is printed."""
    took = 1
    while took > 0.2:  # between the two, on a loaded machine
        p = subprocess.Popen([AWL, "-q", "-e", 'interval:us:500 { @ = count(); printf("%s\\n", "a long line of text to fill the pipe with"); }'],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # nobody reads yet: it cannot have ended
        time.sleep(1.5)
        start = time.monotonic()
        p.send_signal(signal.SIGINT)
        time.sleep(0.02)
        p.send_signal(signal.SIGINT)
        took = time.monotonic() - start
        out = p.communicate(timeout=60)[0]
    assert p.returncode == 0 and re.search(rb"^@: \d+$", out, re.M), (p.returncode, out[-100:])


def test_exit_in_a_flood_is_not_lost():
    r = run_awl("-q", "-e", f'uprobe:{STORM}:hit {{ printf("%d\\n", arg0); if (arg0 == 50000) {{ exit(9); }} }}', "-c", f"{STORM} 100000000 2", timeout=60)
    assert r.code == 9


# ---- targets that end ----

def test_traced_process_ends_by_pid():
    p = start_target("calls", "20", "go")
    with Tracer("-e", f"uprobe:{TARGETS / 'calls'}:tick {{ @ = count(); }}", "-p", p.pid) as t:
        p.communicate("go\n")
        r = t.finish(sig=None)
    assert r.code == 0 and "@: 20" in r.lines, r


def test_traced_process_is_killed():
    p = subprocess.Popen([STORM, "1000000000", "2"])
    with Tracer("-e", f"uprobe:{STORM}:hit {{ @ = count(); }}", "-p", p.pid) as t:
        time.sleep(0.2)
        p.kill()
        p.wait()
        r = t.finish(sig=None)
    assert r.code == 0 and re.search(r"^@: [1-9]\d*$", r.out, re.M), r


def test_binary_is_deleted_while_traced(tmp_path):
    import shutil
    binary = shutil.copy(STORM, tmp_path / "mine")
    with Tracer("-e", f"uprobe:{binary}:hit {{ @ = count(); }}") as t:
        subprocess.run([binary, "1000", "1"], stdout=subprocess.DEVNULL)
        os.unlink(binary)
        r = t.finish()
    assert r.code == 0 and "@: 1000" in r.lines, r


def test_command_that_fails_or_crashes(awl):
    r = awl("-q", "-e", "tracepoint:raw_syscalls:sys_enter { @ = count(); }", "-c", "sh -c 'kill -SEGV $$'")
    assert r.code == 0 and "@: " in r.out, r


def test_command_does_not_outlive_awl():
    with Tracer("-e", "interval:ms:50 { exit(); }", "-c", "sleep 1000") as t:
        child = subprocess.run(["pgrep", "-P", str(t.p.pid)], capture_output=True, text=True).stdout.split()
        r = t.finish(sig=None)
    assert r.code == 0
    assert all(gone(pid) for pid in child), child


# ---- kill -9 ----

def many_symbols(path, limit=2000):
    out = subprocess.run(["nm", path], capture_output=True, text=True).stdout
    return [line.split()[2] for line in out.splitlines() if " T " in line][:limit]


def test_kill_9_leaves_nothing_behind():
    """Many probes in a running program: its text is as before, and the kernel holds nothing of awl's."""
    path = str(TARGETS / "many")
    p = subprocess.Popen([STORM, "1000000000", "1"], stdout=subprocess.DEVNULL)
    try:
        before = text_of(p.pid, STORM)
        with Tracer("-e", f"uprobe:{STORM}:hit {{ @ = count(); }} uprobe:{path}:* {{ @many = count(); }}") as t:
            during = text_of(p.pid, STORM)
            objects = bpf_objects(t.p.pid)
            t.p.kill()
            t.p.wait()
        assert during != before, "the probe was there"
        assert wait_for(lambda: text_of(p.pid, STORM) == before), "the probe is gone"
        assert p.poll() is None, "the traced program runs on"
        assert {kind for kind, _ in objects} >= {"prog", "map"}
        assert wait_for(lambda: not still_there(objects)), still_there(objects)
    finally:
        p.kill()
        p.wait()


def test_semaphores_are_zero_again_after_kill_9():
    p = start_target("calls", "1000", "go")
    path = str(TARGETS / "calls")
    probes = run_awl("-l", f"usdt:{path}:*").lines
    assert any(line.startswith("usdt:") for line in probes), probes
    try:
        def data():
            sums = []
            for line in open(f"/proc/{p.pid}/maps"):
                f = line.split()
                if len(f) > 5 and f[5] == path and f[1].startswith("rw"):
                    a, b = (int(x, 16) for x in f[0].split("-"))
                    with open(f"/proc/{p.pid}/mem", "rb") as m:
                        m.seek(a)
                        sums.append(m.read(b - a))
            return sums
        before = data()
        with Tracer("-e", f"usdt:{path}:* {{ @ = count(); }}") as t:
            during = data()
            t.p.kill()
            t.p.wait()
        assert wait_for(lambda: data() == before), "semaphores count users that are gone"
        assert during != before, "the semaphore was raised while traced"
    finally:
        p.stdin.close()
        p.kill()
        p.wait()
        p.stdout.close()


@pytest.fixture(scope="module")
def shelves(tmp_path_factory):
    """A running program of 1,000 functions, each with a USDT probe and a semaphore."""
    place = tmp_path_factory.mktemp("shelves")
    n, source = 1000, ['#include <stdio.h>', '#include <unistd.h>', '#include "usdt_note.h"']
    for i in range(n):
        source.append(f'unsigned short sem{i} __attribute__((section(".probes"), used));\n'
                      f'__attribute__((noinline)) int shelf{i}(int x);\n'
                      f'int shelf{i}(int x) {{ USDT_NOTE3("shelf", "p{i}", sem{i}, (long)x, 1, x); return x + {i}; }}')
    source.append('int main(void) { int s = 0; puts("ready"); fflush(stdout);\nfor (;;) { usleep(1000);')
    source += [f"s += shelf{i}(s);" for i in range(n)] + ["} }"]
    (place / "shelves.c").write_text("\n".join(source))
    path = str(place / "shelves")
    subprocess.run(["cc", "-O1", "-fno-omit-frame-pointer", "-I", pathlib.Path(__file__).parent / "targets", "-o", path,
                    place / "shelves.c"], check=True)
    p = subprocess.Popen([path], stdout=subprocess.PIPE, text=True)
    p.stdout.readline()
    yield p, path
    p.kill()
    p.wait()
    p.stdout.close()


def semaphores_of(pid, path):
    """The section of semaphores as it is in the process."""
    line = next(x for x in subprocess.check_output(["readelf", "-SW", path], text=True).splitlines() if " .probes " in x)
    addr, size = (int(x, 16) for x in (line.split("PROGBITS")[1].split()[i] for i in (0, 2)))
    with open(f"/proc/{pid}/maps") as maps:
        base = int(maps.readline().split("-")[0], 16)
    with open(f"/proc/{pid}/mem", "rb") as mem:
        mem.seek(base + addr)
        return mem.read(size)


def kill_in_the_middle(path, delay):
    """Starts awl on 2,000 places and kills it after a while; (its objects in the kernel, whether it was attached)."""
    script = f"uprobe:{path}:shelf* {{ @ = count(); }} usdt:{path}:shelf:* {{ @u = count(); }}"
    p = subprocess.Popen([AWL, "-e", script], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(delay)
    p.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, p.pid, os.WSTOPPED)
    objects = bpf_objects(p.pid)
    p.kill()
    said = p.communicate()[1]
    return objects, b"Attached" in said


@pytest.mark.skipif(not shutil.which("bpftool") or not shutil.which("cc"), reason="no bpftool, or no compiler")
def test_kill_9_in_the_middle_of_attaching(shelves):
    """AWL_KILL_ROUNDS=100 for a long run."""
    target, path = shelves
    text, semaphores = text_of(target.pid, path), semaphores_of(target.pid, path)
    objects, delay = set(), 0.02
    for _ in range(int(os.environ.get("AWL_KILL_ROUNDS", "8"))):
        seen, done = kill_in_the_middle(path, delay)
        # Feel for the moment when it attaches: later while it is not there, earlier when it is past.
        delay = max(0.005, delay * (0.8 if done else 1.3))
        objects |= seen
        assert wait_for(lambda: text_of(target.pid, path) == text), "breakpoints are left"
        assert wait_for(lambda: semaphores_of(target.pid, path) == semaphores), "semaphores count users that are gone"
        assert target.poll() is None, "the traced program runs on"
    assert any(kind == "prog" for kind, _ in objects), "it was killed before it did anything"
    assert wait_for(lambda: not still_there(objects)), still_there(objects)


def test_normal_end_leaves_nothing_behind():
    with Tracer("-e", f"uprobe:{STORM}:hit {{ @[arg0] = count(); }} profile:hz:99 {{ @p[kstack] = count(); }} "
                "tracepoint:sched:sched_switch { @s = count(); }") as t:
        objects = bpf_objects(t.p.pid)
        t.finish()
    assert {kind for kind, _ in objects} >= {"prog", "map"}
    assert wait_for(lambda: not still_there(objects)), still_there(objects)


def test_the_target_is_whole_again_after_a_normal_end():
    p = subprocess.Popen([STORM, "1000000000", "1"], stdout=subprocess.DEVNULL)
    try:
        before = text_of(p.pid, STORM)
        with Tracer("-e", f"uprobe:{STORM}:* {{ @ = count(); }} uretprobe:{STORM}:hit {{ @r = count(); }}") as t:
            assert text_of(p.pid, STORM) != before
            t.finish()
        assert wait_for(lambda: text_of(p.pid, STORM) == before) and p.poll() is None
    finally:
        p.kill()
        p.wait()


VECTOR = r"""
#include <stdio.h>
__asm__(".text\n.globl begins_vector\n.type begins_vector,@function\nbegins_vector:\n"
        "vpcmpeqb %xmm0,%xmm0,%xmm1\nvmovq %xmm1,%rax\nret\n.size begins_vector,.-begins_vector\n");
unsigned long begins_vector(void);
__attribute__((noinline)) void begins_plain(void) { __asm__ volatile(""); }
int main(void)
{
    if (!__builtin_cpu_supports("avx"))
        return 77;
    for (int i = 0; i < 10; i++) {
        begins_plain();
        __asm__ volatile("vpxor %%xmm1,%%xmm1,%%xmm1" ::: "xmm0", "xmm1");
        if (begins_vector() != ~0ul)
            return 1;
    }
    return puts("computed right") < 0;
}
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="vector prefixes of x86")
def test_instruction_that_the_kernel_mistakes(awl, tmp_path):
    """The kernel would compute a jump for vpcmpeqb, whose opcode byte is that of one, and the program go wrong."""
    src, program = tmp_path / "v.c", tmp_path / "v"
    src.write_text(VECTOR)
    subprocess.run(["cc", "-O1", "-mavx", "-o", program, src], check=True)
    if subprocess.run([program]).returncode == 77:
        pytest.skip("the processor has no AVX")
    r = awl("-e", f"uprobe:{program}:begins_vector {{ @++ }}", "-c", str(program))
    assert r.code == 1 and "mistake this vector instruction for another" in r.err, r
    r = awl("-e", f"uprobe:{program}:begins_* {{ @[probe] = count(); }}", "-c", str(program))
    assert "computed right" in r.out and "begins_plain]: 10" in r.out and "begins_vector" not in r.out, r
