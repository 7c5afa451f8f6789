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


def test_what_is_counted_as_replaced_refuses_nothing():
    """A feature without a row of its own must not be one that a script is refused for."""
    off = [name for name in ("MAY_GOTO", "KPROBE_FUNC_IP", "ITER_PATH", "SOCKET_COOKIE", "SEND_SIGNAL") if name not in features()]
    out = doctor()[1]
    for name in off:
        assert f"  lacking   {name}: " in out, name


def test_perf_events_that_are_closed_to_users_are_told(tmp_path):
    """The setting is shown to it as a file of its own."""
    setting = tmp_path / "paranoid"
    caps = "+bpf,+perfmon"
    for value, told in (("3", True), ("2", False)):
        setting.write_text(value + "\n")
        setting.chmod(0o644)
        tmp_path.chmod(0o755)
        out = doctor("unshare", "-m", "--propagation", "private", "sh", "-c",
                     f'mount --bind {setting} /proc/sys/kernel/perf_event_paranoid && exec "$@"', "sh",
                     "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps={caps}", f"--ambient-caps={caps}")[1]
        assert ("sudo sysctl kernel.perf_event_paranoid=2" in out) == told, out


def test_a_kernel_without_types_is_told_how_to_be_given_them():
    out = doctor("unshare", "-m", "--propagation", "private", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh")[1]
    assert "lacking   BTF: " in out and "--kernel-btf FILE" in out, out


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
