"""The command line: every option does what --help says, exit codes are what they are said to be."""
import os
import re
import subprocess

import pytest

from conftest import AWL, ROOT, TARGETS, run_awl

STORM = str(TARGETS / "storm")
OPTIONS = re.findall(r'OPT\(\w+, (0|\'.\'), "([\w-]+)"', (ROOT / "src/cli/opts.def").read_text())


def test_help_lists_every_option(awl):
    r = awl("--help")
    assert r.code == 0 and r.err == "" and len(OPTIONS) > 15
    for short, long in OPTIONS:
        assert re.search(rf"^  {'-' + short[1] + ', ' if short != '0' else '    '}--{long}\b", r.out, re.M), long
    assert awl("-h").out == r.out
    assert "Exit status" in r.out and "Examples" in r.out
    assert all(len(line) <= 110 for line in r.out.splitlines())


def test_the_examples_of_help_compile(awl):
    for script in re.findall(r"-e '([^']+)'", awl("--help").out.split("Examples:")[1]):
        assert awl("--dry-run", "-q", "-e", script).code == 0, script


def test_version(awl):
    assert re.fullmatch(r"awl \d+\.\d+\.\d+\n", awl("-V").out) and awl("--version").out == awl("-V").out


def test_info(awl):
    r = awl("--info")
    assert r.code == 0 and re.search(r"^  BTF +(yes|no) ", r.out, re.M)


def test_doc(awl):
    everything = awl("doc").out
    assert "printf" in everything and "tracepoint" in everything
    assert "printf(" in awl("doc", "printf").out and "tracepoint:" in awl("doc", "tracepoint").out


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_exit_code_of_the_script(awl, code):
    assert awl("-q", "-e", f"begin {{ exit({code}); }}").code == code


def test_exit_code_of_errors(awl):
    assert awl("-e", "begin { nonesuch(); }").code == 1
    assert awl("--nonesuch").code == 1


def test_ways_to_give_a_script(awl, tmp_path):
    text = b'begin { printf("%s %d\\n", "in", 1); exit(); }'
    script = tmp_path / "s.bt"
    script.write_bytes(text)
    for r in (awl("-q", "-e", text.decode()), awl("-q", script), awl("-q", "-", stdin=text), awl("-q", "/dev/stdin", stdin=text),
              awl("-qe", text.decode()), awl(f"--execute={text.decode()}", "-q")):
        assert r.code == 0 and r.lines == ["in 1"], r


def test_shebang_script_with_parameters(tmp_path):
    script = tmp_path / "tool.bt"
    script.write_text(f'#!{AWL}\nbegin {{ printf("%d %s\\n", $1, str($2)); exit(); }}\n')
    script.chmod(0o755)
    p = subprocess.run([script, "42", "word"], capture_output=True, text=True, timeout=30)
    assert p.returncode == 0 and p.stdout.startswith("42 word\n"), p
    script.write_text(f'#!/usr/bin/env -S {AWL} -q\nbegin {{ printf("hi\\n"); exit(); }}\n')
    p = subprocess.run([script], capture_output=True, text=True, timeout=30)
    assert p.stdout.rstrip("\n") == "hi" and p.stderr == ""


def test_file_with_dos_line_ends_and_byte_order_mark(awl, tmp_path):
    script = tmp_path / "dos.bt"
    script.write_bytes(b'\xef\xbb\xbfbegin\r\n{\r\n\tprintf("hi\\n");\r\n\texit();\r\n}\r\n')
    r = awl("-q", script)
    assert r.code == 0 and r.lines == ["hi"], r


def test_output_file(awl, tmp_path):
    out = tmp_path / "out"
    r = awl("-o", out, "-e", 'begin { printf("x\\n"); @m = 5; }')
    assert r.code == 0 and r.out == "" and out.read_text().split() == ["x", "@m:", "5"]
    assert "Attached 1 probe" in r.err


def test_quiet_and_verbose(awl):
    assert awl("-e", "begin { exit(); }").err == "Attached 1 probe\n"
    assert awl("-q", "-e", "begin { exit(); }").err == ""
    assert awl("-v", "-e", "begin { exit(); }").code == 0


@pytest.mark.parametrize("mode", ["line", "full", "none"])
def test_buffering_changes_no_byte(awl, mode):
    r = awl("-q", "-B", mode, "-e", 'begin { printf("a\\nb"); printf("c\\n"); print(1); }')
    assert r.out.rstrip("\n") == "a\nbc\n1"


def test_buffering_by_line_shows_lines_at_once():
    p = subprocess.Popen([AWL, "-q", "-B", "line", "-e", 'begin { printf("now\\n"); } interval:s:100 { exit(); }'], stdout=subprocess.PIPE)
    try:
        assert p.stdout.readline() == b"now\n"
    finally:
        p.terminate()
        p.wait(20)
        p.stdout.close()


@pytest.mark.parametrize("stage,word", [
    ("ast", "count"), ("types", "map @"), ("ir", "ret"), ("bpf", "exit"), ("codegen", "exit"), ("all", "exit"), ("ast,ir", "ret"),
])
def test_dumps(awl, stage, word):
    r = awl("-d", stage, "-e", "begin { @ = count(); }")
    assert r.code == 0 and word in r.out and "Attached" not in r.err, r


def test_dry_run_attaches_and_leaves(awl, tmp_path):
    r = awl("--dry-run", "-e", 'begin { printf("x\\n"); } interval:s:1 { } end { printf("y\\n"); }', timeout=20)
    assert r.code == 0


def test_explain(awl):
    r = awl("--explain", "-e", f"uprobe:{STORM}:hit {{ @ = count(); }} tracepoint:sched:sched_switch {{ }} interval:s:1 {{ }}")
    assert r.code == 0 and "per hit" in r.out and "Attached" not in r.err and len(r.lines) >= 3, r


@pytest.mark.parametrize("messy,tidy", [
    ("begin{exit()}", "begin {\n\texit();\n}\n"),
    ("// c\nbegin{$x=1;/*y*/print( $x+2*3 );}", None),
    ("i:s:1,begin/pid==1/{@[comm,1]=count()}", None),
])
def test_fmt(awl, messy, tidy):
    first = awl("--fmt", "-e", messy)
    assert first.code == 0 and (tidy is None or first.out == tidy)
    assert awl("--fmt", "-e", first.out).out == first.out


def test_list_forms(awl):
    assert "tracepoint:sched:sched_switch" in awl("-l").lines
    assert awl("-l", "tracepoint:sched:sched_switch").lines == ["tracepoint:sched:sched_switch"]
    assert set(awl("-l", "tracepoint:sched:sched_wak*").lines) >= {"tracepoint:sched:sched_wakeup", "tracepoint:sched:sched_waking"}
    assert awl("-l", f"uprobe:{STORM}:hit").lines == [f"uprobe:{STORM}:hit"]
    verbose = awl("-lv", "tracepoint:sched:sched_switch").lines
    assert verbose[0] == "tracepoint:sched:sched_switch" and all(line.startswith("    ") for line in verbose[1:])
    assert any("prev_comm" in line for line in verbose)
    assert any(line.startswith("usdt:") for line in awl("-l", f"usdt:{TARGETS / 'calls'}:*").lines)
    assert awl("-l", "rawtracepoint:*sched_switch").code == 0


def test_no_feature(awl):
    script = f"uprobe:{STORM}:h* {{ @ = count(); }}"
    for features in ("uprobe_multi", "UPROBE_MULTI,RAW_TP", "BATCH", "MMAPABLE,TASK_BTF"):
        r = awl("-q", "--no-feature", features, "-e", script, "-c", f"{STORM} 500 2")
        assert r.code == 0 and "@: 1000" in r.lines, (features, r)


def test_no_warnings(awl):
    script = "begin { 1 + 2; exit(); }"
    assert "W0009" in awl("-e", script).err and "W0009" not in awl("--no-warnings", "-e", script).err


def test_color_only_on_a_terminal(awl):
    assert "\x1b" not in awl("-e", "begin { nonesuch(); }").err


def test_command_gets_its_words(awl, tmp_path):
    r = awl("-q", "-e", "interval:s:100 { }", "-c", "printf '%s|' 'a b' c\\ d \"e 'f'\" ''")
    assert r.out.startswith("a b|c d|e 'f'||"), r


def test_command_runs_without_a_shell(awl, tmp_path):
    r = awl("-q", "-e", "interval:s:100 { }", "-c", f"echo $HOME > {tmp_path}/x; touch {tmp_path}/y")
    assert not (tmp_path / "x").exists() and not (tmp_path / "y").exists() and "$HOME" in r.out


def test_unsafe_is_asked_for(awl):
    r = awl("-e", 'begin { system("true"); }')
    assert r.code == 1 and "--unsafe" in r.err
    assert awl("--unsafe", "-q", "-e", 'begin { system("echo ok"); exit(); }').lines == ["ok"]


def test_parameters_after_the_script(awl):
    r = awl("-q", "-e", 'begin { printf("%d [%s] %d\\n", $1, str($2), $#); exit(); }', "5", "x")
    assert r.code == 0 and r.lines == ["5 [x] 2"], r


def test_environment_settings(awl):
    script = f'uprobe:{STORM}:hit {{ printf("%s\\n", str(arg1)); }}'
    for key in ("BPFTRACE_MAX_STRLEN", "BPFTRACE_STRLEN"):
        r = awl("-q", "-e", script, "-c", f"{STORM} 1 1", env={key: "16"})
        assert r.code == 0 and any(line.startswith("sixty-three") and len(line) <= 18 for line in r.lines), r


def test_wrong_environment_setting_is_an_error(awl):
    r = awl("-e", "begin { exit(); }", env={"BPFTRACE_MAX_MAP_KEYS": "plenty"})
    assert r.code == 1 and "BPFTRACE_MAX_MAP_KEYS=plenty" in r.err and "E0009" in r.err, r


def test_called_as_bpftrace(tmp_path):
    link = tmp_path / "bpftrace"
    os.symlink(AWL, link)
    p = subprocess.run([link, "-e", 'BEGIN { printf("x\\n"); exit(); }'], capture_output=True, text=True, timeout=30)
    assert p.returncode == 0 and "x\n" in p.stdout


def test_options_may_follow_the_script_and_its_parameters(awl, tmp_path):
    script = tmp_path / "s.bt"
    script.write_text('begin { printf("%d %d %d\\n", $1, $2, $#); exit(); }')
    r = awl(script, 7, "-q", "-5", "-f", "json")
    assert r.lines == ['{"type": "printf", "data": "7 -5 2\\n"}'] and r.err == "", r
    r = awl("-q", "begin { }", "--", "-f")  # no such script: what follows `--` is no option
    assert r.code != 0 and "begin { }" in r.err
    r = awl(7, "-qe", 'begin { print($1); exit(); }')
    assert r.lines[0] == "7", r
