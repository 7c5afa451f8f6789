"""awl doctor: what is lacking, what awl does instead, and what would change it."""
import subprocess

from conftest import AWL, features


def doctor(*prefix):
    r = subprocess.run([*prefix, AWL, "doctor"], capture_output=True, text=True)
    return r.returncode, r.stdout


def test_every_lack_has_a_remedy():
    status, out = doctor()
    assert status == 0
    assert "awl can trace" in out
    lines = out.split("\n")
    for i, line in enumerate(lines):
        if line.startswith("  lacking"):
            assert "to have it: " in lines[i + 1] + lines[i + 2], line


def test_lacking_features_are_those_of_info():
    out = doctor()[1]
    for name in ["BTF", "RINGBUF", "UPROBE", "KPROBE", "FENTRY", "ITER", "LONG_KEYS"]:
        assert (f"  lacking   {name}: " in out) == (name not in features()), name


def test_without_rights_nothing_is_tried():
    status, out = doctor("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert status == 1
    assert "lacking   CAP_BPF" in out
    assert "setcap cap_bpf" in out
    assert "Kernel features" not in out


def test_two_capabilities_are_enough_for_a_user():
    caps = "+bpf,+perfmon"
    status, out = doctor("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps={caps}",
                         f"--ambient-caps={caps}")
    assert status == 0
    assert "ok        CAP_BPF" in out
    assert "lacking   CAP_SYS_PTRACE" in out
