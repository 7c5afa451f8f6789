"""The kernel's types from a file of the user's (--kernel-btf, AWL_BTF, BPFTRACE_BTF), where the kernel shows none."""
import pathlib
import shutil
import subprocess

import pytest

from conftest import AWL

OWN = pathlib.Path("/sys/kernel/btf/vmlinux")
READS = ('begin { printf("%d %s %d\\n", curtask.tgid == pid, curtask.comm, '
         '((struct task_struct *)curtask).real_parent.tgid == ppid); exit(); }')

pytestmark = pytest.mark.skipif(not OWN.exists(), reason="this kernel has no BTF to be given")


def hidden(*args, env=None):
    """awl where /sys/kernel/btf is an empty folder."""
    hide = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"'
    return subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", hide, "sh", AWL, *args],
                          capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} | (env or {}))


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    file = tmp_path_factory.mktemp("btf") / "vmlinux.btf"
    file.write_bytes(OWN.read_bytes())
    return str(file)


def test_types_come_from_the_file(given):
    without = hidden("-q", "-e", READS)
    assert without.returncode == 1 and "E0702" in without.stderr and "--kernel-btf FILE" in without.stderr, without
    for r in (hidden("-q", "--kernel-btf", given, "-e", READS), hidden("-q", "-e", READS, env={"AWL_BTF": given}),
              hidden("-q", "-e", READS, env={"BPFTRACE_BTF": given}),
              hidden("-q", "-e", READS, env={"AWL_BTF": given, "BPFTRACE_BTF": "/nowhere"})):
        assert r.returncode == 0 and r.stdout.strip() == "1 awl 1", r


def test_the_file_may_be_a_program_with_a_section_of_types(given, tmp_path):
    if not shutil.which("objcopy"):
        pytest.skip("no objcopy")
    elf = tmp_path / "vmlinux"
    subprocess.run(["objcopy", "--add-section", f".BTF={given}", AWL, elf], check=True, timeout=60)
    r = hidden("-q", "--kernel-btf", str(elf), "-e", READS)
    assert r.returncode == 0 and r.stdout.strip() == "1 awl 1", r


def test_arguments_of_raw_tracepoints_have_their_types(given):
    script = 'rawtracepoint:sched_switch { printf("%d\\n", args.next.pid >= 0); exit(); }'
    r = hidden("-q", "--kernel-btf", given, "-e", script)
    assert r.returncode == 0 and set(r.stdout.split()) == {"1"}, r


def test_enumerators_and_listed_types_come_from_it(given):
    r = hidden("--kernel-btf", given, "-lv", "struct list_head")
    assert r.returncode == 0 and "struct list_head * next" in r.stdout.replace("*", "* ").replace("  ", " "), r
    r = hidden("-q", "--kernel-btf", given, "-e", 'begin { printf("%d\\n", TCP_ESTABLISHED); exit(); }')
    assert r.returncode == 0 and r.stdout.strip() == "1", r


def test_what_goes_by_the_kernels_own_numbers_of_types_is_lacking(given):
    """A file of another build would have the kernel trace and call something else."""
    r = hidden("--kernel-btf", given, "--info")
    has = dict(line.split()[:2] for line in r.stdout.splitlines() if line.startswith("  "))
    assert has["BTF"] == "yes" and "file that was given" in r.stdout, r
    assert {has[name] for name in ("FENTRY", "TP_BTF", "ITER", "TASK_BTF", "RDONLY_CAST")} == {"no"}, r
    r = hidden("-q", "--kernel-btf", given, "-e", "iter:task { print(ctx.task.pid); }")
    assert r.returncode == 1 and "no probe matches iter:task" in r.stderr or "E0701" in r.stderr, r
    r = hidden("-q", "--kernel-btf", given, "-e", 'begin { print(kfunc_exist("bpf_rdonly_cast")); exit(); }')
    assert r.stdout.strip() == "false", r


def test_a_kernel_that_shows_its_types_is_believed(given, tmp_path, awl):
    bad = tmp_path / "bad.btf"
    bad.write_bytes(b"\x9f\xeb\x01\x00" + b"\xff" * 200)
    r = awl("-q", "--kernel-btf", str(bad), "-e", READS)
    assert r.code == 0 and r.out.strip() == "1 awl 1", r


@pytest.mark.parametrize("content", [b"", b"root:x:0:0\n", b"\x9f\xeb\x01\x00" + b"\xff" * 200, b"\x7fELF" + b"\x02" * 60])
def test_a_file_without_types_is_named(content, tmp_path):
    bad = tmp_path / "bad.btf"
    bad.write_bytes(content)
    r = hidden("-q", "--kernel-btf", str(bad), "-e", READS)
    assert r.returncode == 1 and f"read BTF from {bad}: it has no valid BTF" in r.stderr, r


@pytest.mark.parametrize("size", [100, 5000, 100000])
def test_a_file_that_was_cut_is_named(size, given, tmp_path):
    cut = tmp_path / "cut.btf"
    cut.write_bytes(pathlib.Path(given).read_bytes()[:size])
    r = hidden("-q", "--kernel-btf", str(cut), "-e", READS)
    assert r.returncode == 1 and f"read BTF from {cut}" in r.stderr, r


@pytest.mark.unprivileged
def test_a_file_that_is_not_there_is_named(awl, tmp_path):
    missing = tmp_path / "missing.btf"
    r = awl("--kernel-btf", str(missing), "-e", READS)
    assert r.code == 1 and f"cannot read the kernel's types of {missing}: No such file" in r.err, r


def test_a_device_or_folder_is_no_file_with_types(tmp_path):
    for path in ("/dev/zero", str(tmp_path)):
        r = hidden("-q", "--kernel-btf", path, "-e", READS)
        assert r.returncode == 1 and f"read BTF from {path}: it has no valid BTF" in r.stderr, r
