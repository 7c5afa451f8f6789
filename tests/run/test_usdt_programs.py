"""Probes of programs as distributions build them: OpenJDK, CPython, PostgreSQL, Redis, bash; and of one container alone.

Each needs its program and is skipped where there is none. Nothing is left behind: servers have a directory of their own, are
reached by a socket in it, and end with the test."""
import glob
import os
import pathlib
import pwd
import shutil
import subprocess
import textwrap
import time

import pytest
from conftest import TARGETS, Tracer, run_awl


def program(name, *others):
    """The path of a program, or else the test is skipped."""
    found = shutil.which(name) or next((p for o in others for p in sorted(glob.glob(o))), None)
    if not found:
        pytest.skip(f"no {name}")
    return os.path.realpath(found)


def has_probe(path, name):
    if not any(line.endswith(":" + name) for line in run_awl("-l", f"usdt:{path}:*").lines):
        pytest.skip(f"{path} is built without the probe {name}")


# ---- OpenJDK

SHOP = """
    public class Shop {
        static class Parcel { int weight = 3; }
        static int pack(Parcel p) { return p.weight; }
        public static void main(String[] a) throws Exception {
            int sum = 0;
            for (int i = 0; i < 5; i++)
                sum += pack(new Parcel());
            Thread t = new Thread(() -> { }, "courier-7");
            t.start();
            t.join();
            System.gc();
            System.out.println("sum " + sum);
        }
    }
    """


@pytest.fixture(scope="module")
def jdk(tmp_path_factory):
    """(java, libjvm.so, a directory with the class Shop)"""
    javac = program("javac")
    home = pathlib.Path(javac).parents[1]
    jvm = str(home / "lib/server/libjvm.so")
    if not os.path.exists(jvm):
        pytest.skip("no libjvm.so of " + javac)
    has_probe(jvm, "hotspot:class__loaded")
    place = tmp_path_factory.mktemp("java")
    (place / "Shop.java").write_text(SHOP)
    subprocess.run([javac, "-d", str(place), str(place / "Shop.java")], check=True, timeout=120)
    return home / "bin/java", jvm, place


def run_shop(jdk, script, *options):
    java, jvm, place = jdk
    command = " ".join(map(str, [java, "-XX:+UseSerialGC", "-Xshare:auto", *options, "-cp", place, "Shop"]))
    r = run_awl("-e", script.replace("JVM", f"usdt:{jvm}:hotspot"), "-c", command, timeout=120)
    assert r.code == 0 and "sum 15" in r.lines, r
    return r


def test_java_classes_and_threads(jdk):
    """Names have a length and no end: each is printed exactly, whatever is behind it in memory."""
    r = run_shop(jdk, r'JVM:class__loaded { printf("class [%s]\n", str(arg0, arg1)); }'
                      r'JVM:thread__start { printf("thread [%s] %d\n", str(arg0, arg1), arg4); }')
    assert "class [Shop]" in r.lines and "class [Shop$Parcel]" in r.lines, r
    assert "thread [courier-7] 0" in r.lines and "thread [Finalizer] 1" in r.lines, r


def test_java_collections(jdk):
    r = run_shop(jdk, r'JVM:gc__begin { printf("begin %d\n", arg0); } JVM:gc__end { printf("end\n"); }')
    assert "begin 1" in r.lines and r.lines.index("end") > r.lines.index("begin 1"), r


def test_java_methods_and_allocations(jdk):
    r = run_shop(jdk, r'JVM:method__entry /str(arg1, arg2) == "Shop"/ { @["method", str(arg3, arg4), str(arg5, arg6)] = count(); }'
                      r'JVM:object__alloc /str(arg1, arg2) == "Shop$Parcel"/ { @["object", "", ""] = count(); }',
                 "-XX:+ExtendedDTraceProbes")
    assert "@[method, pack, (LShop$Parcel;)I]: 5" in r.lines and "@[method, main, ([Ljava/lang/String;)V]: 1" in r.lines, r
    assert "@[object, , ]: 5" in r.lines, r


# ---- CPython

def test_python_collections_and_audits():
    python = program("/usr/bin/python3")
    has_probe(python, "python:audit")
    code = 'import gc, sys; gc.collect(1); sys.audit("parcel.packed")'
    r = run_awl("-e", f'usdt:{python}:python:audit {{ @[str(arg0)] = count(); }}'
                      f'usdt:{python}:python:gc__start {{ printf("gc %d\\n", arg0); }}', "-c", f"{python} -c '{code}'")
    assert "gc 1" in r.lines and "@[parcel.packed]: 1" in r.lines, r


def test_python_imports_of_any_process():
    """No pid: also of processes that start later; the semaphore makes CPython say it at all."""
    python = program("/usr/bin/python3")
    has_probe(python, "python:import__find__load__start")
    with Tracer("-e", f'usdt:{python}:python:import__find__load__start {{ printf("%d %s\\n", pid, str(arg0)); }}') as t:
        p = subprocess.Popen([python, "-c", "import colorsys"])
        p.wait(30)
        t.wait_output(f"{p.pid} colorsys\n")


# ---- PostgreSQL

class Postgres:
    """A server in a directory of its own, reached by a socket there."""

    def __init__(self, path, place):
        self.bin, self.place = os.path.dirname(path), place
        user = pwd.getpwnam("postgres")
        os.chown(place, user.pw_uid, user.pw_gid)
        self.env = dict(os.environ, LC_ALL="C", HOME=str(place))
        self.who = dict(user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd=place, env=self.env)
        subprocess.run([self.bin + "/initdb", "-D", place / "data", "-A", "trust", "-N"], check=True, capture_output=True,
                       timeout=120, **self.who)
        self.p = subprocess.Popen([self.bin + "/postgres", "-D", place / "data", "-k", place, "-h", ""], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.who)
        end = time.monotonic() + 60
        while self.query("select 1", check=False):
            assert time.monotonic() < end and self.p.poll() is None, "the server does not start"
            time.sleep(0.1)

    def query(self, text, check=True):
        return subprocess.run([self.bin + "/psql", "-X", "-h", self.place, "-U", "postgres", "-c", text], env=self.env, check=check,
                              capture_output=True, timeout=60).returncode

    def stop(self):
        self.p.terminate()
        self.p.wait(60)


@pytest.fixture(scope="module")
def postgres():
    path = program("postgres", "/usr/lib/postgresql/*/bin/postgres")
    if not os.path.exists(os.path.dirname(path) + "/psql"):
        pytest.skip("no psql")
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("no user postgres: the server does not run as root")
    has_probe(path, "postgresql:query__start")
    place = pathlib.Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())  # short: a socket's path is
    server = Postgres(path, place)
    server.path = path
    yield server
    server.stop()
    shutil.rmtree(place)


QUERIES = r"""
    FILE:query__start { @start[tid] = nsecs; @text[tid] = str(arg0); }
    FILE:query__done /@start[tid]/ {
        printf("%s: %s\n", @text[tid], (nsecs - @start[tid]) / 1000000 >= 50 ? "slow" : "fast");
        delete(@start[tid]); delete(@text[tid]);
    }
    """


def test_postgres_queries_and_latency(postgres):
    with Tracer("-e", QUERIES.replace("FILE", f"usdt:{postgres.path}:postgresql")) as t:
        postgres.query("select 'parcels', 7")
        postgres.query("select pg_sleep(0.05)")
        t.wait_output("select 'parcels', 7: fast\n")
        t.wait_output("select pg_sleep(0.05): slow\n")


def test_postgres_is_left_as_it_was(postgres):
    """One semaphore has many sites here: it is raised by each, and is zero when awl is gone, however it went."""
    probes = [line for line in run_awl("-lv", f"usdt:{postgres.path}:postgresql:*").out.splitlines() if "semaphore" in line]
    places = {int(line.split("semaphore ")[1].split()[0].rstrip(","), 16) for line in probes}
    assert len(places) > 10 and len(probes) > len(places), probes

    def raised():
        with open(f"/proc/{postgres.p.pid}/maps") as maps:
            base = int(maps.readline().split("-")[0], 16)
        with open(f"/proc/{postgres.p.pid}/mem", "rb", buffering=0) as mem:
            return sum(1 for at in places if mem.seek(base + at) and mem.read(2) != b"\0\0")
    for kill in (False, True):
        with Tracer("-e", f"usdt:{postgres.path}:postgresql:* {{ @ = count(); }}") as t:
            assert raised() == len(places)
            if kill:
                t.p.kill()
                t.p.wait()
        end = time.monotonic() + 20
        while raised() and time.monotonic() < end:
            time.sleep(0.1)
        assert raised() == 0


# ---- Redis

def test_redis_commands(tmp_path):
    server, cli = program("redis-server"), shutil.which("redis-cli")
    if not cli:
        pytest.skip("no redis-cli")
    if "uprobe:" not in run_awl("-l", f"uprobe:{server}:createStringObject").out:
        pytest.skip(f"{server} has no symbols")
    sock = tmp_path / "s"
    p = subprocess.Popen([shutil.which("redis-server"), "--port", "0", "--unixsocket", sock, "--save", "", "--dir", tmp_path], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while not sock.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        with Tracer("-e", f'uprobe:{server}:createStringObject {{ printf("[%s]\\n", str(arg0, arg1)); }}') as t:
            subprocess.run([cli, "-s", sock, "set", "parcel", "seven apples"], check=True, capture_output=True, timeout=30)
            t.wait_output("[parcel]\n")
            t.wait_output("[seven apples]\n")
    finally:
        p.terminate()
        p.wait(30)


# ---- any shell of the machine

@pytest.mark.parametrize("where", ["here", "chroot"])
def test_lines_typed_in_bash(where, tmp_path):
    """Of shells that run and of those that start later; one in a chroot has the same file under another path."""
    bash = program("bash")
    program("script")
    symbol = "uretprobe:%s:readline" % bash
    if symbol not in run_awl("-l", symbol).lines:
        pytest.skip(f"{bash} has readline in a library, or no symbols")
    root = tmp_path / "root"
    command = [bash, "--norc", "-i"]
    if where == "chroot":
        root.mkdir()
        command = ["unshare", "-m", "sh", "-c", f"mount --rbind / {root} && exec chroot {root} {bash} --norc -i"]
    with Tracer("-e", symbol + r' { printf("%d [%s]\n", pid, str(retval)); }') as t:
        p = subprocess.Popen(["script", "-qec", " ".join(f"'{c}'" for c in command), "/dev/null"], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            p.stdin.write(b"echo one parcel\nexit\n")
            p.stdin.flush()
            t.wait_output("[echo one parcel]\n")
        finally:
            p.stdin.close()
            p.wait(30)


def test_lines_typed_in_another_bash(tmp_path):
    """A shell that is a file of its own is found by what it has mapped."""
    bash, copy = program("bash"), tmp_path / "another"
    program("script")
    if f"uretprobe:{bash}:readline" not in run_awl("-l", f"uretprobe:{bash}:readline").lines:
        pytest.skip(f"{bash} has readline in a library, or no symbols")
    shutil.copy(bash, copy)
    p = subprocess.Popen(["script", "-qec", f"{copy} --norc -i", "/dev/null"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         start_new_session=True)
    try:
        p.stdout.read1(1)  # the prompt
        with Tracer("-e", r'uretprobe:*:readline { printf("%s [%s]\n", probe, str(retval)); }') as t:
            for _ in range(2):  # of the first the shell may be waiting for already
                p.stdin.write(b"echo one parcel\n")
                p.stdin.flush()
            t.wait_output(f"uretprobe:{copy}:readline [echo one parcel]\n")
    finally:
        p.communicate(b"exit\n", timeout=30)


# ---- one container of several

ALLOCATOR = """
    import ctypes, time
    libc = ctypes.CDLL("libc.so.6")
    libc.malloc.restype = ctypes.c_void_p
    print("ready", flush=True)
    while True:
        libc.free(ctypes.c_void_p(libc.malloc({size})))
        time.sleep(0.01)
    """


class Container:
    """A process in a mount namespace, with a C library that nobody else has."""

    def __init__(self, libc, place, size):
        place.mkdir()
        self.copy = place / "libc.so.6"
        shutil.copy(libc, self.copy)
        script = textwrap.dedent(ALLOCATOR.format(size=size))
        self.p = subprocess.Popen(["unshare", "-m", "sh", "-c", f'mount --bind {self.copy} {libc} && exec python3 -c "$SCRIPT"'],
                                  env=dict(os.environ, SCRIPT=script), stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        assert self.p.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *exc):
        self.p.kill()
        self.p.wait()


@pytest.fixture
def libc():
    paths = {line.split()[-1] for line in open("/proc/self/maps") if line.rstrip().endswith("libc.so.6")}
    if not paths:
        pytest.skip("no glibc")
    return paths.pop()


def test_malloc_of_one_container(libc, tmp_path):
    """Both have their library under one path; the file that -p means is that of its process."""
    with Container(libc, tmp_path / "a", 7770001) as a, Container(libc, tmp_path / "b", 8880001):
        for file in ("libc", libc):
            r = run_awl("-p", a.p.pid, "-e", f"uprobe:{file}:malloc /arg0 > 7000000/ {{ @[arg0] = count(); }} interval:ms:300 {{ exit(); }}")
            assert "@[7770001]" in r.out and "@[8880001]" not in r.out, r
        r = run_awl("-e", f"uprobe:/proc/{a.p.pid}/root{libc}:malloc /arg0 > 7000000/ {{ @[arg0] = count(); }} interval:ms:300 {{ exit(); }}")
        assert "@[7770001]" in r.out and "@[8880001]" not in r.out, r
