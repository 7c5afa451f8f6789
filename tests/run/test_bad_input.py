"""Scripts, arguments and surroundings that are wrong: each gets a message that says what is wrong with what,
and what to do; nothing hangs, nothing crashes, nothing grows without bound."""
import os
import resource
import shutil
import subprocess

import pytest

from conftest import AWL, run_awl

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def refused(r, *words, code=1):
    """The run was refused, in words; `words` are in the message."""
    assert r.code == code, r
    for word in words:
        assert word in r.err, r
    assert "BUG:" not in r.err and "bug of awl" not in r.err, r


def run_as(prefix, *args, timeout=60):
    p = subprocess.run([*prefix, *map(str, args)], capture_output=True, timeout=timeout, text=True, errors="replace")
    from conftest import Result
    return Result(p.returncode, p.stdout, p.stderr)


# ---- the script ----

@pytest.mark.parametrize("script,words", [
    ("begin {", ["E0001", "never closed"]),
    ('begin { printf("x); }', ["E0003", "not closed"]),
    ("begin { /* for ever", ["E0005"]),
    ("begin { ` }", ["E0002"]),
    ("begin { $x = 0x; }", ["E0004"]),
    ("", ["nothing to attach", "help"]),
    ("  // only a comment\n", ["nothing to attach"]),
    ("begin { foo(1); }", ["E0204", "foo"]),
    ("begin { prinf(\"x\"); }", ["did you mean `printf`"]),
    ("tracepoint:sched:sched_swich { }", ["E0103", "did you mean", "sched_switch"]),
    ("tracepoint:sched:sched_switch { print(args.prev_com); }", ["E0205", "did you mean `prev_comm`"]),
    ("begin { print(((struct task_strct *)0)->pid); }", ["E0206", "task_strct", "did you mean `struct task_struct`"]),
    ("kprob:vfs_read { }", ["E0101", "did you mean `kprobe`"]),
    ("begin { $x = \"a\" + 1; }", ["E0302"]),
    ("begin { print($y); }", ["E0202", "$y"]),
    ("interval:s:0 { }", ["E0102"]),
    ("interval:parsec:1 { }", ["E0102"]),
    ("uprobe:/nonexistent:main { }", ["E0105", "/nonexistent", "No such file"]),
    ("uprobe:/etc/passwd:main { }", ["E0105", "/etc/passwd", "ELF"]),
    ("uprobe:/bin/ls:no_such_function { }", ["E0103", "awl -l 'uprobe:/bin/ls:*'"]),
    ("usdt:/bin/ls:no:probe { }", ["E010"]),
    ("uprobe:/proc/1/mem:main { }", ["E0105"]),
    ("uprobe:/dev/null:main { }", ["E0105"]),
    ("uprobe:/tmp:main { }", ["E0105", "/tmp"]),
])
def test_wrong_script(awl, script, words):
    refused(awl("-e", script), *words)


def test_all_errors_are_reported_at_once(awl):
    r = awl("-e", "begin { print(pidd); print($nope); foo(); } tracepoint:sched:sched_swich { }")
    refused(r, "E0201", "E0202", "E0204", "E0103")


def test_nothing_runs_of_a_script_with_an_error(awl, tmp_path):
    mark = tmp_path / "mark"
    r = awl("--unsafe", "-e", f'begin {{ system("touch {mark}"); nonesuch(); }}')
    refused(r, "E0204")
    assert not mark.exists()


TOO_MUCH = [
    ("parentheses", "begin { " + "(" * 100000 + "1" + ")" * 100000 + "; }", ["E0007", "nested"]),
    ("blocks", "begin { " + "{" * 20000 + "}" * 20000 + " }", ["E0007"]),
    ("ifs", "begin { " + "if (1) { " * 5000 + "}" * 5000 + " }", ["E0007"]),
    ("minus", "begin { $x = " + "-" * 200000 + "1; }", ["E0007"]),
    ("sum", "begin { $x = " + "1+" * 200000 + "1; }", ["E0007"]),
    ("ternaries", "begin { $x = true " + "? 1 : true " * 50000 + "? 1 : 2; }", ["E0007"]),
    ("keys", "begin { @[" + ",".join(map(str, range(3000))) + "] = 1; }", ["E0603", "key"]),
    ("tuple", "begin { $x = (" + ",".join("1" * 3000) + "); print($x); }", ["E0603", "tuple"]),
    ("string", "begin { let $a: string[1048576]; $a = comm; print($a); }", ["E0603"]),
    ("array", "begin { let $a: int64[1000000000]; }", ["E0603", "too large"]),
    ("arguments", 'begin { printf("' + "%d" * 500 + '", ' + ",".join("1" * 500) + "); }", ["E0401"]),
    ("unrolls", "begin { " + "unroll(100) { " * 5 + "@++; " + "}" * 5 + " }", ["E0602", "too many"]),
    ("macros", "\n".join(f"macro m{i}() {{ m{i + 1}() + m{i + 1}() }}" for i in range(40)) +
     "\nmacro m40() { 1 }\nbegin { print(m0()); }", ["E0603", "macros"]),
    ("probes", "".join(f"begin {{ @x{i} = 1; }}\n" for i in range(3000)), ["E0104", "max_probes"]),
]


@pytest.mark.parametrize("name,text,words", TOO_MUCH, ids=[row[0] for row in TOO_MUCH])
def test_too_much_of_something(awl, tmp_path, name, text, words):
    script = tmp_path / f"{name}.bt"
    script.write_text(text)
    r = awl(script, timeout=30)
    refused(r, *words)
    assert len(r.err) < 5000, "a message for people"


def test_many_statements_are_not_deep(awl):
    for line in ("if (sizeof(struct sock) == 1) { print(1); }", "{ $x = 1; print($x); }", "if (offsetof(struct list_head, next)) { }"):
        r = awl("--mode", "codegen", "-e", "begin {\n" + (line + "\n") * 2500 + "}")
        assert r.code == 0, r


def test_what_the_kernel_finds_too_large_is_said_in_few_words(awl, tmp_path):
    script = tmp_path / "long.bt"
    script.write_text("begin { " + 'printf("%d\\n", nsecs);' * 20000 + " }")
    r = awl("-q", script)
    refused(r, "too large", "long.bt", "help", code=255)
    assert len(r.err) < 2000


def test_long_string_literal_is_printed_whole(awl, tmp_path):
    script = tmp_path / "long.bt"
    script.write_text('begin { print("' + "a" * 100000 + '"); }')
    r = awl("-q", script)
    assert r.code == 0 and r.lines[0] == "a" * 100000


@pytest.mark.parametrize("data", [
    b"begin { exit()\0; }",
    bytes((i * 7919 >> 3) & 0xff for i in range(1 << 20)),
    bytes(1 + (i * 7919 >> 3) % 255 for i in range(1 << 20)),
    b"\xff\xfe" * 1000,
    b"\x1b]0;owned\x07 { }",
], ids=["nul", "bytes", "bytes without nul", "utf16", "escape"])
def test_garbage_as_a_script(awl, tmp_path, data):
    script = tmp_path / "garbage.bt"
    script.write_bytes(data)
    r = awl(script, timeout=30)
    refused(r, "garbage.bt")
    assert len(r.err) < 100000
    assert "\x1b" not in r.err.replace("\x1b[", ""), "control characters of the script do not reach the terminal"


def test_script_without_end_is_not_read_for_ever():
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    if "asan" in AWL:
        pytest.skip("the sanitizer needs address space")
    p = subprocess.run([AWL, "/dev/zero"], capture_output=True, timeout=30, preexec_fn=limit)
    assert p.returncode == 1 and b"/dev/zero" in p.stderr


def test_script_that_cannot_be_read(awl, tmp_path):
    refused(awl(tmp_path / "none.bt"), "none.bt", "No such file")
    refused(awl(tmp_path), str(tmp_path), "directory")


# ---- binaries ----

def elf_variants():
    whole = open("/bin/true", "rb").read()
    for cut in (4, 16, 63, 64, 200, 4096, len(whole) // 2):
        yield f"cut at {cut}", whole[:cut]
    for at in range(16, 64, 4):
        yield f"header damaged at {at}", whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4:]


@pytest.mark.parametrize("data", [pytest.param(d, id=n) for n, d in elf_variants()])
def test_damaged_binaries_are_survived(awl, tmp_path, data):
    path = tmp_path / "damaged"
    path.write_bytes(data)
    for probe in (f"uprobe:{path}:main", f"uprobe:{path}:*", f"usdt:{path}:*"):
        r = awl("--dry-run", "-e", probe + " { @ = count(); }", timeout=30)
        assert r.code in (0, 1), r
        assert r.code == 0 or str(path) in r.err, r


# ---- the command line ----

@pytest.mark.parametrize("args,words", [
    (["-x"], ["-x"]),
    (["--nonesuch"], ["--nonesuch"]),
    ([], ["no script", "--help"]),
    (["-e"], ["-e", "argument"]),
    (["-f", "xml", "-e", "begin {}"], ["xml", "json"]),
    (["-B", "sometimes", "-e", "begin {}"], ["sometimes", "line"]),
    (["-d", "all-of-it", "-e", "begin {}"], ["all-of-it", "ir"]),
    (["-p", "foo", "-e", "begin {}"], ["foo", "process id"]),
    (["-p", "-3", "-e", "begin {}"], ["-3"]),
    (["-p", "99999999999", "-e", "begin {}"], ["99999999999"]),
    (["-p", "4194304", "-e", "begin {}"], ["4194304", "no process"]),
    (["-p", "1", "-c", "ls", "-e", "begin {}"], ["-c", "-p"]),
    (["-c", "/nonexistent/program", "-e", "begin {}"], ["/nonexistent/program"]),
    (["-c", "", "-e", "begin {}"], ["-c"]),
    (["-c", "/etc/passwd", "-e", "begin {}"], ["/etc/passwd", "not an executable"]),
    (["-o", "/nonexistent/out", "-e", "begin {}"], ["/nonexistent/out", "No such file"]),
    (["-o", "/", "-e", "begin {}"], ["/", "directory"]),
    (["--no-feature", "teleport", "-e", "begin {}"], ["teleport", "KPROBE_MULTI"]),
    (["-l", "nonesuch:*"], ["nonesuch"]),
    (["-l", "tracepoint:nonesuch:*"], ["no probe matches", "nonesuch"]),
    (["doc", "nonesuch"], ["nonesuch"]),
])
def test_wrong_command_line(awl, args, words):
    refused(awl(*args), *words)


# ---- rights and kernels that lack something ----

@pytest.fixture(scope="module")
def anyones(tmp_path_factory):
    """The binary in a place where everybody can run it."""
    d = tmp_path_factory.mktemp("bin")
    path = shutil.copy(AWL, d / "awl")
    for p in [d, *d.parents]:
        if p != p.parent and not p.stat().st_mode & 1:
            p.chmod(p.stat().st_mode | 0o111)
    return path


def with_caps(*caps):
    caps = ",".join("+" + c for c in caps)
    return NOBODY + [f"--inh-caps={caps}", f"--ambient-caps={caps}"]


@pytest.mark.parametrize("caps,missing", [
    ([], ["CAP_BPF", "CAP_PERFMON"]), (["bpf"], ["CAP_PERFMON"]), (["perfmon"], ["CAP_BPF"]),
])
def test_missing_capabilities_are_named(anyones, caps, missing):
    r = run_as(with_caps(*caps) if caps else NOBODY, anyones, "-e", "begin { exit(); }")
    refused(r, *missing, "setcap", code=255)
    for cap in {"CAP_BPF", "CAP_PERFMON"} - set(missing):
        assert cap + "," not in r.err.split("help")[0] and cap + " " not in r.err.split("help")[0], r


@pytest.mark.parametrize("script", [
    'begin { printf("@ here\\n"); exit(); }',
    "rawtracepoint:sched_switch { @ = count(); } interval:ms:200 { exit(); }",
    "profile:hz:99 { @ = count(); } interval:ms:200 { exit(); }",
    "uprobe:libc:malloc { @ = count(); } interval:ms:200 { exit(); }",
    "software:cpu-clock:1000000 { @ = count(); } interval:ms:200 { exit(); }",
])
def test_two_capabilities_suffice(anyones, script):
    r = run_as(with_caps("bpf", "perfmon"), anyones, "-e", script)
    assert r.code == 0 and "@" in r.out, r


def test_tracepoints_need_the_right_to_read_tracefs(anyones):
    script = "tracepoint:syscalls:sys_enter_read { @[args.fd >= 0] = count(); } interval:ms:200 { exit(); }"
    r = run_as(with_caps("bpf", "perfmon", "dac_read_search"), anyones, "-e", script)
    assert r.code == 0 and "@[true]" in r.out, r
    script = "tracepoint:sched:sched_switch { @[args.next_pid >= 0] = count(); } interval:ms:200 { exit(); }"
    r = run_as(with_caps("bpf", "perfmon", "dac_read_search"), anyones, "-e", script)
    assert r.code == 0 and "@[true]" in r.out, r


def test_a_right_that_one_probe_lacks_is_named(anyones):
    r = run_as(with_caps("bpf", "perfmon"), anyones, "-q", "-e", "tracepoint:sched:sched_switch { @ = count(); } interval:ms:200 { exit(); }")
    assert r.code == 0 and "@: " in r.out, r
    r = run_as(with_caps("bpf", "perfmon"), anyones, "-e", "tracepoint:sched:sched_switch { @[args.next_comm] = count(); }")
    assert r.code in (1, 255) and "CAP_DAC_READ_SEARCH" in r.err, r


def test_what_needs_no_rights_needs_none(anyones):
    assert run_as(NOBODY, anyones, "--fmt", "-e", "begin{exit()}").out == "begin {\n\texit();\n}\n"
    assert "Usage:" in run_as(NOBODY, anyones, "--help").out
    assert run_as(NOBODY, anyones, "doc", "printf").code == 0
    assert run_as(NOBODY, anyones, "--info").code == 0


def hidden(*paths):
    """A prefix that runs a command in a mount namespace where these folders are empty."""
    mounts = "".join(f"mount -t tmpfs none {p} && " for p in paths)
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", mounts + 'exec "$@"', "sh"]


def test_without_kernel_types(anyones):
    prefix = hidden("/sys/kernel/btf")
    r = run_as(prefix, AWL, "-q", "-e", 'begin { printf("hi %d\\n", pid > 0); exit(); }')
    assert r.code == 0 and r.lines == ["hi 1"], r
    r = run_as(prefix, AWL, "-q", "-e", "tracepoint:sched:sched_switch { @[args.next_pid >= 0] = count(); } interval:ms:200 { exit(); }")
    assert r.code == 0 and "@[true]" in r.out, r
    refused(run_as(prefix, AWL, "-e", "begin { print(curtask->pid); }"), "E0702", "/sys/kernel/btf", "CONFIG_DEBUG_INFO_BTF")
    refused(run_as(prefix, AWL, "-e", "rawtracepoint:sched_switch { print(args.next.comm); }"), "E0702")
    refused(run_as(prefix, AWL, "-e", "fentry:vfs_read { }"), "E0")
    assert "BTF                no" in run_as(prefix, AWL, "--info").out


def test_without_tracefs(anyones):
    """Root mounts it for itself; without that right everything but tracepoints works."""
    prefix = hidden("/sys/kernel/tracing", "/sys/kernel/debug")
    r = run_as(prefix, AWL, "-q", "-e", "tracepoint:sched:sched_switch { @ = count(); } interval:ms:200 { exit(); }")
    assert r.code == 0 and "@: " in r.out, r
    less = [*prefix, *with_caps("bpf", "perfmon", "dac_read_search")]
    r = run_as(less, anyones, "-q", "-e", "rawtracepoint:sched_switch { @ = count(); } interval:ms:200 { exit(); }")
    assert r.code == 0 and "@: " in r.out, r
    r = run_as(less, anyones, "-e", "tracepoint:sched:sched_switch { @[args.next_pid] = count(); }")
    assert r.code in (1, 255) and "trac" in r.err and "help" in r.err, r


@pytest.mark.skipif("asan" in AWL, reason="the sanitizer needs /proc")
def test_without_proc(anyones):
    r = run_as(["unshare", "-m", "--propagation", "private", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"],
               AWL, "-q", "-e", 'begin { printf("hi\\n"); exit(); }')
    assert r.code == 0 and r.lines == ["hi"], r
