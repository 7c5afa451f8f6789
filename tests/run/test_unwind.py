"""dw_ustack: stacks of programs that are built without frame pointers, in the program of the kernel."""
import os
import re
import shutil
import subprocess
import textwrap

import pytest

CXX = shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")
pytestmark = [pytest.mark.skipif(not CXX, reason="no C++ compiler"),
              pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86_64 only"),
              pytest.mark.needs("TASK_BTF", "NO_PREALLOC")]

# A process is told of a moment after it began: what is asked for here comes later.
PAUSE = "#include <unistd.h>\n#define PAUSE usleep(300000)\n#define NI __attribute__((noinline))\n"

# Deep stacks through libc (qsort calls back) and libstdc++ (streams call virtual functions).
DEEP = r"""
    #include <cstdlib>
    #include <cstring>
    #include <ostream>
    #include <streambuf>
    extern "C" NI void leaf(long x) { __asm__ volatile("" :: "r"(x) : "memory"); }
    static long depth;
    extern "C" long down(int n, volatile char *p);
    extern "C" NI int cmp(const void *a, const void *b)
    {
        leaf(1);
        if (depth > 0) { depth--; down(1, nullptr); }
        return *(const int *)a - *(const int *)b;
    }
    extern "C" NI long down(int n, volatile char *p)
    {
        char buf[113];
        memset(buf, n, sizeof buf);
        if (n > 0) { long r = down(n - 1, buf); return r + buf[7]; }
        int v[2] = {2, 1};
        qsort(v, 2, sizeof *v, cmp);
        return v[0] + buf[3];
    }
    struct back : std::streambuf {
        int overflow(int c) override { depth = 8; down(2, nullptr); return c; }
    };
    int main(int argc, char **argv)
    {
        back b;
        std::ostream o(&b);
        PAUSE;
        for (int i = 0; i < 2; i++) { o << 12345; o.put('c'); o << "text"; }
        return 0;
    }
"""


@pytest.fixture
def build(tmp_path):
    """build(name, source): the path of a program as -O2 makes it."""
    def make(name, source, *flags):
        (tmp_path / (name + ".cc")).write_text(PAUSE + textwrap.dedent(source))
        subprocess.run([CXX, "-O2", "-fomit-frame-pointer", *flags, "-o", tmp_path / name, tmp_path / (name + ".cc")],
                       check=True)
        return str(tmp_path / name)
    return make


def frames_of(text):
    """Functions of each stack that was printed, innermost first."""
    return [[re.sub(r"\+\d+$", "", line.strip()) for line in block.splitlines()]
            for block in re.findall(r"^STACK\n((?: {8}.*\n)+)", text, re.M)]


SHOW = '{ printf("STACK%s", dw_ustack); }'


def by_gdb(program, function):
    """The addresses that gdb shows at each call of the function, up to main; of inlined functions it has none."""
    path = program + ".gdb"
    with open(path, "w") as f:
        f.write("\n".join(["set pagination off", "set width 0", f"break {function}", "commands", "silent", "echo STACK\\n",
                           "bt", "continue", "end", "run"]) + "\n")
    out = subprocess.run(["gdb", "-q", "-batch", "-nx", "-x", path, program], capture_output=True, text=True,
                         timeout=300, stdin=subprocess.DEVNULL).stdout
    return [[int(a, 16) for a in re.findall(r"^#\d+\s+0x([0-9a-f]+) in ", block, re.M)]
            for block in re.split(r"^STACK\n", out, flags=re.M)[1:]]


@pytest.mark.skipif(not shutil.which("gdb"), reason="no gdb")
def test_as_gdb(awl, build):
    """Every return address, as far as randomised mappings let it be compared: inside its page."""
    prog = build("deep", DEEP)
    r = awl("-q", "-e", f'uprobe:{prog}:leaf {{ printf("STACK%s", dw_ustack(raw)); }}', "-c", prog)
    ours = [[int(a, 16) for a in s] for s in frames_of(r.out)]
    theirs = by_gdb(prog, "leaf")
    assert len(ours) == len(theirs) > 100 and max(map(len, theirs)) >= 40
    pages = [[[a & 4095 for a in s[1:len(t)]] for s in (o, t)] for o, t in zip(ours, theirs)]
    differ = [p for p in pages if p[0] != p[1]]
    assert len(differ) <= 0.01 * len(pages), differ[0]
    assert all(len(o) == len(t) + 3 for o, t in zip(ours, theirs)), "awl goes on to _start"


def test_profile_sees_whole_stacks(awl, build):
    prog = build("busy", """
        #include <stdlib.h>
        static volatile int sink;
        extern "C" NI int cmp(const void *a, const void *b)
        {
            for (int i = 0; i < 2000; i++) sink = i;
            return *(const int *)a - *(const int *)b;
        }
        extern "C" NI int sorts(int n) { int v[64]; for (int i = 0; i < 64; i++) v[i] = i * 7 % 64;
            qsort(v, 64, sizeof *v, cmp); return v[n]; }
        int main(void) { PAUSE; int s = 0; for (int i = 0; i < 3000; i++) s += sorts(i & 63); return s == 1; }
    """)
    r = awl("-q", "-e", 'profile:hz:299 /comm == "busy"/ ' + SHOW, "-c", prog, timeout=120)
    stacks = [s for s in frames_of(r.out) if s[0] == "cmp"]
    whole = [s for s in stacks if s[-1] == "_start" and "sorts" in s and "main" in s and any("qsort" in f for f in s)]
    assert len(stacks) > 20 and len(whole) >= 0.99 * len(stacks), r.out[-3000:]


def test_signal_handler(awl, build):
    prog = build("handler", """
        #include <signal.h>
        extern "C" NI void work(void) { __asm__ volatile("" ::: "memory"); }
        extern "C" NI void on_signal(int) { work(); __asm__ volatile(""); }
        extern "C" NI void spin(void) { __asm__ volatile("ud2"); }
        static void skip(int sig, siginfo_t *, void *c) { on_signal(sig); ((ucontext_t *)c)->uc_mcontext.gregs[REG_RIP] += 2; }
        int main(void)
        {
            struct sigaction a = {};
            a.sa_sigaction = skip;
            a.sa_flags = SA_SIGINFO;
            sigaction(SIGILL, &a, 0);
            PAUSE;
            spin();
            __asm__ volatile("");
            return 0;
        }
    """)
    r = awl("-q", "-e", f"uprobe:{prog}:work {SHOW}", "-c", prog)
    (stack,) = frames_of(r.out)
    assert stack[:2] == ["work", "on_signal(int)"] or stack[:2] == ["work", "on_signal"], r
    assert stack[-5] == "spin" or "spin" in stack, r
    assert stack[stack.index("spin") + 1] == "main" and stack[-1] == "_start", r


def test_aligned_and_variable_frames(awl, build):
    """The stack pointer is not at a known distance: rbp, and rbp saved through an expression."""
    prog = build("frames", """
        #include <alloca.h>
        #include <string.h>
        extern "C" NI void work(void *p) { __asm__ volatile("" :: "r"(p) : "memory"); }
        extern "C" NI void variable(int n) { char *p = (char *)alloca(n); memset(p, 1, n); work(p); __asm__ volatile(""); }
        extern "C" NI void aligned(int n) { alignas(256) char b[300]; memset(b, n, 300); variable(n); work(b); }
        extern "C" NI void both(int n) { alignas(64) char b[64]; char *p = (char *)alloca(n); memset(b, n, 64);
            memset(p, 2, n); work(b); aligned(n); work(p); }
        int main(int argc, char **) { PAUSE; both(argc * 100); return 0; }
    """)
    r = awl("-q", "-e", f"uprobe:{prog}:work {SHOW}", "-c", prog)
    assert [s[:s.index("main") + 1] for s in frames_of(r.out)] == [
        ["work", "both", "main"], ["work", "variable", "aligned", "both", "main"],
        ["work", "aligned", "both", "main"], ["work", "both", "main"]], r


def test_processes_and_libraries_that_come_later(trace, build):
    """Another program, its fork, and a library that is loaded by hand."""
    lib = build("libplug.so", 'extern "C" NI void plugged(void (*f)(void)) { f(); __asm__ volatile(""); }', "-shared",
                "-fPIC")
    prog = build("later", f"""
        #include <dlfcn.h>
        #include <sys/wait.h>
        extern "C" NI void work(void) {{ __asm__ volatile(""); }}
        extern "C" NI void in_child(void) {{ work(); __asm__ volatile(""); }}
        int main(void)
        {{
            PAUSE;
            if (fork() == 0) {{ PAUSE; in_child(); _exit(0); }}
            wait(0);
            void *h = dlopen("{lib}", RTLD_NOW);
            PAUSE;
            ((void (*)(void (*)(void)))dlsym(h, "plugged"))(work);
            return 0;
        }}
    """, "-ldl")
    with trace("-e", f"uprobe:{prog}:work {SHOW}") as t:
        subprocess.run([prog], check=True)
        r = t.finish()
    assert [s[:s.index("main") + 1] for s in frames_of(r.out)] == [
        ["work", "in_child", "main"], ["work", "plugged", "main"]], r
    assert all(s[-1] == "_start" for s in frames_of(r.out)), r


def test_running_process(trace, build):
    prog = build("runs", """
        extern "C" NI void work(void) { __asm__ volatile(""); }
        extern "C" NI void middle(void) { work(); __asm__ volatile(""); }
        int main(void) { char c; if (read(0, &c, 1) == 1) middle(); return 0; }
    """)
    with subprocess.Popen([prog], stdin=subprocess.PIPE) as p:
        with trace("-e", f"uprobe:{prog}:work {SHOW}", "-p", p.pid) as t:
            p.stdin.write(b"x")
            p.stdin.close()
            p.wait()
            r = t.finish(sig=None)
    (stack,) = frames_of(r.out)
    assert stack[:3] == ["work", "middle", "main"] and stack[-1] == "_start", r


DEEPER = """
    #include <stdlib.h>
    extern "C" NI void leaf(long x) { __asm__ volatile("" :: "r"(x) : "memory"); }
    extern "C" NI int cmp(const void *a, const void *b) { leaf(1); return *(const int *)a - *(const int *)b; }
    extern "C" NI int sorts(int n) { int v[64]; for (int i = 0; i < 64; i++) v[i] = i * 7 % 64; qsort(v, 64, sizeof *v, cmp); usleep(1); return v[n]; }
    int main(int argc, char **) { PAUSE; int r = sorts(argc); __asm__ volatile("" :: "r"(r)); return 0; }
"""


def is_whole(stack):
    at = iter(stack)
    return all(f in at for f in (["leaf", "sorts", "main", "_start"]))


@pytest.mark.needs("MAY_GOTO")
@pytest.mark.parametrize("probe", ["uprobe:BIN:leaf", "uprobe:libc.so.6:qsort_r /comm == \"plain\"/", "tracepoint:syscalls:sys_enter_clock_nanosleep"])
def test_ustack_of_a_program_without_frame_pointers(awl, build, probe):
    """Nobody asks: what is probed or run by -c has no frame pointers."""
    prog = build("plain", DEEPER)
    r = awl("-q", "-e", probe.replace("BIN", prog) + ' { printf("STACK%s", ustack); }', "-c", prog)
    stacks = frames_of(r.out)
    assert stacks and all(s[-1] == "_start" and "main" in s for s in stacks if "main" in s or "leaf" in s), r
    assert any("main" in s for s in stacks), r
    if "leaf" in probe:
        assert all(is_whole(s) for s in stacks), r


@pytest.mark.needs("MAY_GOTO")
def test_the_choice_is_told(awl, build):
    prog = build("plain", DEEPER)
    r = awl("--explain", "-e", f"uprobe:{prog}:leaf {{ @[ustack] = count(); }}")
    assert f"ustack: by call frame information, as dw_ustack, because {prog} has no frame pointers" in r.out, r
    r = awl("-v", "-e", f"uprobe:{prog}:leaf {{ @[ustack] = count(); }}", "-c", prog)
    assert "by call frame information" in r.err, r


@pytest.mark.parametrize("script", ["config = { ustack_unwind = fp } uprobe:BIN:leaf { @[ustack] = count(); }",
                                    "uprobe:BIN:leaf { @[ustack] = count(); } uretprobe:BIN:leaf { @r = count(); }"],
                         ids=["by setting", "return probes"])
def test_frame_pointers_all_the_same(awl, build, script):
    """Return probes put trampolines on the stack, which tables do not know."""
    prog = build("plain", DEEPER)
    r = awl("--explain", "-e", script.replace("BIN", prog))
    assert r.code == 0 and "by call frame information" not in r.out, r


def test_frame_pointers_where_they_are(awl, build):
    prog = build("pointers", DEEPER, "-fno-omit-frame-pointer")
    r = awl("--explain", "-e", f"uprobe:{prog}:leaf {{ @[ustack] = count(); }}")
    assert r.code == 0 and "by call frame information" not in r.out, r


@pytest.mark.needs("MAY_GOTO")
def test_ustack_of_a_process(trace, build):
    """-p: its program decides."""
    prog = build("runs", """
        extern "C" NI void work(void) { __asm__ volatile("" ::: "memory"); }
        extern "C" NI void middle(void) { work(); usleep(1); __asm__ volatile(""); }
        int main(void) { char c; while (read(0, &c, 1) == 1) middle(); return 0; }
    """)
    with subprocess.Popen([prog], stdin=subprocess.PIPE) as p:
        with trace("-e", 'tracepoint:syscalls:sys_enter_clock_nanosleep { printf("STACK%s", ustack); }', "-p", p.pid) as t:
            p.stdin.write(b"x")
            p.stdin.close()
            p.wait()
            r = t.finish(sig=None)
    (stack,) = frames_of(r.out)
    assert stack[-1] == "_start" and stack[stack.index("middle") + 1] == "main", r


def test_dwarf_by_setting(awl, build):
    """Frame pointers are there, tables are asked for: callbacks of libc, which has none, are seen through."""
    prog = build("pointers", DEEPER, "-fno-omit-frame-pointer")
    r = awl("-q", "-e", f'config = {{ ustack_unwind = dwarf }} uprobe:{prog}:leaf {{ printf("STACK%s", ustack); }}', "-c", prog)
    stacks = frames_of(r.out)
    assert stacks and all(is_whole(s) for s in stacks), r


def test_limit_and_modes(awl, build):
    prog = build("deep", DEEP)
    r = awl("-q", "-e", f"uprobe:{prog}:leaf {{ @[dw_ustack(perf, 2)] = count(); }}", "-c", prog)
    assert re.search(rf"@\[\n\t[0-9a-f]+ leaf\+\d+ \({prog}\)\n\t[0-9a-f]+ cmp\+\d+ \({prog}\)\n\]: \d+", r.out), r
