"""awl called through a link named bpftrace: what scripts and wrappers around bpftrace rely on. And lists."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest
from conftest import AWL, ROOT

ENV = dict(os.environ)


@pytest.fixture
def peer(tmp_path):
    """Runs awl by the name of bpftrace."""
    link = tmp_path / "bpftrace"
    link.symlink_to(pathlib.Path(AWL).resolve())

    def run(*args, timeout=60, **env):
        return subprocess.run([str(link), *args], capture_output=True, text=True, timeout=timeout,
                              env=dict(ENV, **env))

    run.path = str(link)
    return run


# ---- the name

@pytest.mark.unprivileged
def test_version_is_parsed_as_that_of_bpftrace(peer, awl):
    for flag in ("-V", "--version"):
        r = peer(flag)
        assert r.returncode == 0 and re.match(r"bpftrace v(\d+)\.(\d+)\.(\d+)\b", r.stdout), r
    assert awl("--version").out.startswith("awl ")


def test_info_has_the_rows_of_bpftrace(peer):
    out = peer("--info").stdout
    for heading in ("System", "Build", "Kernel helpers", "Kernel features", "Map types", "Probe types"):
        assert re.search(rf"^{heading}$", out, re.M), out
    assert "  probe_read: yes\n" in out and "  btf: yes\n" in out and "  tracepoint: yes\n" in out
    assert all(re.match(r"  [\w .()]+: \S", line) for line in out.splitlines() if line.startswith("  ")), out


@pytest.mark.unprivileged
def test_help_has_its_name(peer):
    r = peer("--help")
    assert r.returncode == 0 and r.stdout.startswith("Usage: bpftrace ")


# ---- flags

def test_flags_without_a_meaning_are_taken(peer, tmp_path):
    r = peer("-b", "--btf", "--usdt-file-activation", "--verify-llvm-ir", "--debuginfo", "/usr/lib/debug", "-k",
             "-B", "none", "-q", "-e", "BEGIN { printf(\"ran\\n\"); exit(); }")
    assert r.returncode == 0 and r.stdout.startswith("ran\n") and r.stderr == "", r


@pytest.mark.unprivileged
@pytest.mark.parametrize("flag, says", [("--emit-llvm", "no LLVM"), ("--emit-elf", "-d bpf")])
def test_flags_that_cannot_be_taken_say_what_to_do(peer, flag, says):
    r = peer(flag, "x", "-e", "begin {}")
    assert r.returncode == 1 and says in r.stderr, r


def test_aot_takes_the_file(peer, tmp_path):
    r = peer("--aot", tmp_path / "p.awlc", "-e", 'BEGIN { printf("from a file\\n"); exit(); }')
    assert (r.returncode, r.stdout, r.stderr) == (0, "", ""), r
    r = peer("-q", tmp_path / "p.awlc")
    assert r.returncode == 0 and r.stdout.startswith("from a file\n"), r


@pytest.mark.unprivileged
@pytest.mark.parametrize("args", [("-c", "true", "-p", "1"), ("-k", "--no-warnings"), ("-f", "xml"), ("-B", "some"),
                                  ("--mode", "fast"), ("--nonsense",), ("-d", "nothing")])
def test_wrong_command_lines_exit_1(peer, args):
    r = peer(*args, "-e", "begin {}")
    assert r.returncode == 1 and "awl:" in r.stderr and r.stdout == "", r


@pytest.mark.unprivileged
def test_debug_stage_old_and_new(peer):
    for args in (("-d", "ast"), ("-d",), ("-dd",), ("-d", "codegen")):
        r = peer(*args, "-e", "begin { exit(); }")
        assert r.returncode == 0 and r.stdout, (args, r)


@pytest.mark.unprivileged
def test_mode_codegen_compiles_only(peer):
    assert peer("--mode", "codegen", "-e", "begin { printf(\"x\"); }").stdout == ""
    assert peer("--mode=codegen", "-e", "begin { $x = 1 + \"a\"; }").returncode == 1
    assert "begin" in peer("--mode", "format", "-e", "begin{exit()}").stdout


@pytest.mark.unprivileged
def test_mode_compiler_bench_times_the_passes(peer):
    r = peer("--mode", "compiler-bench", "-e", "begin { @[1] = hist(2); printf(\"x\"); }")
    assert r.returncode == 0 and r.stderr == "", r
    rule, head, again, *rows = r.stdout.splitlines()
    assert set(rule) == {"-"} and rule == again and head.split() == ["Benchmark", "Time", "CPU", "Iterations"]
    rows = {row.split()[0]: row.split()[1:] for row in rows}
    assert list(rows) == ["parse", "sema", "gen", "ir", "all"]
    assert all(row[1] == row[3] == "ns" and int(row[0]) >= 0 and int(row[4]) >= 3 for row in rows.values())
    assert int(rows["all"][0]) >= max(int(rows[name][0]) for name in ("parse", "sema", "gen", "ir")) > 0
    r = peer("--mode", "compiler-bench", "-e", "begin { $x = 1 + \"a\"; }")
    assert r.returncode == 1 and r.stdout == "" and "E0302" in r.stderr, r


# ---- running

def test_output_and_messages_are_split(peer):
    r = peer("-e", "BEGIN { printf(\"out\\n\"); exit(); }")
    assert r.stdout == "out\n\n\n" and r.stderr == "Attached 1 probe\n", r
    r = peer("-e", "BEGIN { printf(\"%s\\n\", nothing); }")
    assert r.returncode == 1 and r.stdout == "" and "error" in r.stderr, r


def test_output_file_and_quiet(peer, tmp_path):
    out = tmp_path / "out"
    r = peer("-q", "-o", str(out), "-e", "BEGIN { printf(\"in the file\\n\"); exit(); }")
    assert (r.stdout, r.stderr) == ("", "") and out.read_text().startswith("in the file\n"), r


def test_exit_codes(peer):
    assert peer("-e", "BEGIN { exit(7); }").returncode == 7
    assert peer("-e", "BEGIN { exit(); }").returncode == 0
    assert peer("-e", "BEGIN {").returncode == 1
    assert peer("/nonexistent.bt").returncode == 1
    assert peer("-p", "99999999", "-e", "interval:s:1 {}").returncode == 1


def test_json_lines(peer):
    r = peer("-f", "json", "-e", "BEGIN { @a[1] = 2; printf(\"p\\n\"); exit(); }")
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    assert lines == [{"type": "attached_probes", "count": 1, "data": {"probes": 1}}, {"type": "printf", "data": "p\n"},
                     {"type": "map", "data": {"@a": {"1": 2}}}] and r.stderr == "", r


def test_wrappers_are_told_that_probes_are_attached(peer):
    r = peer("-e", "BEGIN { exit(); }", __BPFTRACE_NOTIFY_PROBES_ATTACHED="1")
    assert "__BPFTRACE_NOTIFY_PROBES_ATTACHED\n" in r.stdout
    assert "NOTIFY" not in peer("-e", "BEGIN { exit(); }").stdout


def test_command_is_ended_with_sigterm(peer, tmp_path):
    """-c: when the script exits first, the program gets SIGTERM."""
    said = tmp_path / "said"
    r = peer("-e", "interval:ms:300 { exit(); }", "-c",
             f"bash -c 'trap \"echo got TERM > {said}; exit\" TERM; while :; do sleep 0.05; done'")
    end = time.monotonic() + 10
    while not said.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert r.returncode == 0 and said.read_text() == "got TERM\n", r


def test_run_ends_with_the_command_and_with_the_process(peer):
    r = peer("-q", "-e", "tracepoint:syscalls:sys_enter_write { @[comm] = count(); }", "-c", "/bin/echo hello")
    assert r.returncode == 0 and "hello\n" in r.stdout and "@[echo]: 1\n" in r.stdout, r
    target = subprocess.Popen(["sleep", "0.5"])
    try:
        r = peer("-q", "-p", str(target.pid), "-e", "profile:hz:99 { @ = count(); }")
    finally:
        target.kill()
        target.wait()
    assert r.returncode == 0, r


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_run_in_good_order(peer, sig):
    p = subprocess.Popen([peer.path, "-e", "BEGIN { @ = 1; } END { printf(\"end\\n\"); } interval:s:100 {}"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert p.stderr.readline() == "Attached 3 probes\n"
    p.send_signal(sig)
    out, err = p.communicate(timeout=20)
    assert p.returncode == 0 and out == "end\n\n\n@: 1\n" and err == "", (out, err)


def test_dry_run_attaches_and_leaves(peer):
    r = peer("--dry-run", "-e", "BEGIN { printf(\"no\\n\"); } interval:s:100 { printf(\"no\\n\"); }")
    assert r.returncode == 0 and "no" not in r.stdout and "Attached 2 probes" in r.stderr, r


def test_probe_filter_leaves_what_matches_and_begin(peer):
    text = "BEGIN { printf(\"began\\n\"); exit(); } tracepoint:syscalls:sys_enter_get* { @ = count(); } interval:s:9 {}"
    r = peer("--probe-filter", "getpid$", "-e", text)
    assert r.returncode == 0 and r.stdout.startswith("began\n"), r
    assert peer("-l", "--probe-filter", "sys_enter_getp?pid$", "-e", text).stdout.split() == [
        "begin", "tracepoint:syscalls:sys_enter_getpid", "tracepoint:syscalls:sys_enter_getppid"]
    r = peer("--probe-filter", "(", "-e", text)
    assert r.returncode == 1 and "no regular expression" in r.stderr, r


@pytest.mark.unprivileged
def test_list_of_traceable_functions_is_read(peer, tmp_path):
    r = peer("--traceable-functions", str(tmp_path / "missing"), "-l", "kprobe:*")
    assert r.returncode == 1 and "cannot read the list of functions" in r.stderr, r


# ---- --fmt

@pytest.mark.unprivileged
def test_fmt_replaces_a_file_whole(peer, tmp_path):
    script = tmp_path / "s.bt"
    script.write_text("begin{exit()}\n")
    script.chmod(0o750)
    link = tmp_path / "link.bt"
    link.symlink_to(script)
    r = peer("--fmt", "-o", str(link), str(script))
    assert r.returncode == 0 and "exit();" in script.read_text() and link.is_symlink(), r
    assert script.stat().st_mode & 0o777 == 0o750 and sorted(p.name for p in tmp_path.iterdir()) == [
        "bpftrace", "link.bt", "s.bt"]
    script.write_text("begin {")
    assert peer("--fmt", "-o", str(script), str(script)).returncode == 1
    assert script.read_text() == "begin {"  # a script with errors is left alone


# ---- lists

def test_full_list_is_complete_and_sorted_by_kind(awl):
    lines = awl("-l").out.splitlines()
    assert len(lines) == len(set(lines))
    kinds = [line.split(":")[0] for line in lines]
    assert {"tracepoint", "rawtracepoint", "software", "hardware", "iter"} <= set(kinds)
    for kind in set(kinds):
        own = [line for line in lines if line.split(":")[0] == kind]
        assert own == sorted(own), kind
        first = kinds.index(kind)
        assert kinds[first:first + len(own)] == [kind] * len(own)
    events = {f"tracepoint:{p.parent.parent.name}:{p.parent.name}"
              for p in pathlib.Path("/sys/kernel/tracing/events").glob("*/*/format")
              if p.parent.parent.name != "ftrace"}
    assert not events or {line for line in lines if line.startswith("tracepoint:")} == events


@pytest.mark.parametrize("pattern, has, not_has", [
    ("*nanosleep*", "tracepoint:syscalls:sys_enter_nanosleep", "software:cpu:"),
    ("t:sched:*_switch", "tracepoint:sched:sched_switch", "tracepoint:sched:sched_wakeup"),
    ("tracepoint:*nanosleep", "tracepoint:syscalls:sys_exit_nanosleep", "tracepoint:syscalls:sys_enter_read"),
    ("*:*:sys_enter_openat", "tracepoint:syscalls:sys_enter_openat", "tracepoint:syscalls:sys_enter_openat2"),
    ("software:cpu,iter:task", "iter:task", "iter:tcp"),
    ("*ware:*", "hardware:cycles:", "iter:task"),
    ("rawtracepoint:sched_switch", "rawtracepoint:vmlinux:sched_switch", "tracepoint:sched:sched_switch"),
    ("interval", "interval:hz:", "profile:hz:"),
    ("self:*:*", "self:signal:SIGUSR1", "begin"),
])
def test_patterns(awl, pattern, has, not_has):
    lines = awl("-l", pattern).out.splitlines()
    assert has in lines and not_has not in lines, lines


@pytest.mark.parametrize("probe, lines", [
    ("tracepoint:sched:sched_switch", ["    pid_t prev_pid", "    char[16] next_comm"]),
    ("rawtracepoint:sched_switch", ["    bool preempt", "    struct task_struct * prev"]),
    ("iter:task_file", ["    struct task_struct * task", "    struct file * file"]),
])
def test_verbose_list_has_arguments(awl, probe, lines):
    out = awl("-lv", probe).out.splitlines()
    assert all(line in out for line in lines), out


def test_types_of_the_kernel(awl):
    assert awl("-l", "struct list_hea*").out == "struct list_head\n"
    assert awl("-lv", "struct list_head").out == "struct list_head {\n\tstruct list_head *next;\n\tstruct list_head *prev;\n};\n"
    out = awl("-lv", "enum pid_type").out
    assert out.startswith("enum pid_type {\n\tPIDTYPE_PID = 0,\n") and out.endswith("};\n")
    assert "union bpf_attr\n" in awl("-l", "union bpf_*").out
    assert " : 1;\n" in awl("-lv", "struct task_struct").out  # bit-fields
    r = awl("-l", "struct no_such_struct_*")
    assert r.code == 1 and "no" in r.err


def test_probes_of_a_script(awl, tmp_path):
    script = tmp_path / "s.bt"
    script.write_text("tracepoint:syscalls:sys_*r_nanosleep, tracepoint:syscalls:sys_exit_nanosleep { } interval:s:1 { }\n")
    want = ["tracepoint:syscalls:sys_enter_nanosleep", "tracepoint:syscalls:sys_exit_nanosleep", "interval:s:1"]
    assert awl("-l", str(script)).out.splitlines() == want
    assert awl("-l", "-e", script.read_text()).out.splitlines() == want
    out = awl("-lv", str(script)).out
    assert "    struct __kernel_timespec * rqtp\n" in out and "interval:s:1\n" in out, out


def test_what_cannot_be_listed_is_said(awl):
    r = awl("-l", "uprobe:/nonexistent:*")
    assert r.code == 1 and "/nonexistent" in r.err, r
    r = awl("-l", "nonsense:*")
    assert r.code == 1 and "no kind of probe" in r.err, r


# ---- completion and editors

@pytest.mark.unprivileged
def test_completion_of_bash_has_options_and_their_words(awl, tmp_path):
    file = tmp_path / "awl.bash"
    file.write_text(awl("--completion", "bash").out)
    probe = f"source {file}; COMP_WORDS=(awl %s); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE=\"awl %s\"; " \
            "COMP_POINT=${#COMP_LINE}; _awl; echo ${COMPREPLY[@]}"

    def complete(words):
        return subprocess.run(["bash", "-c", probe % (words, words)], capture_output=True, text=True).stdout.split()

    assert "--dry-run" in complete("--dry") and "--explain" not in complete("--dry")
    assert complete("-f j") == ["json"] and complete("--format t") == ["text"]
    assert complete("-B l") == ["line"]


def test_completion_of_bash_asks_for_probes(awl, tmp_path):
    file = tmp_path / "awl.bash"
    file.write_text(awl("--completion", "bash").out)
    line = "awl -l tracepoint:sched:sched_sw"
    out = subprocess.run(["bash", "-c", f"source {file}; COMP_WORDBREAKS=' '; COMP_WORDS=({AWL} -l x); COMP_CWORD=2; "
                          f"COMP_LINE='{line}'; COMP_POINT={len(line)}; _awl; echo ${{COMPREPLY[@]}}"],
                         capture_output=True, text=True).stdout
    assert "tracepoint:sched:sched_switch" in out.split()


@pytest.mark.unprivileged
def test_completion_of_the_other_shells(awl):
    for shell in ("zsh", "fish"):
        out = awl("--completion", shell).out
        assert "dry-run" in out and "text json" in out
    r = awl("--completion", "csh")
    assert r.code == 1 and "bash, zsh and fish" in r.err


@pytest.mark.unprivileged
def test_syntax_files_of_editors_are_fresh():
    r = subprocess.run([ROOT / "editors/gen", "--check", AWL], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr


@pytest.mark.unprivileged
def test_grammar_names_the_parts_of_a_script():
    grammar = json.loads((ROOT / "editors/vscode/syntaxes/awl.tmLanguage.json").read_text())

    def scope(text):
        for p in grammar["patterns"]:
            if re.match(p.get("match") or p["begin"], text):
                return p["name"]

    assert scope("tracepoint:sched:sched_switch { }") == "entity.name.function.probe.awl"
    assert scope("while (1)") == "keyword.control.awl" and scope("sizeof(int)") == "keyword.other.awl"
    assert scope("printf(") == "support.function.awl" and scope("comm ==") == "support.function.awl"
    assert scope("@start[tid]") == "variable.other.map.awl" and scope("$x") == "variable.other.awl"
    assert scope("// t") == "comment.line.double-slash.awl" and scope("100ms") == "constant.numeric.awl"
    assert scope('"text"') == "string.quoted.double.awl" and scope("<<= 2") == "keyword.operator.awl"


@pytest.mark.unprivileged
def test_vim_highlights(tmp_path):
    vim = shutil.which("vim")
    if not vim or "+syntax" not in subprocess.run([vim, "--version"], capture_output=True, text=True).stdout:
        pytest.skip("no vim with syntax highlighting")
    script, out = tmp_path / "s.bt", tmp_path / "out"
    script.write_text("interval:s:1 { @[comm] = count(); } // note\n")
    ask = "".join(f"call add(g:o, synIDattr(synID(1, {col}, 1), 'name')) | " for col in (1, 16, 18, 26, 39))
    subprocess.run([vim, "-e", "-s", "-u", "NONE", "-i", "NONE", "-n", "-c", "syntax on", "-c",
                    f"source {ROOT}/editors/vim/syntax/awl.vim", "-c", "let g:o = []", "-c",
                    ask + f"call writefile(g:o, '{out}')", "-c", "qa!", str(script)], stdin=subprocess.DEVNULL, timeout=30)
    assert out.read_text().split() == ["awlProbe", "awlMap", "awlFunction", "awlFunction", "awlComment"]


# ---- what scripts of later releases rely on

@pytest.mark.parametrize("script, out", [
    ("macro plus($x) { $x + 1 } begin { $a = 1; print(plus($a * 2)); exit(); }", "3"),
    ("macro twice($x) { $y = $x + 1; $z = $x + 2; $y + $z } begin { $y = 2; print(twice({ $y += 1; $y })); exit(); }", "10"),
    ("macro two(x) { 1 } macro two($x) { 2 } begin { $a = 1; print((two($a), two($a + 1))); exit(); }", "(2, 1)"),
    ("macro pid() { 7 } begin { print((pid, __builtin_pid > 7 || __builtin_pid() > 7)); exit(); }", "(7, true)"),
    ("begin { print(__builtin_comm == comm); exit(); }", "true"),
    ("begin { print(usermode); exit(); }", "true"),
    ("struct a { int x; struct { long y } in } begin { print(sizeof(struct a)); exit(); }", "16"),
    ('begin { print(buf("abc", 9)); exit(); }', "abc" + r"\x00" * 6),
    ('begin { $n = 40; print(buf("abc", $n)); exit(); }', r"abc\x00"),
    ("i:ms:1 { print(probe); exit(); }", "interval:ms:1"),
])
def test_forms_of_later_releases(peer, script, out):
    r = peer("-q", "-e", script)
    assert r.stdout.splitlines()[:1] == [out] and r.stderr == "", r


@pytest.mark.parametrize("body", ["$x += 1; $x", "if 1 { $x++; } 1", "let $x = 2; $x", "while $x < 3 { $x = 9; } 1"])
def test_a_macro_that_writes_to_its_parameter_takes_a_variable(peer, body):
    r = peer("-e", f"macro inc($x) {{ {body} }} begin {{ print(inc(5)); exit(); }}")
    assert r.returncode == 1 and "no macro inc" in r.stderr and "that the macro writes to takes a variable" in r.stderr, r


def test_getopt_takes_words_for_numbers(peer):
    script = 'begin { print((getopt("a", 1), getopt("b", 0), getopt("c", true), getopt("d", 7))); exit(); }'
    r = peer("-q", "-e", script, "--", "--a=False", "--b=true", "--c=FALSE", "--d=12")
    assert r.stdout.startswith("(0, 1, false, 12)\n"), r
    r = peer("-e", script, "--", "--a=maybe")
    assert r.returncode == 1 and '--a takes a number, got "maybe"' in r.stderr, r


def test_a_header_is_looked_for_by_name(peer, tmp_path):
    (tmp_path / "own.h").write_text("#define ANSWER 42\n")
    r = peer("-q", "-I", tmp_path, "--include", "own.h", "-e", "begin { print(ANSWER); exit(); }")
    assert r.stdout.startswith("42\n"), r
    r = peer("--include", "none.h", "-e", "begin {}")
    assert r.returncode == 1 and "cannot read the header none.h" in r.stderr, r


def test_a_header_that_is_nowhere_is_named_beside_what_is_missing(peer):
    for use in ("print(NONE_X);", "$x = (struct none_x *)0;"):
        r = peer("-e", "#include <none/such.h>\nbegin { %s exit(); }" % use)
        assert r.returncode == 1 and "the header <none/such.h> was not found" in r.stderr, r
    assert peer("-e", "#include <none/such.h>\nbegin { exit(); }").returncode == 0


def test_what_is_not_there_to_be_deleted_is_told(peer):
    r = peer("-k", "-e", "begin { @[1] = 1; delete(@, 2); delete(@, 1); exit(); }")
    assert r.stderr.count("map_delete_elem") == 1 and "retcode: -2" in r.stderr, r


def test_raw_tracepoints_of_a_module_that_is_not_there(peer):
    r = peer("-e", "rawtracepoint:nonsense:sys_exit { exit(); }")
    assert r.returncode == 1 and "no probe matches rawtracepoint:nonsense:sys_exit" in r.stderr, r
    r = peer("-q", "-e", "rawtracepoint:vmlin*:sys_exit { print(probe); exit(); }")
    assert r.stdout.startswith("rawtracepoint:vmlinux:sys_exit\n"), r


def test_words_of_join_stand_alone_in_json(peer):
    r = peer("-q", "-f", "json", "-e", "tracepoint:syscalls:sys_enter_execve { join(args.argv, \",\"); }", "-c", "/bin/echo A")
    assert '{"type": "join", "data": "/bin/echo,A"}' in r.stdout.splitlines(), r


PLACES = """
__attribute__((noinline)) int inner(int x) { asm volatile(""); return x + 1; }
int main(void) { return inner(1) - 2; }
"""


def test_frames_by_build_id(peer, tmp_path):
    """Each names the file by its build id and the place in it: what nm says of the function."""
    program = tmp_path / "places"
    subprocess.run(["gcc", "-O0", "-no-pie", "-Wl,--build-id=0x0123456789abcdef0123", "-x", "c", "-o", program, "-"],
                   input=PLACES.encode(), check=True)
    symbols = {name: int(at, 16) for at, _, name in (x.split() for x in subprocess.check_output(["nm", program], text=True).splitlines()
                                                     if len(x.split()) == 3)}
    r = peer("-q", "-e", f"uprobe:{program}:inner {{ print(ustack(build_id, 2)); print(kstack(build_id, 1)); }}", "-c", program)
    first, second = re.findall(r"^ {8}0123456789abcdef0123 0x([0-9a-f]+)$", r.stdout, re.M)
    assert int(first, 16) == symbols["inner"] & 0xfffff, (r, symbols)
    assert 0 < int(second, 16) - (symbols["main"] & 0xfffff) < 32, (r, symbols)


def test_lists_of_scripts_have_whole_names(peer, tmp_path):
    script = tmp_path / "s.bt"
    script.write_text("i:s:1 {} p:hz:9 {} s:cpu:5 {} rt:sys_enter {} t:sched:sched_switch {}")
    assert peer("-l", script).stdout.split() == ["interval:s:1", "profile:hz:9", "software:cpu:5", "rawtracepoint:vmlinux:sys_enter",
                                                 "tracepoint:sched:sched_switch"]


# ---- what older releases had

STACKED = """
__attribute__((noipa)) long many(long a, long b, long c, long d, long e, long f, long g, long h) { return g + h; }
int main(void) { return many(1, 2, 3, 4, 5, 6, 77, 88) == 0; }
"""


def test_arguments_on_the_stack(peer, tmp_path):
    program = tmp_path / "stacked"
    subprocess.run(["gcc", "-O1", "-x", "c", "-o", program, "-"], input=STACKED.encode(), check=True)
    r = peer("-q", "-e", f'uprobe:{program}:many {{ printf("%d %d %d\\n", sarg0, sarg1, arg7); }}', "-c", program)
    assert r.stdout.startswith("77 88 88\n"), r


def test_usr1_prints_maps(peer):
    script = 'begin { @a = 1; @b["x"] = 2; print("ready"); } interval:s:60 { exit(); }'
    p = subprocess.Popen([peer.path, "-e", script], stdout=subprocess.PIPE, text=True)
    try:
        assert p.stdout.readline() == "ready\n"
        p.send_signal(signal.SIGUSR1)
        assert [p.stdout.readline() for _ in range(2)] == ["@a: 1\n", "@b[x]: 2\n"]
        p.send_signal(signal.SIGINT)
        assert p.stdout.read() == "\n\n@a: 1\n@b[x]: 2\n" and p.wait(30) == 0
    finally:
        p.kill()
        p.wait()


WATCHED = """
static int v[8];
void put(int *p, int x) { *p = x; }
int main(void)
{
	for (int k = 0; k < WATCHES; k++)
		put(&v[k], k + 1);
	for (int i = 0; i < 10; i++)
		for (int k = 0; k < 2; k++)
			v[k] += i;
	return 0;
}
"""


@pytest.fixture
def watched(tmp_path):
    def build(watches):
        program = tmp_path / f"watched{watches}"
        subprocess.run(["gcc", "-O0", f"-DWATCHES={watches}", "-x", "c", "-o", program, "-"], input=WATCHED.encode(), check=True)
        return program
    return build


def test_what_an_argument_points_at_is_watched_from_the_call_on(peer, watched):
    """The process waits: the write in the very call that brings the address is seen."""
    program = watched(2)
    for probe in ("watchpoint:put+arg0:4:w", "w:\"p*t\"+arg0:4:w"):
        r = peer("-e", f"{probe} {{ @ = count(); }}", "-c", program)
        assert "@: 22" in r.stdout.splitlines() and r.returncode == 0, r
    r = peer("-q", "-e", "w:put+arg0:4:w { print(probe); exit(); }", "-c", program)
    assert r.stdout.startswith("watchpoint:put+arg0:4:w\n"), r


def test_a_watchpoint_that_nothing_waits_for(peer, watched):
    r = peer("-e", "asyncwatchpoint:put+arg0:4:w { @ = count(); }", "-c", watched(1))
    assert r.returncode == 0 and "Attached 2 probes" in r.stderr, r  # whether it comes in time is not said


def test_more_addresses_than_debug_registers(peer, watched):
    r = peer("-e", "w:put+arg0:4:w { @ = count(); }", "-c", watched(8))
    assert r.stderr.count("the processor has only four watchpoints") == 1 and r.returncode == 0, r
    assert "@: 24" in r.stdout.splitlines(), r  # four of the writes in put(), and ten for each of two


def test_the_address_of_watch_is_the_scripts(peer, watched):
    """The first of two alone; and two watchpoints, each with one of them."""
    r = peer("-e", "w:watched:4:w { @[1] = count(); } uprobe:put /!@at/ { @at = arg0; watch(arg0, 0, 1); }", "-c", watched(2))
    assert "@[1]: 11" in r.stdout.splitlines() and r.returncode == 0, r
    r = peer("-e", "w:watched:4:w { @a = count(); } w:watched:4:w { @b = count(); } "
             "uprobe:put { if @n++ == 0 { watch(arg0, 1, 1); } else { watch(arg0); watch(arg0, 1, 1); } }", "-c", watched(2))
    assert {"@a: 11", "@b: 22"} <= set(r.stdout.splitlines()), r


@pytest.mark.parametrize("probe, says", [
    ("w:put+arg0:8:w", "the address must be a multiple of the length"), ("w:put+argx:4:w", "the name argx is not known"),
    ("w:none+arg0:4:w", "no probe matches uprobe:\"none\""), ("w:put:4:w", "FUNCTION+argN or watched"), ("w:put+arg0:3:w", "1, 2, 4 or 8")])
def test_wrong_watchpoints_of_arguments(peer, watched, probe, says):
    program = watched(2)
    source = pathlib.Path(str(program) + ".c")
    source.write_text(WATCHED.replace("put(&v[k]", "put((int *)((char *)v + 1 + 4 * k)"))
    subprocess.run(["gcc", "-O0", "-DWATCHES=2", "-o", program, source], check=True)
    r = peer("-e", probe + " { @ = count(); }", "-c", program)
    assert says in r.stderr, r


def test_a_watchpoint_of_an_argument_needs_a_process(peer):
    r = peer("-e", "w:put+arg0:4:w { @ = count(); }")
    assert r.returncode == 1 and "addresses of a process need -p or -c" in r.stderr, r
