"""Names of user frames: of processes that are gone, that forked, that became other programs."""
import os
import re
import shutil
import subprocess
import textwrap
import time

import pytest

CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
CXX = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")

pytestmark = pytest.mark.skipif(not CC, reason="no C compiler")

NOINLINE = "#define FN __attribute__((noinline,noclone)) void\n#define TAIL __asm__ volatile(\"\")\n"


@pytest.fixture
def compile_c(tmp_path):
    """compile_c(name, source): the path of a program with frame pointers."""
    def make(name, source, *flags, cxx=False):
        src = tmp_path / (name + (".cc" if cxx else ".c"))
        out = tmp_path / name
        src.write_text(NOINLINE + textwrap.dedent(source))
        if cxx and not CXX:
            pytest.skip("no C++ compiler")
        subprocess.run([CXX if cxx else CC, "-O1", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls",
                        *flags, "-o", out, src], check=True)
        return str(out)
    return make


def stacks(out):
    """[(frames, rest of the key), ...] of @[ustack, rest]: count, in bpftrace's format."""
    found = []
    for m in re.finditer(r"^@\[\n((?: {8}.*\n)*)(?:\]|, (.*)\]): \d+$", out, re.M):
        found.append(([re.sub(r"\+\d+$", "", line.strip()) for line in m[1].splitlines()], m[2]))
    return found


CHAIN = """
    #include <unistd.h>
    #include <sys/wait.h>
    FN work(void) { TAIL; }
    FN %(name)s_inner(void) { work(); TAIL; }
    FN %(name)s_outer(void) { %(name)s_inner(); TAIL; }
    int main(int argc, char **argv)
    {
        %(name)s_outer();
        if (argc > 1) execv(argv[1], argv + 1);
        return 0;
    }
"""


def test_short_lived_system_program(awl):
    r = awl("-e", "uprobe:libc:malloc { @[ustack(6), comm] = count(); }", "-c", "ls -lR /usr/lib/apt")
    keys = stacks(r.out)
    assert keys and all(k[0][0] == "malloc" and k[1] == "ls" for k in keys), r
    callers = {f[1] for f, _ in keys if len(f) > 1}
    assert {"strdup", "__GI___strdup", "__strdup"} & callers, r
    if os.uname().machine == "x86_64":  # what is no address of code ends a stack
        assert all(int(f, 16) < 1 << 47 for frames, _ in keys for f in frames if f.startswith("0x")), r


def test_short_lived_chain(awl, compile_c):
    prog = compile_c("one", CHAIN % {"name": "one"})
    r = awl("-e", f"uprobe:{prog}:work {{ @[ustack(4), comm] = count(); }}", "-c", prog)
    assert stacks(r.out) == [(["work", "one_inner", "one_outer", "main"], "one")], r


def test_exec_twice(awl, compile_c):
    a, b, c = (compile_c(n, CHAIN % {"name": n}) for n in ("first", "second", "third"))
    r = awl("-e", "".join(f"uprobe:{p}:work {{ @[ustack, comm] = count(); }} " for p in (a, b, c)),
            "-c", f"{a} {b} {c}")
    keys = {comm: frames for frames, comm in stacks(r.out)}
    for name in ("first", "second", "third"):
        assert {"work", name + "_outer", "main"} <= set(keys[name]), r


def test_fork_without_exec(trace, compile_c):
    prog = compile_c("forks", """
        #include <unistd.h>
        #include <sys/wait.h>
        FN work(void) { TAIL; }
        FN in_child(void) { work(); TAIL; }
        FN in_grandchild(void) { work(); TAIL; }
        FN child(void)
        {
            in_child();
            if (fork() == 0) { in_grandchild(); TAIL; _exit(0); }
            wait(0);
            _exit(0);
        }
        int main(void) { if (fork() == 0) child(); wait(0); return 0; }
    """)
    with trace("-e", f"uprobe:{prog}:work {{ @[ustack, pid] = count(); }}") as t:
        subprocess.run([prog], check=True)
        r = t.finish()
    keys = [f for f, _ in stacks(r.out)]
    assert len(keys) == 2 and all({"work", "child", "main"} <= set(f) for f in keys), r
    assert {f[1] for f in keys} == {"in_child", "in_grandchild"}, r


def test_many_short_processes_outside(trace, compile_c):
    """Processes that are not awl's children, each living a millisecond."""
    prog = compile_c("brief", CHAIN % {"name": "brief"})
    with trace("-e", f"uprobe:{prog}:work {{ @[ustack, pid] = count(); }}") as t:
        for _ in range(100):
            subprocess.run([prog], check=True)
        r = t.finish()
    keys = stacks(r.out)
    assert len(keys) == 100, r
    assert all("work" == f[0] and "brief_outer" in f and "main" in f for f, _ in keys), r
    assert "record" not in r.err, r


def test_deleted_program(trace, compile_c, tmp_path):
    """The file is gone as soon as it runs."""
    prog = compile_c("fleeting", """
        #include <unistd.h>
        FN work(void) { TAIL; }
        FN after_unlink(void) { work(); TAIL; }
        int main(int argc, char **argv) { unlink(argv[0]); after_unlink(); return 0; }
    """)
    with trace("-e", f"uprobe:{prog}:work {{ @[ustack] = count(); }}") as t:
        subprocess.run([prog], check=True)
        r = t.finish()
    assert not os.path.exists(prog)
    assert {"work", "main"} <= set(stacks(r.out)[0][0]), r


def test_in_another_root(trace, compile_c, tmp_path):
    """Paths of a process are those of its own root."""
    prog = compile_c("inside", CHAIN % {"name": "inside"}, "-static")
    root = tmp_path / "root"
    (root / "app").mkdir(parents=True)
    shutil.copy(prog, root / "app" / "inside")
    with trace("-e", f"uprobe:{root}/app/inside:work {{ @[ustack] = count(); }}") as t:
        subprocess.run(["chroot", root, "/app/inside"], check=True)
        r = t.finish()
    assert {"work", "inside_outer", "main"} <= set(stacks(r.out)[0][0]), r


def test_exits_while_traced(trace, compile_c):
    """A process that was there before, and a library that it loads later and drops again."""
    lib = compile_c("libplug.so", "FN plugged(void (*f)(void)) { f(); TAIL; }", "-shared", "-fPIC")
    prog = compile_c("host", f"""
        #include <dlfcn.h>
        #include <unistd.h>
        FN work(void) {{ TAIL; }}
        int main(void)
        {{
            char c;
            read(0, &c, 1);
            work();
            void *h = dlopen("{lib}", RTLD_NOW);
            ((void (*)(void (*)(void)))dlsym(h, "plugged"))(work);
            dlclose(h);
            return 0;
        }}
    """, "-ldl")
    with subprocess.Popen([prog], stdin=subprocess.PIPE) as p:
        time.sleep(0.1)
        with trace("-e", f"uprobe:{prog}:work {{ @[ustack] = count(); }}", "-p", p.pid) as t:
            p.stdin.write(b"x")
            p.stdin.close()
            p.wait()
            r = t.finish(sig=None)
    keys = [f for f, _ in stacks(r.out)]
    assert len(keys) == 2 and all(f[0] == "work" for f in keys), r
    assert any({"main"} <= set(f) for f in keys), r
    assert "0x" not in "".join(f[1] for f in keys), r


GENERATED = r"""
    #include <fcntl.h>
    #include <stdint.h>
    #include <stdio.h>
    #include <string.h>
    #include <unistd.h>
    #include <sys/mman.h>
    FN work(void) { TAIL; }
    static void perf_map(char *path, size_t n, void *code)
    {
        snprintf(path, n, "/tmp/perf-%d.map", getpid());
        FILE *f = fopen(path, "w");
        fprintf(f, "%lx 8 Script:~handler /app.js:7\n", (long)code);
        fclose(f);
    }
    static void jitdump(const char *folder, char *path, size_t n, void *code)
    {
        static const char name[] = "Script:~handler /app.js:7";
        uint32_t head[10] = {0x4a695444, 1, 40, 62, 0, getpid()};
        uint32_t record[14] = {0, 56 + sizeof(name) + 8, 0, 0, getpid(), getpid()};
        memcpy(record + 6, &(uint64_t[]){(long)code, (long)code, 8, 1}, 32);
        snprintf(path, n, "%s/jit-%d.dump", folder, getpid());
        int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0644);
        mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
        write(fd, head, sizeof(head));
        write(fd, record, sizeof(record));
        write(fd, name, sizeof(name));
        write(fd, code, 8);
    }
    int main(int argc, char **argv)
    {
        /* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
        static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
        void *p = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        char path[4096];
        memcpy(p, code, sizeof(code));
        if (argc > 1)
            jitdump(argv[1], path, sizeof(path), p);
        else
            perf_map(path, sizeof(path), p);
        printf("%s\n", path);
        ((void (*)(void (*)(void)))p)(work);
        ((void (*)(void (*)(void)))p)(work);
        return 0;
    }
"""


@pytest.mark.parametrize("kind", ["perf map", "jitdump"])
def test_generated_code_of_exited_process(trace, compile_c, tmp_path, kind):
    """What a JIT compiler leaves in files names code of a process that is gone."""
    if os.uname().machine != "x86_64":
        pytest.skip("the generated code is x86_64")
    prog = compile_c("jit", GENERATED)
    with trace("-e", f"uprobe:{prog}:work {{ @[ustack] = count(); }}") as t:
        name = subprocess.run([prog, *([tmp_path] if kind == "jitdump" else [])], check=True, capture_output=True, text=True).stdout.strip()
        try:
            r = t.finish()
        finally:
            os.unlink(name)
    assert "Script:~handler /app.js:7+6" in r.out, r


HOT = """
function hotInner(n) { let s = 0; for (let i = 0; i < n; i++) s = (s * 31 + i) | 0; return s; }
const end = Date.now() + 2500;
let x = 0;
while (Date.now() < end) x ^= hotInner(20000);
"""


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
def test_functions_of_node(awl, tmp_path):
    """V8's own jitdump."""
    (tmp_path / "hot.js").write_text(HOT)
    r = awl("-q", "-e", 'profile:hz:199 /comm == "node"/ { @[ustack(1)] = count(); }', "-c", f"env -C {tmp_path} node --perf-prof hot.js")
    assert "hotInner" in r.out, r


def test_modes_and_cpp_names(awl, compile_c):
    prog = compile_c("demo", """
        namespace shop { struct cart { __attribute__((noinline)) void add(int n, const char *what); }; }
        void shop::cart::add(int n, const char *what) { TAIL; }
        int main() { shop::cart c; c.add(1, "x"); TAIL; }
    """, cxx=True)
    at = f"uprobe:{prog}:_ZN4shop4cart3addEiPKc"
    r = awl("-q", "-e", at + " { printf(\"%s\", ustack(1)); }", "-c", prog)
    assert r.out.splitlines()[:2] == ["", "        shop::cart::add(int, char const*)+0"], r
    r = awl("-q", "-e", at + " { printf(\"%s\", ustack(perf, 1)); }", "-c", prog)
    assert re.search(rf"^\t[0-9a-f]+ shop::cart::add\(int, char const\*\)\+0 \({re.escape(prog)}\)$", r.out, re.M), r
    r = awl("-q", "-e", at + " { printf(\"%s\", ustack(raw, 1)); }", "-c", prog)
    assert re.search(r"^        [0-9a-f]+$", r.out, re.M), r
    r = awl("-q", "-e", "config = { cpp_demangle = 0 } " + at + " { @[usym(reg(\"ip\"))] = count(); }", "-c", prog)
    assert "@[_ZN4shop4cart3addEiPKc]: 1" in r.out, r


def test_usym_of_exited_process(awl, compile_c):
    prog = compile_c("one", CHAIN % {"name": "one"})
    r = awl("-e", f"uprobe:{prog}:work {{ @[usym(reg(\"ip\"))] = count(); }}", "-c", prog)
    assert "@[work]: 1" in r.out, r


def test_limit_counts_frames(awl, compile_c):
    prog = compile_c("one", CHAIN % {"name": "one"})
    for n in (1, 2, 3):
        r = awl("-e", f"uprobe:{prog}:work {{ @[ustack({n})] = count(); }}", "-c", prog)
        assert len(stacks(r.out)[0][0]) == n, r


def test_func_of_exited_process(awl, compile_c):
    """Like usym, func is named when it is printed; operators keep their plus signs."""
    prog = compile_c("one", CHAIN % {"name": "one"})
    r = awl("-e", f"uprobe:{prog}:work {{ @[func] = count(); }}", "-c", prog)
    assert "@[work]: 1\n" in r.out, r
    prog = compile_c("plus", """
        struct num { int n; };
        __attribute__((noinline)) num operator+(const num &a, const num &b) { TAIL; return {a.n + b.n}; }
        int main() { num a{1}, b{2}; return (a + b).n - 3; }
    """, cxx=True)
    r = awl("-e", f"uprobe:{prog}:_ZplRK3numS1_ {{ @[func] = count(); }}", "-c", prog)
    assert "@[operator+(num const&, num const&)]: 1\n" in r.out, r
