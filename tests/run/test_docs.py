"""The documents say what the program does: generated files are fresh, and every program in a fence compiles.

A fence that begins with ```awl holds one or several programs of the language, separated by empty lines, or a
command line that begins with `awl `. What the kernel at hand has no probes for is skipped, with the reason."""
import re
import shlex
import subprocess

import pytest

from conftest import AWL, ROOT, features, run_awl

DOCUMENTS = sorted(p for p in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")] if p.exists())
# Kinds of probes, with the feature that they need; spelled as at the begin of an attach point.
NEEDS = {"kprobe": "KPROBE", "kretprobe": "KPROBE", "fentry": "FENTRY", "fexit": "FENTRY", "hardware": "HARDWARE"}


def fences(path, kind):
    """Line number and text of each fence of a kind."""
    for m in re.finditer(rf"^```{kind}\n(.*?)^```$", path.read_text(), re.M | re.S):
        yield path.read_text()[: m.start()].count("\n") + 2, m.group(1)


def programs(kind):
    for path in DOCUMENTS:
        for line, text in fences(path, kind):
            for n, program in enumerate(re.split(r"\n\n+", text.strip("\n"))):
                yield pytest.param(program, id=f"{path.relative_to(ROOT)}:{line}+{n}")


def compile_args(program):
    if not program.startswith("awl "):
        return ["-e", program]
    return shlex.split(program.split("\n")[0], comments=True)[1:]


def skip_what_is_not_here(program):
    for kind in re.findall(r"^\W*(\w+):", program, re.M):
        if kind in NEEDS and NEEDS[kind] not in features():
            pytest.skip(f"this kernel has no {NEEDS[kind]}")
    for path in re.findall(r"(?:uprobe|uretprobe|usdt|go|goret):(\.?/[^:\s]+):", program):
        if "*" not in path and subprocess.run(["test", "-e", path]).returncode:
            pytest.skip(f"there is no {path}")


@pytest.mark.parametrize("program", programs("awl"))
def test_program_in_a_document_compiles(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what -o names is made
    skip_what_is_not_here(program)
    args = compile_args(program)
    if "cpid" in program and "-c" not in args:
        args += ["-c", "true"]
    dump = [] if {"-l", "-lv", "doc", "--info", "--fmt", "--explain"} & set(args) else ["-d", "types", "--unsafe"]
    r = run_awl(*dump, *args, env={"BPFTRACE_MISSING_PROBES": "warn"})
    if "is no cgroup v2 directory" in r.err:
        pytest.skip("not on this machine: " + r.err.split("\n")[0])
    if r.code == 1 and r.err.count("error[") == r.err.count("error[E0701]"):
        pytest.skip("not on this kernel: " + r.err.split("\n")[0])
    assert r.code == 0, r


@pytest.mark.parametrize("program", programs("awl-error"))
def test_program_in_a_document_is_refused(program):
    assert run_awl("-d", "types", *compile_args(program)).code == 1


@pytest.mark.unprivileged
@pytest.mark.parametrize("generator", ["gen-builtins", "gen-man"])
def test_generated_document_is_fresh(generator):
    r = subprocess.run([ROOT / "docs" / generator, "--check", AWL], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr


@pytest.mark.unprivileged
def test_links_in_documents_lead_somewhere():
    for path in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / link).exists(), f"{path}: {link}"
