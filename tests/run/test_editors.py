"""What editors and shells get: the formatter on real scripts, completion inside of programs."""
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import AWL, ROOT

SCRIPTS = sorted(pathlib.Path("/usr/sbin").glob("*.bt")) + sorted((ROOT / "tests/run/scripts").glob("*.bt")) \
    + sorted((ROOT / "examples").glob("*.bt"))


def tree(awl, path):
    """The tree of a script without places: what it means."""
    return re.sub(r"\b\d+:\d+(-[\d:]+)?", "", awl("--mode", "codegen", "-d", "ast", path).out)


def comments(text):
    return sorted(" ".join(c.split()) for c in re.findall(r"//[^\n]*|/\*.*?\*/", text, re.S))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_formatting_changes_nothing_but_the_form(awl, tmp_path, script):
    once = awl("--fmt", script)
    assert once.code == 0, once
    copy = tmp_path / script.name
    copy.write_text(once.out)
    assert awl("--fmt", copy).out == once.out
    assert comments(once.out) == comments(script.read_text())
    assert tree(awl, copy) == tree(awl, script) != ""


@pytest.mark.parametrize("typed, has, not_has", [
    ("tracepoint:sched:sched_sw", "tracepoint:sched:sched_switch", "tracepoint:sched:sched_wakeup"),
    ("tr", "tracepoint", "kprobe"),
    ("tracepoint:sched:sched_switch { print(args.prev_", "tracepoint:sched:sched_switch { print(args.prev_comm", "next_comm"),
    ("tracepoint:sched:sched_switch /pid == 1/ { print(args.", "tracepoint:sched:sched_switch /pid == 1/ { print(args.next_pid", "pid"),
    ("begin { pri", "begin { printf", "begin { join"),
    ("begin { } tracepoint:sched:sched_sw", "begin { } tracepoint:sched:sched_switch", "begin { } begin"),
])
def test_programs_are_completed(awl, typed, has, not_has):
    lines = awl("--complete", typed).out.splitlines()
    assert has in lines and not_has not in lines, lines


def program(typed):
    return f"awl -e '{typed}"


def test_bash_completes_in_the_quotes_of_a_program(awl, tmp_path):
    file = tmp_path / "awl.bash"
    file.write_text(awl("--completion", "bash").out)
    line = program("begin { } tracepoint:sched:sched_sw")
    run = subprocess.run(["bash", "-c", f'source {file}; COMP_LINE=$1; COMP_POINT=${{#1}}; COMP_WORDS=({AWL} -e "x"); COMP_CWORD=2; '
                          '_awl; printf "%s\\n" "${COMPREPLY[@]}"', "bash", line], capture_output=True, text=True, timeout=30)
    assert "begin { } tracepoint:sched:sched_switch" in run.stdout.splitlines(), run


def test_fish_completes_in_the_quotes_of_a_program(awl, tmp_path):
    if not shutil.which("fish"):
        pytest.skip("no fish")
    file = tmp_path / "awl.fish"
    file.write_text(awl("--completion", "fish").out)
    line = program("tracepoint:sched:sched_sw")
    run = subprocess.run(["fish", "-c", f'set -x PATH {pathlib.Path(AWL).parent} $PATH; source {file}; complete -C "{line}"'],
                         capture_output=True, text=True, timeout=30)
    assert "tracepoint:sched:sched_switch" in run.stdout, run
    run = subprocess.run(["fish", "-c", f'source {file}; complete -C "awl --dry"'], capture_output=True, text=True, timeout=30)
    assert "--dry-run" in run.stdout, run


def test_zsh_takes_its_completion(awl, tmp_path):
    if not shutil.which("zsh"):
        pytest.skip("no zsh")
    (tmp_path / "_awl").write_text(awl("--completion", "zsh").out)
    run = subprocess.run(["zsh", "-fc", f"fpath=({tmp_path} $fpath); autoload -U compinit; compinit -D; "
                          "autoload +X _awl && print $_comps[awl]"], capture_output=True, text=True, timeout=30)
    assert run.stdout == "_awl\n" and run.stderr == "", run
