"""awl -l: complete by what the kernel itself says, sorted, each line once; -lv: with the types of the arguments."""
import os
import pathlib
import re
import subprocess

import pytest

from conftest import TARGETS, features

STORM = str(TARGETS / "storm")
CALLS = str(TARGETS / "calls")
TRACING = pathlib.Path("/sys/kernel/tracing")


def listed(awl, pattern, *args):
    r = awl("-l", *args, pattern)
    assert r.code == 0, r
    return r.lines


def text_symbols():
    """Names of the kernel's own functions, those that the compiler made beside them left out."""
    out = set()
    for line in pathlib.Path("/proc/kallsyms").read_text().splitlines():
        address, kind, name = line.split("\t")[0].split()
        if kind in "tTwW" and "\t" not in line:
            out.add((int(address, 16), name))
    return out


def sections():
    at = {name: address for address, name in text_symbols()}
    for a, b in (("__entry_text_start", "__entry_text_end"), ("__noinstr_text_start", "__noinstr_text_end"), ("_sinittext", "_einittext")):
        if a in at and b in at:
            yield a, at[a], at[b]


@pytest.fixture(scope="module")
def everything():
    p = subprocess.run([os.environ["AWL"], "-l"], capture_output=True, text=True, timeout=60)
    assert p.returncode == 0, p
    return p.stdout.splitlines()


def of(everything, kind):
    return {line.split(":", 1)[1] for line in everything if line.startswith(kind + ":")}


def test_each_line_is_there_once_and_sorted(everything):
    assert len(everything) == len(set(everything))
    kinds = list(dict.fromkeys(line.split(":")[0] for line in everything))
    for kind in kinds:
        own = [line for line in everything if line.split(":")[0] == kind]
        assert own == sorted(own, key=os.fsencode), kind
    assert {"tracepoint", "rawtracepoint", "software", "hardware", "iter", "kprobe", "fentry"} <= set(kinds)


def test_all_tracepoints_are_listed(everything):
    events = {f"{p.parent.parent.name}:{p.parent.name}" for p in TRACING.glob("events/*/*/format") if p.parent.parent.name != "ftrace"}
    assert events and of(everything, "tracepoint") == events


def test_raw_tracepoints_are_those_of_btf(everything):
    """The kernel describes each as a typedef btf_trace_NAME."""
    names = set(re.findall(rb"\0btf_trace_(\w+)(?=\0)", pathlib.Path("/sys/kernel/btf/vmlinux").read_bytes()))
    assert names and of(everything, "rawtracepoint") >= {f"vmlinux:{n.decode()}" for n in names}


def test_iterators_are_those_of_btf(everything):
    names = set(re.findall(rb"\0bpf_iter__(\w+)(?=\0)", pathlib.Path("/sys/kernel/btf/vmlinux").read_bytes()))
    assert names and of(everything, "iter") <= {n.decode() for n in names} and "task" in of(everything, "iter")


def test_kernel_functions_are_listed(everything):
    """Where ftrace's own list cannot be read, all functions of kallsyms that no section forbids."""
    kprobes = of(everything, "kprobe")
    try:
        lines = (TRACING / "available_filter_functions").read_text().splitlines()
        want = {line.split()[0] for line in lines if "[" not in line}
        assert want <= kprobes | {name for name in want if ".cold" in name or name.startswith("__")}
        return
    except OSError:
        pass
    symbols = text_symbols()
    bounds = list(sections())
    made = re.compile(r"^(\.|__pfx_|__cfi_|__kcfi|__SC[TK]__|__ksymtab|_[se]?text$|_[se]inittext$)|_text_(start|end)$|\.cold|__UNIQUE_ID")
    want = {name for address, name in symbols if not made.search(name) and not any(a <= address < b for _, a, b in bounds)}
    own = {name for name in kprobes if ":" not in name}
    assert len(want) > 10000 and want == own, (sorted(want - own)[:9], sorted(own - want)[:9])
    assert "vfs_read" in own


def test_functions_that_refuse_probes_are_not_listed(everything):
    kprobes = of(everything, "kprobe")
    symbols = text_symbols()
    seen = 0
    for name, a, b in sections():
        inside = {s for address, s in symbols if a <= address < b}
        outside = {s for address, s in symbols if not a <= address < b}
        seen += len(inside)
        assert not (inside - outside) & kprobes, name
    assert seen > 100


def test_functions_with_types_are_listed(everything):
    """fentry has those of kprobe that BTF describes."""
    fentry = {name.removeprefix("vmlinux:") for name in of(everything, "fentry")}
    strings = set(pathlib.Path("/sys/kernel/btf/vmlinux").read_bytes().split(b"\0"))
    assert "vfs_read" in fentry and fentry <= of(everything, "kprobe")
    assert len(fentry) > 10000 and {name.encode() for name in fentry} <= strings


def test_what_cannot_be_attached_is_said(awl):
    r = awl("-l", "kprobe:vfs_read")
    assert r.lines == ["kprobe:vfs_read"]
    assert ("this kernel has no kprobes" in r.err) == (not features() & {"KPROBE", "KPROBE_MULTI"})
    r = awl("-l", "fexit:vfs_rea*")
    assert "fexit:vmlinux:vfs_read" in r.lines
    assert ("no fentry" in r.err) == ("FENTRY" not in features())
    assert awl("-l", "tracepoint:sched:*").err == ""


@pytest.mark.parametrize("pattern,want", [
    ("begin", ["begin"]), ("END", ["end"]), ("watchpoint:*", ["watchpoint:ADDRESS:LENGTH:MODE or watchpoint:FUNCTION+argN:LENGTH:MODE"]),
    ("interval:*", ["interval:hz:", "interval:ms:", "interval:ns:", "interval:s:", "interval:us:"]),
    ("kretprobe:vfs_read", ["kretprobe:vfs_read"]), ("k:vfs_read", ["kprobe:vfs_read"]), ("f:vfs_read", ["fentry:vmlinux:vfs_read"]),
    ("iter:task_v*", ["iter:task_vma"]), ("software:cpu", ["software:cpu:"]), ("rt:sched_switch", ["rawtracepoint:vmlinux:sched_switch"]),
    ("uprobe:%s:hit" % STORM, ["uprobe:%s:hit" % STORM]), ("ur:%s:nonesuch*" % STORM, []),
    ("uretprobe:%s:hit" % STORM, ["uretprobe:%s:hit" % STORM]),
])
def test_every_kind(awl, pattern, want):
    r = awl("-l", pattern)
    assert [line for line in r.lines if line] == want and r.code == (0 if want else 1), r


def test_overlapping_patterns_list_once(awl):
    lines = listed(awl, "tracepoint:sched:*,tracepoint:sched:sched_switch,t:sched:sched_w*")
    assert len(lines) == len(set(lines)) and "tracepoint:sched:sched_switch" in lines
    lines = listed(awl, "struct list_head,struct list_hea*")
    assert lines == ["struct list_head"]


@pytest.mark.parametrize("probe,lines", [
    ("fentry:vfs_read", ["    struct file * file", "    uint64 count"]),
    ("fexit:vfs_read", ["    struct file * file", "    int64 retval"]),
    ("tracepoint:sched:sched_wakeup", ["    pid_t pid", "    int prio"]),
    ("tracepoint:syscalls:sys_exit_read", ["    long ret"]),
    ("rawtracepoint:sched_switch", ["    struct task_struct * prev"]),
    ("iter:task_vma", ["    struct task_struct * task", "    struct vm_area_struct * vma"]),
])
def test_arguments_have_types(awl, probe, lines):
    out = awl("-lv", probe).lines
    assert not out[0].startswith(" ") and all(line in out[1:] for line in lines), out


def test_places_of_a_file_and_of_a_process(awl):
    functions = listed(awl, f"uprobe:{CALLS}:*")
    usdt = listed(awl, f"usdt:{CALLS}:*")
    assert f"uprobe:{CALLS}:tick" in functions and functions == sorted(set(functions))
    assert usdt and usdt == sorted(set(usdt)) and all(line.count(":") == 3 for line in usdt)
    p = subprocess.Popen([STORM, "1000000000", "1"], stdout=subprocess.DEVNULL)
    try:
        assert f"uprobe:{STORM}:hit" in listed(awl, f"uprobe:{STORM}:hit", "-p", p.pid)
        lines = listed(awl, "uprobe:*:hit", "-p", p.pid)
        assert lines == [f"uprobe:{STORM}:hit"]
    finally:
        p.kill()
        p.wait()


def test_types_are_whole_with_v(awl):
    for name, text in (("struct list_head", "\tstruct list_head *next;"), ("union bpf_attr", "union bpf_attr {"), ("enum pid_type", "\tPIDTYPE_TGID = 1,")):
        assert listed(awl, name) == [name]
        out = awl("-lv", name).out
        assert out.startswith(name + " {\n") and text in out and out.endswith("};\n")
    for kind in ("struct", "union", "enum"):
        lines = listed(awl, f"{kind} *")
        assert len(lines) > 100 and lines == sorted(lines, key=os.fsencode)
