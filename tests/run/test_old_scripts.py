"""Scripts written for older releases: the ones of Debian's bpftrace (0.17), and old spellings."""
import pathlib
import re

import pytest

SCRIPTS = sorted(pathlib.Path("/usr/sbin").glob("*.bt"))

# What a machine may lack, and no error of the language: functions that a library does not have, symbols that the
# kernel hides, a field of the kernel that newer ones call otherwise.
MACHINE = re.compile(r"^error(\[E0103\]|\[E0201\]: the kernel has no symbol|\[E0205\]: struct cfs_rq has no field nr_running)")


def without_kprobes(text):
    """The same with uprobes, which every kernel has: what is tested is the language."""
    text = re.sub(r"(?m)^(\s*|.*[ ,])kretprobe:[^ ,{/\n]+", r"\1uretprobe:libc:malloc", text)
    return re.sub(r"(?m)^(\s*|.*[ ,])kprobe:[^ ,{/\n]+", r"\1uprobe:libc:malloc", text)


@pytest.mark.skipif(not SCRIPTS, reason="Debian's bpftrace is not installed")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_a_script_of_debian_compiles(awl, tmp_path, script):
    copy = tmp_path / script.name
    copy.write_text(without_kprobes(script.read_text()))
    r = awl("--mode", "codegen", copy)
    errors = [l for l in r.err.splitlines() if l.startswith("error")]
    assert all(MACHINE.match(l) for l in errors), r
    assert r.code == (1 if errors else 0), r


def test_variables_of_the_whole_probe(awl):
    """Up to 0.21 a variable was alive in the whole probe."""
    r = awl("-q", "-e", 'BEGIN { if (1) { $x = 5; } else { $x = 6; } printf("%d\\n", $x); @a["k"] = $x; delete(@a["k"]); exit(); }')
    assert r.code == 0 and r.lines[0] == "5", r


def test_arrows_and_capitals(awl):
    r = awl("-q", "-e", '''
        tracepoint:raw_syscalls:sys_enter { @n[args->id >= 0] = count(); exit(); }
        END { clear(@n); printf("%s\\n", ((struct task_struct *)curtask)->comm); }''')
    assert r.code == 0 and r.lines[0] == "awl", r
