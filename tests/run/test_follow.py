"""Which processes are traced: several of them, what they start, those of a name, of a cgroup, of a container."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

from conftest import AWL, TARGETS, Tracer, run_awl

CALLS = str(TARGETS / "calls")
EXIT = "tracepoint:sched:sched_process_exit { @[comm] = count(); }"
THREADS = """
import threading, time
end = time.monotonic() + 60
def spin():
    while time.monotonic() < end: sum(range(1000))
threads = [threading.Thread(target=spin) for _ in range(2)]
for t in threads: t.start()
time.sleep(60)
"""


def counts(r):
    """{key: number} of the maps that were printed."""
    return {k: int(v) for k, v in (line[1:].lstrip("[").replace("]", "").split(": ") for line in r.lines if line.startswith("@"))}


def start_calls(n=545):
    p = subprocess.Popen([CALLS, str(n), "go"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    p.stdout.readline()
    return p


def let_go(p):
    p.stdin.write("\n")
    p.stdin.flush()
    p.wait(20)


def copy_as(tmp_path, program, name):
    shutil.copy(program, tmp_path / name)
    return str(tmp_path / name)


def test_children_of_children_are_followed(awl):
    r = awl("-F", "-c", "sh -c '/bin/true; (sh -c \"/bin/true; /bin/true\"); :'", "-e", EXIT)
    assert r.code == 0 and counts(r) == {"true": 3, "sh": 2}, r


def test_without_follow_only_the_command_is_traced(awl):
    r = awl("-c", "sh -c '/bin/true; (sh -c /bin/true); :'", "-e", EXIT)
    assert counts(r) == {"sh": 1}, r


@pytest.mark.parametrize("probe", ["uprobe", "uretprobe"])
def test_functions_in_what_a_shell_starts(awl, probe):
    r = awl("-F", "-c", f"sh -c '{CALLS} 7; {CALLS} 5; :'", "-e", f"{probe}:{CALLS}:tick {{ @[comm] = count(); }}")
    assert counts(r) == {"calls": 12}, r
    r = awl("-c", f"sh -c '{CALLS} 7; :'", "-e", f"{probe}:{CALLS}:tick {{ @ = count(); }}")
    assert counts(r) in ({}, {"": 0}), r


def test_the_run_goes_on_until_the_last_process_has_ended(awl):
    began = time.monotonic()
    r = awl("-F", "-c", "sh -c '(sleep 0.7; /bin/true) & exit'", "-e", EXIT)
    assert counts(r) == {"true": 1, "sleep": 1, "sh": 1}, r
    assert time.monotonic() - began >= 0.7


def test_children_that_are_there_already(awl):
    parent = subprocess.Popen(["sh", "-c", "(sh -c 'read x; /bin/true; :') & wait"], stdin=subprocess.PIPE)
    shell = subprocess.Popen(["sh", "-c", "exec 3<&0; (sh -c 'read x <&3; /bin/true; :') & wait"], stdin=subprocess.PIPE)
    try:
        with Tracer("-F", "-p", shell.pid, "-e", EXIT) as t:
            shell.stdin.write(b"\n")
            shell.stdin.flush()
            shell.wait(20)
            r = t.finish(None)
        assert counts(r)["true"] == 1 and counts(r)["sh"] >= 2, r
    finally:
        parent.kill()
        parent.wait()


def test_several_processes(awl):
    three = [start_calls() for _ in range(3)]
    traced = three[:2]
    script = f"uprobe:{CALLS}:tick {{ @[pid] = count(); }} tracepoint:syscalls:sys_enter_exit_group {{ @e[pid] = count(); }}"
    with Tracer("-p", f"{traced[0].pid},{traced[1].pid}", "-e", script) as t:
        for p in three:
            let_go(p)
        r = t.finish(None)  # leaves with the last of them
    want = {}
    for p in traced:
        want[f"e[{p.pid}"] = 1
    assert r.code == 0
    assert {k: v for k, v in counts(r).items() if k.startswith("e[")} == want, r
    assert {k: v for k, v in counts(r).items() if not k.startswith("e[")} == {str(p.pid): 545 for p in traced}, r


def test_p_may_be_given_twice(awl):
    two = [start_calls() for _ in range(2)]
    with Tracer("-p", two[0].pid, "-p", two[1].pid, "-e", "uprobe:tick { @[pid] = count(); }") as t:
        for p in two:
            let_go(p)
        r = t.finish(None)
    assert counts(r) == {str(p.pid): 545 for p in two}, r


def test_processes_of_a_name_now_and_later(awl, tmp_path):
    named = copy_as(tmp_path, CALLS, "awl-named")
    now = subprocess.Popen([named, "3", "go"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    now.stdout.readline()
    other = start_calls(9)
    with Tracer("--name", "awl-named", "-e", f"uprobe:{named}:tick, uprobe:{CALLS}:tick {{ @[comm] = count(); }}") as t:
        let_go(now)
        let_go(other)
        subprocess.run([named, "4"], stdout=subprocess.DEVNULL, timeout=20)
        r = t.finish()
    assert counts(r) == {"awl-named": 7}, r


def test_a_name_may_end_in_a_star_and_need_not_exist_yet(awl, tmp_path):
    a, b, c = (copy_as(tmp_path, "/bin/true", n) for n in ("awlstar-one", "awlstar-two", "awlsta"))
    with Tracer("--name", "awlstar*", "-e", EXIT) as t:
        for program in (a, b, c):
            subprocess.run([program], timeout=20)
        r = t.finish()
    assert "No process is called awlstar* yet" in r.err, r
    assert counts(r) == {"awlstar-one": 1, "awlstar-two": 1}, r


def test_a_name_is_left_with_exec_unless_it_is_followed(awl, tmp_path):
    named = copy_as(tmp_path, "/bin/sh", "awl-shell")
    with Tracer("--name", "awl-shell", "-e", EXIT) as t:
        subprocess.run([named, "-c", "/bin/true; :"], timeout=20)
        r = t.finish()
    assert counts(r) == {"awl-shell": 1}, r
    with Tracer("-F", "--name", "awl-shell", "-e", EXIT) as t:
        subprocess.run([named, "-c", "/bin/true; :"], timeout=20)
        r = t.finish()
    assert counts(r) == {"awl-shell": 1, "true": 1}, r


def test_all_threads_of_a_process_are_sampled(awl):
    p = subprocess.Popen([sys.executable, "-c", THREADS])
    other = subprocess.Popen([sys.executable, "-c", THREADS])
    try:
        time.sleep(0.5)
        r = awl("-p", p.pid, "-e", "profile:hz:99 { @[pid, tid != pid] = count(); } interval:s:1 { exit(); }")
        assert set(counts(r)) == {f"{p.pid}, true"} or set(counts(r)) == {f"{p.pid}, true", f"{p.pid}, false"}, r
    finally:
        for q in (p, other):
            q.kill()
            q.wait()


def test_intervals_fire_whatever_is_traced(awl):
    p = subprocess.Popen(["sleep", "60"])
    try:
        r = awl("-F", "-p", p.pid, "-e", 'interval:ms:10 { printf("there\\n"); exit(); }')
        assert r.code == 0 and r.out.startswith("there"), r
    finally:
        p.kill()
        p.wait()


# ---- cgroups ----


def cgroup2():
    for line in open("/proc/self/mounts"):
        _, where, kind = line.split()[:3]
        if kind == "cgroup2":
            return pathlib.Path(where)
    pytest.skip("no cgroup v2 is mounted")


@pytest.fixture
def group():
    """group(name): a new cgroup; the names of parents may be part of it."""
    made = []

    def make(name):
        path = cgroup2()
        for part in name.split("/"):
            path = path / part
            try:
                path.mkdir()
            except FileExistsError:
                continue
            except OSError as e:
                pytest.skip(f"no cgroup can be made: {e}")
            made.append(path)
        return path

    yield make
    for path in reversed(made):
        for _ in range(100):
            try:
                path.rmdir()
                break
            except OSError:
                time.sleep(0.02)


def run_in(group, *args):
    def enter():
        (group / "cgroup.procs").write_text("0")
    subprocess.run(args, preexec_fn=enter, timeout=20, stdout=subprocess.DEVNULL)


ID = "a1b2c3d4" * 8
OTHER = "a1b2ffff" * 8
UID = "3f1c2d4e-0000-4a5b-8c6d-7e8f90a1b2c3"


def test_processes_of_a_cgroup_and_below(awl, group):
    inside, below, outside = group("awl-test"), group("awl-test/sub"), group("awl-other")
    with Tracer("--cgroup", inside, "-e", f"uprobe:{CALLS}:tick {{ @ = count(); }}") as t:
        for g, n in ((inside, 3), (below, 4), (outside, 9)):
            run_in(g, CALLS, str(n))
        r = t.finish()
    assert counts(r) == {"": 7}, r


@pytest.mark.parametrize("directory", [f"docker-{ID}.scope", f"docker/{ID}", f"cri-containerd-{ID}.scope", f"libpod-{ID}.scope"])
def test_a_container_by_the_start_of_its_id(awl, group, directory):
    inside, monitor = group("awl-test/" + directory), group(f"awl-test/crio-conmon-{ID}.scope")
    with Tracer("--container", ID[:12], "-e", f"uprobe:{CALLS}:tick {{ @ = count(); }}") as t:
        run_in(inside, CALLS, "3")
        run_in(monitor, CALLS, "9")
        r = t.finish()
    assert counts(r) == {"": 3}, r


@pytest.mark.parametrize("directory", [f"kubepods-burstable-pod{UID.replace('-', '_')}.slice", f"kubepods/besteffort/pod{UID}"])
def test_a_pod_with_containers_that_start_later(awl, group, directory):
    pod = group("awl-test/" + directory)
    with Tracer("--pod", UID, "-e", f"uprobe:{CALLS}:tick {{ @ = count(); }}") as t:
        late = group(f"awl-test/{directory}/cri-containerd-{ID}.scope")
        run_in(late, CALLS, "5")
        r = t.finish()
    assert counts(r) == {"": 5}, r


def test_an_id_that_means_two_containers(awl, group):
    group(f"awl-test/docker-{ID}.scope")
    group(f"awl-test/docker-{OTHER}.scope")
    r = awl("--container", "a1b2", "-e", EXIT)
    assert r.code != 0 and "more than one container is meant by a1b2" in r.err and "give more of the id" in r.err, r


# ---- errors ----


@pytest.mark.parametrize("args, message", [
    (["-p", "1,x"], '"x" is not a process id'),
    (["-p", "1,"], '"" is not a process id'),
    (["-p", "999999999"], "there is no process 999999999"),
    (["-p", "1", "-c", "ls"], "-c and -p exclude one another"),
    (["-F"], "-F follows what -p, -c or --name names"),
    (["--name", ""], "the name of --name is empty"),
    (["--cgroup", "/no/such"], "open cgroup /no/such"),
    (["--cgroup", "/proc"], "/proc is no cgroup v2 directory"),
    (["--container", "feedfacefeed"], "no cgroup belongs to the container feedfacefeed"),
    (["--pod", "feedface-0000"], "no cgroup belongs to the pod feedface-0000"),
])
def test_what_cannot_be_traced_is_told(awl, args, message):
    r = awl(*args, "-e", EXIT)
    assert r.code == 1 and message in r.err, r
