"""Probes that programs declare while they run: usdt/udst.h and its wrappers, images of libstapsdt, and files of
a process that have no name any more or are in a mount namespace of their own."""
import os
import shutil
import signal
import subprocess
import textwrap
import time

import pytest
from conftest import AWL, ROOT, TARGETS, Tracer, run_awl

SHOP = TARGETS / "udst_shop"
PYTHON = "/usr/bin/python3"
FLAGS = {"memfd": 0, "tmpfile": 2, "named": 4}


class Running:
    """A target in the background, entered when it has printed a line."""

    def __init__(self, *args, **kw):
        self.p = subprocess.Popen([str(a) for a in args], stdout=subprocess.PIPE, text=True, start_new_session=True, **kw)
        self.first = self.p.stdout.readline().split()

    def __enter__(self):
        assert self.first and self.first[0] == "ready", self.first
        self.pid = int(self.first[1]) if len(self.first) > 1 else self.p.pid
        return self

    def __exit__(self, *exc):
        os.killpg(self.p.pid, signal.SIGKILL)
        self.p.wait()


def shop(flags=0, *args):
    return Running(SHOP, flags, *args)


PRINT = '{ printf("%s %d %d %d %s\\n", str(arg0), arg1 < 0, arg2 >= 200, arg3, probe); exit(); }'


@pytest.mark.parametrize("form", FLAGS)
def test_listed_and_traced_by_pid(form):
    with shop(FLAGS[form]) as s:
        listed = run_awl("-l", "usdt:*", "-p", s.pid).lines
        name = f"usdt:{s.first[2]}:shop:query" if form == "named" else "usdt:shop:query"
        assert name in listed and len([x for x in listed if x.endswith(":twelve")]) == 1, listed
        detail = run_awl("-lv", "usdt:shop:query", "-p", s.pid).out
        assert "arg1 -4@8(%rdi)" in detail and "semaphore" in detail, detail
        for probe in ("usdt:shop:query", "usdt:query", "usdt:*:query", "usdt:*:shop:query", "usdt:sh*:que*"):
            r = run_awl("-p", s.pid, "-e", probe + PRINT)
            assert r.out.split("\n")[0] == f"hello 1 1 -5 {name}", (probe, r)


def test_traced_by_path_and_without_a_pid():
    with shop() as s:
        r = run_awl("-e", f"usdt:/proc/{s.pid}/fd/{s.first[2].split('/')[-1]}:shop:query" + PRINT)
        assert r.out.startswith("hello 1 1 -5"), r
        r = run_awl("-e", "usdt:*:shop:query" + PRINT)
        assert r.out.startswith("hello 1 1 -5"), r


def test_traced_without_root():
    """A user with the two capabilities that tracing needs reaches the image by the descriptor that the program keeps."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    caps = ["--inh-caps=+bpf,+perfmon", "--ambient-caps=+bpf,+perfmon"]
    run = lambda *args: subprocess.run([*nobody, *caps, AWL, *map(str, args)], capture_output=True, text=True, timeout=60, cwd="/")
    if run("-e", "begin { exit(); }").returncode:
        pytest.skip("no tracing with CAP_BPF and CAP_PERFMON alone here")
    with Running(*nobody, SHOP, cwd="/") as s:
        listed = run("-l", "usdt:*", "-p", s.pid).stdout.splitlines()
        assert f"usdt:{s.first[2]}:shop:query" in listed, listed
        r = run("-p", s.pid, "-e", "usdt:shop:query" + PRINT)
        assert r.stdout.startswith("hello 1 1 -5"), (r.stdout, r.stderr)


def test_twelve_arguments():
    with shop() as s:
        fmt = " ".join(["%d"] * 12)
        r = run_awl("-p", s.pid, "-e", f'usdt:shop:twelve {{ printf("{fmt}\\n", ' + ", ".join(f"arg{i}" for i in range(12)) + "); exit(); }")
        assert r.lines[0] == "-1 255 -2 65535 -4 4 -8 8 -9 9 -11 12", r


def test_wrong_names_are_told():
    with shop() as s:
        r = run_awl("-p", s.pid, "-e", "usdt:shop:qery { }")
        assert r.code != 0 and "query" in r.err, r
        r = run_awl("-p", s.pid, "-e", "usdt:shop:empty { print(arg0); }")
        assert r.code != 0 and "arg0" in r.err, r


def counts(out):
    return [int(line) for line in out.split() if line.isdigit()]


def test_goes_on_when_loaded_again():
    """The same probes loaded again are the same for the tracer."""
    with shop() as s, Tracer("-p", s.pid, "-e", 'usdt:shop:query { printf("%d\\n", -arg1); }') as t:
        for _ in range(20):
            os.kill(s.pid, signal.SIGUSR1)
            time.sleep(0.02)
        seen = counts(t.out.decode())
        time.sleep(0.3)
        later = counts(t.out.decode())
        assert s.p.poll() is None and len(later) > len(seen) > 0 and later == sorted(later), later[-20:]


def test_survives_another_image():
    """New probes make a new image: the tracer's stays silent, and nothing breaks."""
    with shop() as s:
        with Tracer("-p", s.pid, "-e", "usdt:shop:query { @ = count(); }") as t:
            os.kill(s.pid, signal.SIGUSR2)
            time.sleep(0.2)
        assert s.p.poll() is None and b"error" not in t.err, t.err
        r = run_awl("-p", s.pid, "-e", 'usdt:shop:late { printf("late\\n"); exit(); }')
        assert r.lines[0] == "late", r


def test_child_is_traced():
    with shop(0, "fork") as s:
        r = run_awl("-e", "usdt:*:shop:query { @[pid] = count(); } interval:ms:500 { exit(); }")
        assert r.out.count("@[") == 2, r


def test_semaphore_is_taken_back():
    with shop() as s:
        image = next(line for line in open(f"/proc/{s.pid}/maps") if "udst:shop" in line and "rw-p" in line)
        start = int(image.split("-")[0], 16)

        def armed():
            with open(f"/proc/{s.pid}/mem", "rb") as mem:
                mem.seek(start + 288)
                return mem.read(6)
        with Tracer("-p", s.pid, "-e", "usdt:shop:query { @ = count(); }"):
            assert armed() == b"\1\0\0\0\0\0"
        for _ in range(50):
            if armed() == bytes(6):
                break
            time.sleep(0.1)
        assert armed() == bytes(6)
        with Tracer("-p", s.pid, "-e", "usdt:shop:query { @ = count(); }") as t:
            t.p.kill()
            t.p.wait()
        for _ in range(50):
            if armed() == bytes(6):
                break
            time.sleep(0.1)
        assert armed() == bytes(6)


# ---- other tracers

def test_seen_by_bpftrace():
    if not shutil.which("bpftrace"):
        pytest.skip("no bpftrace")
    with shop() as s:
        p = subprocess.run(["timeout", "20", "bpftrace", "-p", str(s.pid), "-e",
                            'usdt:*:shop:query { printf("%s %d %d\\n", str(arg0), arg2 >= 200, arg3); exit(); }'],
                           capture_output=True, text=True, timeout=60)
        assert "hello 1 -5" in p.stdout, (p.stdout, p.stderr)


def test_seen_by_perf(tmp_path):
    if not shutil.which("perf"):
        pytest.skip("no perf")
    env = dict(os.environ, HOME=str(tmp_path), DEBUGINFOD_URLS="")
    perf = lambda *args: subprocess.run(["perf", *args], capture_output=True, text=True, timeout=60, env=env, stdin=subprocess.DEVNULL)
    with shop(FLAGS["named"]) as s:
        perf("buildid-cache", "--add", s.first[2])
        try:
            made = perf("probe", "sdt_shop:query")
            if made.returncode:
                pytest.skip("perf probe: " + made.stderr.strip()[:200])
            got = perf("stat", "-e", "sdt_shop:query", "-a", "sleep", "0.3")
            count = next((int(line.split()[0].replace(",", "")) for line in got.stderr.splitlines() if "sdt_shop:query" in line
                          and line.split()[0][:1].isdigit()), 0)
            assert count > 10, got.stderr
        finally:
            perf("probe", "--del", "sdt_shop:*")


# ---- wrappers

@pytest.fixture(scope="session")
def library(tmp_path_factory):
    out = tmp_path_factory.mktemp("udst") / "libudst.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", out, ROOT / "usdt/udst.c", "-lpthread"], check=True)
    return out


def first_event(pid, want):
    r = run_awl("-p", pid, "-e", 'usdt:shop:query { printf("%s %d\\n", str(arg0), arg1 < 0); exit(); }')
    assert r.lines[0] == want, r


def test_python(library):
    script = textwrap.dedent("""
        import time, udst
        shop = udst.Provider("shop")
        query = shop.probe("query", "str", "i32")
        assert not query
        shop.load()
        print("ready", flush=True)
        n = 0
        while True:
            n += 1
            if query:
                query("from python", -n)
            time.sleep(0.001)
        """)
    env = dict(os.environ, UDST_LIBRARY=str(library), PYTHONPATH=str(ROOT / "usdt/python"), PYTHONDONTWRITEBYTECODE="1")
    with Running(PYTHON, "-c", script, env=env) as s:
        first_event(s.pid, "from python 1")


def test_node(tmp_path):
    headers = [p for p in ("/usr/include/node", "/usr/local/include/node") if os.path.exists(p + "/node_api.h")]
    if not shutil.which("node") or not headers:
        pytest.skip("no node, or no headers of node")
    addon = tmp_path / "udst.node"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", f"-I{ROOT}/usdt", f"-I{headers[0]}", "-o", addon, ROOT / "usdt/node/udst.c",
                    ROOT / "usdt/udst.c", "-lpthread"], check=True)
    script = textwrap.dedent(f"""
        const udst = require('{addon}');
        const shop = udst.provider('shop');
        const query = udst.probe(shop, 'query', ['str', 'i32']);
        try {{ udst.probe(shop, 'query', []); process.exit(1); }} catch (e) {{ }}
        udst.load(shop);
        console.log('ready');
        let n = 0;
        setInterval(() => {{ if (udst.enabled(query)) udst.fire(query, ['from node', -++n]); }}, 1);
        """)
    with Running(shutil.which("node"), "-e", script) as s:
        first_event(s.pid, "from node 1")


def test_go(tmp_path):
    if not shutil.which("go"):
        pytest.skip("no go")
    env = dict(os.environ, GOCACHE=str(tmp_path / "cache"), GOFLAGS="-mod=mod", GOPROXY="off", CGO_ENABLED="1")
    subprocess.run(["go", "build", "-o", tmp_path / "shop", "./example"], cwd=ROOT / "usdt/go", env=env, check=True, timeout=300)
    with Running(tmp_path / "shop") as s:
        first_event(s.pid, "from go 1")


# ---- images of others

STAPSDT = """
    .pushsection .text
990: nop; nop; nop; nop; ret
    .popsection
    .pushsection .note.stapsdt,"","note"
    .balign 4
    .4byte 992f-991f, 994f-993f, 3
991: .asciz "stapsdt"
992: .balign 4
993: .8byte 990b, _.stapsdt.base, 0
    .asciz "elsewhere"
    .asciz "fired"
    .asciz "-8@%rdi 1@%rsi"
994: .balign 4
    .popsection
    .pushsection .stapsdt.base,"aG","progbits",.stapsdt.base,comdat
    .weak _.stapsdt.base
    .hidden _.stapsdt.base
_.stapsdt.base: .space 1
    .popsection
    .globl fired
    .set fired, 990b
"""


def test_image_of_libstapsdt(tmp_path):
    """As libstapsdt makes them: no semaphore, arguments in registers, opened by dlopen from a memfd."""
    source, image = tmp_path / "x.s", tmp_path / "x.so"
    source.write_text(STAPSDT)
    subprocess.run(["cc", "-shared", "-nostdlib", "-o", image, source], check=True)
    script = textwrap.dedent(f"""
        import ctypes, os, time
        fd = os.memfd_create("libstapsdt:elsewhere")
        os.write(fd, open("{image}", "rb").read())
        fired = ctypes.CDLL("/proc/self/fd/%d" % fd).fired
        fired.argtypes = [ctypes.c_int64, ctypes.c_uint64]
        print("ready", flush=True)
        while True:
            fired(-7, 0x1ff)
            time.sleep(0.001)
        """)
    with Running(PYTHON, "-c", script) as s:
        assert "usdt:elsewhere:fired" in run_awl("-l", "usdt:elsewhere:*", "-p", s.pid).lines
        r = run_awl("-p", s.pid, "-e", 'usdt:elsewhere:fired { printf("%d %d\\n", arg0, arg1); exit(); }')
        assert r.lines[0] == "-7 255", r


def test_hostile_image():
    """An image that is no ELF file, and one whose notes lie: the others are listed, nothing crashes."""
    script = textwrap.dedent(f"""
        import mmap, os, struct, subprocess, sys
        good = bytearray(open(sys.argv[1], "rb").read())
        at = good.find(b"stapsdt\\0") - 8
        lies = [os.urandom(4096), bytes(good[:200]), b"\\x7fELF" + b"\\xff" * 4000]
        for i in range(3):
            bad = bytearray(good)
            bad[at:at + 4] = struct.pack("<I", (2**31, 2**32 - 1, 1)[i])
            lies.append(bytes(bad))
        kept = []
        for i, data in enumerate(lies):
            fd = os.memfd_create("udst:\\x1b[31mevil%d" % i)
            os.write(fd, data)
            os.ftruncate(fd, 4096)
            kept.append(mmap.mmap(fd, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC))
        print("ready", flush=True)
        import time; time.sleep(100)
        """)
    with shop() as image, Running(PYTHON, "-c", script, image.first[2]) as s:
        start = time.monotonic()
        r = run_awl("-l", "usdt:*", "-p", s.pid)
        assert r.code == 0 and "\x1b" not in r.out + r.err and time.monotonic() - start < 30, r
        r = run_awl("-p", s.pid, "-e", "usdt:shop:query { }", "-d", "types")
        assert "\x1b" not in r.out + r.err, r
        # One process cannot keep awl from the others.
        r = run_awl("-e", "usdt:*:shop:query" + PRINT)
        assert r.code == 0 and r.out.startswith("hello 1 1 -5"), r
        assert run_awl("-l", "usdt:*:shop:query").out.count("shop:query") >= 1


# ---- files without a name, and in other namespaces

LIBRARY = 'int gone(int a) { __asm__ volatile("" ::: "memory"); return a + 1; }'
CALLER = "import ctypes, time; f = ctypes.CDLL({path!r}).gone; print('ready', flush=True)\nwhile True: f(42); time.sleep(0.001)"


def make_library(path):
    subprocess.run(["cc", "-O1", "-fno-omit-frame-pointer", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path)],
                   input=LIBRARY.encode(), check=True)


def test_library_that_was_replaced(tmp_path):
    """An update puts another file in the place of the library that the process runs: -p means the process's."""
    path = tmp_path / "libgone.so.1"
    make_library(path)
    with Running(PYTHON, "-c", CALLER.format(path=str(path))) as s:
        path.unlink()
        make_library(path)
        for file in ("libgone", path):
            r = run_awl("-p", s.pid, "-e", f'uprobe:{file}:gone {{ printf("%d\\n", arg0); exit(); }}')
            assert r.lines[0] == "42", r


def test_library_of_a_mount_namespace(tmp_path):
    """One path, two files: here another library than in the namespace."""
    place, inside = tmp_path / "lib", tmp_path / "inside"
    place.mkdir()
    inside.mkdir()
    make_library(place / "libgone.so.1")
    make_library(inside / "libgone.so.1")
    path = place / "libgone.so.1"
    command = f"mount --bind {inside} {place} && exec {PYTHON} -c \"$SCRIPT\""
    with Running("unshare", "-m", "sh", "-c", command, env=dict(os.environ, SCRIPT=CALLER.format(path=str(path)))) as s:
        for file in ("libgone", path):
            r = run_awl("-p", s.pid, "-e", f'uprobe:{file}:gone {{ printf("%d\\n", arg0); exit(); }}')
            assert r.lines[0] == "42", r


def test_two_copies_of_a_library(tmp_path):
    """Both files that the process has under a name are probed."""
    script = "import ctypes, time; fs = [ctypes.CDLL(p).gone for p in {paths!r}]; print('ready', flush=True)\n" \
             "while True: fs[0](1); fs[1](2); time.sleep(0.001)"
    paths = []
    for name in "ab":
        (tmp_path / name).mkdir()
        paths.append(str(tmp_path / name / "libgone.so.1"))
        make_library(paths[-1])
    with Running(PYTHON, "-c", script.format(paths=paths)) as s:
        r = run_awl("-p", s.pid, "-e", "uprobe:libgone:gone { @[arg0] = count(); } interval:ms:500 { exit(); }")
        assert "@[1]" in r.out and "@[2]" in r.out, r


def test_pattern_of_files_with_a_broken_one(tmp_path):
    make_library(tmp_path / "libgood.so")
    (tmp_path / "libbad.so").write_bytes(b"\x7fELF" + b"\xff" * 4000)
    with Running(PYTHON, "-c", CALLER.format(path=str(tmp_path / "libgood.so"))):
        r = run_awl("-e", f'uprobe:{tmp_path}/*.so:gone {{ printf("%d\\n", arg0); exit(); }}')
        assert r.lines[0] == "42", r
    assert f"uprobe:{tmp_path}/libgood.so:gone" in run_awl("-l", f"uprobe:{tmp_path}/*.so:*").lines
    r = run_awl("-e", f"uprobe:{tmp_path}/libbad.so:gone {{ }}")
    assert r.code == 1 and "libbad.so" in r.err, r


def test_explain_tells_the_instruction():
    with shop() as s:
        r = run_awl("--explain", "-p", s.pid, "-e", "usdt:shop:query { @ = count(); }")
        assert "`nop" in r.out and "per hit" in r.out, r
