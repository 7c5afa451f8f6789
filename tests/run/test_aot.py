"""Programs compiled ahead of time: made by --aot, run from the file, with what a script does.

Most tests run a script and its compiled form and compare. `-v` says how a file was loaded, so that no test
passes by compiling again what should have been loaded as it is, or the other way round."""
import json
import os
import re
import socket
import signal
import subprocess
import time

import pytest
from conftest import AWL, TARGETS, Tracer, run_awl

LOADED = re.compile(r"^Loaded as compiled: \d+ facts, (\d+) moved, \d+ relocations$", re.M)
AGAIN = re.compile(r"^Compiled again: (.*)$", re.M)


def make(path, script, *options):
    """Compiles `script` to the file `path`; returns the path."""
    r = run_awl("--aot", "-o", path, *options, "-e", script)
    assert r.code == 0 and r.out == "", r
    return path


def loaded(r):
    assert LOADED.search(r.err) and not AGAIN.search(r.err), r
    return r


def again(r, why):
    m = AGAIN.search(r.err)
    assert m and why in m.group(1), r
    return r


def calls(n):
    return ["-c", f"{TARGETS}/calls {n}"]


SAME = {
    "printf": 'begin { printf("%-4d|%s|%x\\n", 7, "text", 255); exit(); }',
    "counts": 'begin { @a["x"] = count(); @a["y"] = count(); @a["x"] = count(); @n = sum(5); exit(); }',
    "hist": 'begin { @h = hist(5); @h = hist(500); @l = lhist(7, 0, 20, 5); @s = stats(10); exit(); }',
    "loop": 'begin { for ($i : 0..5) { @m[$i] = $i * $i; } for ($kv : @m) { @sum += $kv.1; } exit(); }',
    "tuples": 'begin { @t[1, "a"] = (2, "b", (3, 4)); @r = (x=1, y="z"); print((1, "two")); exit(3); }',
    "strings": 'begin { $s = "hello"; printf("%s %d %s\\n", $s, strlen($s), $s[1]); exit(); }',
    "functions": 'fn f($a: int64): int64 { return $a * 2; } begin { print(f(21)); exit(); }',
    "maps": 'begin { @x = 1; @y[1] = 2; print(@y); clear(@y); delete(@x); @z = -5 / 2; exit(); }',
    "warning": 'begin { warnf("careful %d", 3); errorf("bad %s", "thing"); exit(1); }',
    "end": 'begin { exit(); } end { printf("bye %s\\n", probe); }',
}


@pytest.mark.parametrize("name", SAME)
def test_same_as_the_script(tmp_path, name):
    script = SAME[name]
    file = make(tmp_path / "p.awlc", script)
    plain, compiled = run_awl("-e", script), run_awl("-v", file)
    assert (loaded(compiled).out, compiled.code) == (plain.out, plain.code)
    assert run_awl("-f", "json", file).out == run_awl("-f", "json", "-e", script).out


# The code of the file is the code that is made here, once addresses and offsets were put in.
CODE = [
    "tracepoint:sched:sched_switch { @[args.next_comm] = hist(args.prev_pid); }",
    "begin { printf(\"%d %d\\n\", curtask.real_parent.tgid, curtask.se.vruntime); }",
    "begin { print(curtask.sched_remote_wakeup); print(*(uint64 *)kaddr(\"vfs_read\")); }",
    "rawtracepoint:sched_switch { @[args.next.comm, args.prev.pid] = count(); }",
    "profile:hz:99 { @[kstack(5), ustack(3), comm] = count(); }",
    "begin { @x = *curtask.cred; print(sizeof(struct task_struct)); }",
    "tracepoint:syscalls:sys_enter_openat, tracepoint:syscalls:sys_enter_openat2 "
    "{ printf(\"%s %s\\n\", probe, str(args.filename)); }",
]


@pytest.mark.needs("BTF")
@pytest.mark.parametrize("script", CODE)
def test_same_code(tmp_path, script):
    file = make(tmp_path / "p.awlc", script)
    compiled = loaded(run_awl("-v", "-d", "bpf", file))
    assert compiled.out == run_awl("--no-feature", "CPU_V4", "-d", "bpf", "-e", script).out
    r = run_awl("--dry-run", file)
    assert r.code == 0, r


def test_tracepoint_arguments(tmp_path):
    file = make(tmp_path / "p.awlc", 'tracepoint:syscalls:sys_enter_read /comm == "dd"/ { @[args.count] = count(); }')
    with Tracer("-v", file) as t:
        subprocess.run(["dd", "if=/dev/zero", "of=/dev/null", "bs=100", "count=50"], stderr=subprocess.DEVNULL)
        r = loaded(t.finish())
    assert "@[100]: 50" in r.lines


def test_command_and_pid(tmp_path):
    """Filtering by process is decided at the run: the file's script is compiled for it."""
    file = make(tmp_path / "p.awlc", f'uprobe:{TARGETS}/calls:say {{ @[str(arg0)] = count(); }}')
    r = again(run_awl("-v", *calls(10), file), "certain processes are traced")
    assert "@[odd]: 5" in r.lines and "@[even number]: 5" in r.lines


SOURCE = """
#include <stdio.h>
%s
__attribute__((noinline)) int moved(int n) { __asm__ volatile("" ::: "memory"); return n * 3; }
int main(void) { int s = 0; for (int i = 0; i < 20; i++) s += moved(i); printf("%%d\\n", s); return 0; }
"""
PADDING = "".join(f"__attribute__((noinline, used)) int pad{i}(int n) {{ return n ^ {i}; }}\n" for i in range(40))


def compile_c(path, padding):
    subprocess.run(["gcc", "-O1", "-x", "c", "-", "-o", path], input=(SOURCE % padding).encode(), check=True)


def address(path):
    out = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    return next(line.split()[0] for line in out.splitlines() if line.endswith(" moved"))


@pytest.mark.needs("UPROBE")
def test_symbol_that_moved(tmp_path):
    target = tmp_path / "target"
    compile_c(target, "")
    before = address(target)
    file = make(tmp_path / "p.awlc", f"uprobe:{target}:moved {{ @[probe, ustack(1)] = count(); @n = sum(arg0); }}")
    target.unlink()
    compile_c(target, PADDING)
    assert address(target) != before
    with Tracer("-v", file) as t:
        subprocess.run([target], check=True, stdout=subprocess.DEVNULL)
        r = loaded(t.finish())
    assert "@n: 190" in r.lines
    assert re.search(r"moved\+\d+", r.out) and "]: 20" in r.out, r


@pytest.mark.needs("UPROBE")
def test_symbol_that_is_gone(tmp_path):
    target = tmp_path / "target"
    compile_c(target, "")
    file = make(tmp_path / "p.awlc", f"uprobe:{target}:moved {{ @ = count(); }}")
    target.unlink()
    subprocess.run(["gcc", "-x", "c", "-", "-o", target], input=b"int main(void) { return 0; }", check=True)
    r = run_awl(file)
    assert r.code == 1 and "the file has that name" in r.err and "-e:1:1" in r.err, r


@pytest.mark.needs("UPROBE")
def test_wildcard_is_expanded_where_it_runs(tmp_path):
    target = tmp_path / "target"
    compile_c(target, "")
    file = make(tmp_path / "p.awlc", f"uprobe:{target}:mov* {{ @[probe] = count(); }}")
    target.unlink()
    compile_c(target, "__attribute__((noinline, used)) int move2(int n) { return n; }")
    r = again(run_awl("-v", "-l", file), "its probes are not the same here")
    assert sorted(r.lines) == [f"uprobe:{target}:move2", f"uprobe:{target}:moved"]


def test_usdt(tmp_path):
    file = make(tmp_path / "p.awlc", f"usdt:{TARGETS}/calls:demo:tick {{ @[arg0] = count(); }}")
    with Tracer("-v", file) as t:
        subprocess.run([TARGETS / "calls", "3"], stdout=subprocess.DEVNULL)
        r = loaded(t.finish())
    assert "@[2]: 1" in r.lines


def test_stacks(tmp_path):
    file = make(tmp_path / "p.awlc", f"uprobe:{TARGETS}/calls:tick {{ @[ustack(3)] = count(); }}")
    with Tracer("-v", file) as t:
        subprocess.run([TARGETS / "calls", "7"], stdout=subprocess.DEVNULL)
        r = loaded(t.finish())
    assert re.search(r"tick\+\d+", r.out) and "main" in r.out and "]: 7" in r.out, r


def test_without_its_sources(tmp_path):
    """Imports and headers are in the file: a run that compiles again does not look for them."""
    lib = tmp_path / "lib"
    lib.mkdir(mode=0o755)
    (lib / "half.bt").write_text("fn half($a: int64): int64 { return $a / 2; }\n")
    (lib / "limit.h").write_text("#define LIMIT 42\n")
    script = lib / "main.bt"
    script.write_text('#include "limit.h"\nimport "half.bt";\nbegin { print(half(LIMIT) + $1); exit(); }\n')
    file = tmp_path / "p.awlc"
    assert run_awl("--aot", "-o", file, script, "1").code == 0
    for f in lib.iterdir():
        f.unlink()
    lib.rmdir()
    assert loaded(run_awl("-v", file)).lines == ["22"]
    assert loaded(run_awl("-v", file, "1")).lines == ["22"]
    assert again(run_awl("-v", file, "9"), "other parameters").lines == ["30"]


def test_feature_that_is_missing(tmp_path):
    script = 'begin { @m[1] = 5; $s = 0; while ($s < 3) { $s++; } printf("%d %s\\n", $s, comm); exit(); }'
    file = make(tmp_path / "p.awlc", script)
    r = again(run_awl("-v", "--no-feature", "COMM_PADS", file), "feature COMM_PADS: 1 there, 0 here")
    assert r.out == loaded(run_awl("-v", file)).out
    assert run_awl("--no-feature", "COMM_PADS", "-d", "bpf", file).out == \
        run_awl("--no-feature", "COMM_PADS", "-d", "bpf", "-e", script).out


def test_environment(tmp_path):
    script = 'begin { printf("%s\\n", str(0, 5)); @[comm] = count(); exit(); }'
    file = make(tmp_path / "p.awlc", script)
    again(run_awl("-v", file, env={"AWL_MAX_MAP_KEYS": "7"}), "environment")


def test_unsafe_is_asked_at_the_run(tmp_path):
    script = 'begin { system("echo from the shell"); exit(); }'
    assert run_awl("--aot", "-o", tmp_path / "p.awlc", "-e", script).code == 1
    assert not (tmp_path / "p.awlc").exists()
    file = make(tmp_path / "p.awlc", script, "--unsafe")
    r = run_awl(file)
    assert r.code == 1 and "--unsafe" in r.err and "-e:1:9" in r.err, r
    assert "from the shell" in loaded(run_awl("-v", "--unsafe", file)).out


def test_list_and_describe(tmp_path):
    file = make(tmp_path / "p.awlc", "begin { @[comm] = count(); } interval:s:1 { exit(); }")
    assert run_awl("-l", file).lines == ["begin", "interval:s:1"]
    lines = run_awl("--info", file).lines
    assert re.match(r"compiled program, format 1, made by awl \S+ from -e$", lines[0])
    assert any(re.match(r"  feature COMM_PADS = [01]: must be the same$", line) for line in lines), lines


def test_output_and_buffering(tmp_path):
    file = make(tmp_path / "p.awlc", 'begin { printf("one\\n"); exit(4); }')
    r = run_awl("-q", "-B", "full", "-o", tmp_path / "out", file)
    assert (r.code, r.out, r.err) == (4, "", "") and (tmp_path / "out").read_text().rstrip() == "one"
    r = run_awl("-f", "json", file)
    assert any(json.loads(line) == {"type": "printf", "data": "one\n"} for line in r.lines), r


def test_interrupted(tmp_path):
    file = make(tmp_path / "p.awlc", "interval:ms:10 { @n = count(); } end { printf(\"end\\n\"); }")
    with Tracer("-v", file) as t:
        time.sleep(0.2)
        r = loaded(t.finish(signal.SIGINT))
    assert r.code == 0 and "end" in r.lines and re.search(r"@n: [1-9]", r.out)


def refused(path, why):
    for options in ([], ["--info"], ["--dry-run"], ["-l"]):
        r = run_awl(*options, path)
        assert r.code == 1 and r.out == "" and why in r.err and "= help: " in r.err, r


def test_files_that_are_no_good(tmp_path):
    file = make(tmp_path / "p.awlc", SAME["hist"])
    good = file.read_bytes()
    bad = tmp_path / "bad.awlc"

    def change(at, byte):
        bad.write_bytes(good[:at] + bytes([byte]) + good[at + 1:])

    bad.write_bytes(good[:-5])
    refused(bad, "it is cut short")
    bad.write_bytes(good[:40])
    refused(bad, "it is cut short")
    bad.write_bytes(good + b"x")
    refused(bad, "something was added at its end")
    change(len(good) // 2, good[len(good) // 2] ^ 4)
    refused(bad, "its checksum is wrong")
    change(8, 2)
    refused(bad, "newer than this awl")
    change(12, 8)
    refused(bad, "another kind of processor")
    change(10, 0x12)
    refused(bad, "the other byte order")


def test_tests_and_benchmarks_are_compiled_when_they_are_run(tmp_path):
    script = 'begin { print("traced"); exit(); } test:right { return 0; } test:wrong { return 1; } bench:fast { @ = count(); }'
    file = make(tmp_path / "p.awlc", script)
    assert loaded(run_awl("-q", "-v", file)).lines == ["traced"]
    r = again(run_awl("--test", "-v", file), "its tests are to be run")
    assert r.code == 1 and "right" in r.out and "wrong" in r.out and "traced" not in r.out
    r = again(run_awl("--bench", "-v", file), "its tests are to be run")
    assert r.code == 0 and "fast" in r.out
    for option in ["--test", "--bench", "-k"]:
        r = run_awl("--aot", option, "-o", tmp_path / "x", "-e", script)
        assert r.code == 1 and "belong to the run" in r.err and not (tmp_path / "x").exists()


def test_helpers_that_fail_are_told_of(tmp_path):
    file = make(tmp_path / "p.awlc", 'begin { printf("[%s]\\n", str(8)); exit(); }')
    assert "probe_read" not in loaded(run_awl("-v", file)).err
    r = again(run_awl("-v", "-k", file), "helpers that fail")
    assert "[]" in r.lines and "probe_read" in r.err


def test_help_and_named_parameters(tmp_path):
    """Kept in the file as they were given; others are compiled with."""
    script = 'begin { $n = getopt("times", 3, "how many"); printf("%d\\n", $n); exit(); }'
    file = tmp_path / "p.awlc"
    r = run_awl("--aot", "-o", file, "-e", script, "--", "--times=7")
    assert r.code == 0, r
    assert loaded(run_awl("-q", "-v", file)).lines == ["7"]
    assert again(run_awl("-q", "-v", file, "--", "--times=9"), "other parameters").lines == ["9"]
    assert "how many" in run_awl(file, "--", "--help").out
    r = run_awl("--aot", "-o", file, "-e", script, "--", "--help")
    assert r.code == 0, r
    plain, compiled = run_awl("-e", script, "--", "--help"), run_awl("-v", file)
    assert "how many" in plain.out and (loaded(compiled).out, compiled.code) == (plain.out, plain.code)


@pytest.mark.needs("TP_BTF")
def test_kernel_functions_that_are_called(tmp_path):
    """Their ids are put in; whether they may be called is asked again."""
    asked = run_awl("-q", "-e", 'interval:ms:1 { print(kfunc_allowed("bpf_task_from_pid")); exit(); }')
    if asked.lines != ["true"]:
        pytest.skip("no such kernel function")
    script = ('interval:ms:1 { $t = bpf_task_from_pid(1); if ($t) { printf("%d\\n", $t.tgid); bpf_task_release($t); } '
              'print(kfunc_allowed("bpf_task_from_pid")); print(kfunc_allowed("vfs_read")); exit(); }')
    file = make(tmp_path / "p.awlc", script)
    assert loaded(run_awl("-q", "-v", file)).lines == run_awl("-q", "-e", script).lines
    facts = run_awl("--info", file).out
    assert re.search(r"BTF id 12 bpf_task_from_pid = \d+ .*followed", facts), facts
    assert re.search(r"to be called .*bpf_task_from_pid = 1: must be the same", facts), facts


@pytest.mark.needs("TP_BTF")
def test_packets_of_a_compiled_program(tmp_path):
    capture = tmp_path / "sent.pcap"
    file = make(tmp_path / "p.awlc", f'rawtracepoint:net_dev_queue {{ skboutput("{capture}", args.skb, 128, 0); }}')
    with Tracer("-v", file) as t, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"compiled ahead of time", ("127.0.0.1", 47719))
        loaded(t.finish())
    assert b"compiled ahead of time" in capture.read_bytes()


def test_headers_and_imports_are_in_the_file(tmp_path):
    """What a script includes, also an import inside of a block, is not needed when it is run."""
    (tmp_path / "lib.bt").write_text("fn twice($n: int64): int64 { return $n * 2; }\n")
    (tmp_path / "own.h").write_text("#include <linux/types.h>\nstruct own { __u8 a; __u64 b : 3; __u64 c : 9; };\n#define ANSWER (6 * 7u)\n")
    script = tmp_path / "s.bt"
    script.write_text('#include "own.h"\nbegin { import "lib.bt"; printf("%d %d %d\\n", twice(4), sizeof(struct own), ANSWER); exit(); }\n')
    file = tmp_path / "p.awlc"
    r = run_awl("--aot", "-o", file, script)
    assert r.code == 0, r
    for name in ["lib.bt", "own.h", "s.bt"]:
        (tmp_path / name).unlink()
    assert loaded(run_awl("-q", "-v", file)).lines == ["8 8 42"]
    assert again(run_awl("-q", "-v", file, "1"), "other parameters").lines == ["8 8 42"]


def test_wrong_uses(tmp_path):
    file = make(tmp_path / "p.awlc", "begin { exit(); }")
    for args, why in [
        (["--aot", "-e", "begin { }"], "needs -o FILE"),
        (["--aot", "-o", tmp_path / "x", "-p", str(os.getpid()), "-e", "begin { }"], "-c, -p, -k, --probe-filter, --max-rate, --max-overhead, --test and --bench"),
        (["--aot", "-o", tmp_path / "x", file], "is compiled already"),
        (["--fmt", file], "is compiled"),
        (["-I", "/usr/include", file], "has its headers in it"),
        (["--aot", "-o", tmp_path / "no" / "dir", "-e", "begin { }"], "cannot write the compiled program"),
    ]:
        r = run_awl(*args)
        assert r.code == 1 and why in r.err, r
    assert not (tmp_path / "x").exists()


def test_failed_compilation_leaves_the_old_file(tmp_path):
    file = make(tmp_path / "p.awlc", "begin { exit(); }")
    before = file.read_bytes()
    r = run_awl("--aot", "-o", file, "-e", "begin { nothing_such(); }")
    assert r.code == 1 and "nothing_such" in r.err and file.read_bytes() == before


def test_stays_small(tmp_path):
    """A few KiB: the program, the script, and what it depends on."""
    file = make(tmp_path / "p.awlc", CODE[0])
    assert file.stat().st_size < 6000
