"""uprobe:FILE:FUNCTION where the compiler inlined the function: its copies are probed when the script wants it, and counted in a warning otherwise."""
import re
import shutil
import subprocess

import pytest

CC = shutil.which("cc")
CLANG = shutil.which("clang")

pytestmark = pytest.mark.skipif(not CC, reason="no C compiler")

# twice() is nothing but copies, one of them inside the copy of outer() in main(); mixed() has code of its own and a copy.
SOURCE = r"""#include <stdio.h>
#define KEEP(v) __asm__ volatile("" : "+r"(v))
#define INLINE static inline __attribute__((always_inline))
INLINE int twice(int v) { KEEP(v); return v * 2; }
INLINE int outer(int w) { KEEP(w); return twice(w + 1) + 3; }
__attribute__((noinline)) int work(int n) { int k = n + 100; KEEP(k); return twice(k); }
static inline int mixed(int v) { KEEP(v); return v ^ 5; }
int (*volatile by_pointer)(int) = mixed;
int main(void)
{
    int sum = 0;
    for (int i = 0; i < 5; i++)
        sum += work(i);
    KEEP(sum);
    sum += outer(sum);
    sum += mixed(7) + by_pointer(9);
    printf("%d\n", sum);
    return 0;
}
"""
CXX = r"""#include <cstdio>
#define KEEP(v) __asm__ volatile("" : "+r"(v))
namespace shop {
struct cart { int n; inline __attribute__((always_inline)) int add(int k) { KEEP(k); n += k; return n; } };
}
int main() { shop::cart c = {1}; int v = c.add(2); KEEP(v); v += c.add(3); printf("%d\n", v); }
"""
ASK = "config = { probe_inline = true } "
BUILDS = [("cc", "-O2", "-g"), ("cc", "-O2", "-g", "-gdwarf-4"), ("cc", "-O2", "-g", "-gsplit-dwarf"), ("cc", "-O2", "-g", "-gz"), ("clang", "-O2", "-g")]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """build(compiler, flags…): a program; those that came out before are kept."""
    made = {}

    def make(*command):
        if not shutil.which(command[0]):
            pytest.skip(f"no {command[0]}")
        if command not in made:
            where = tmp_path_factory.mktemp("inlined")
            (where / "app.c").write_text(SOURCE)
            subprocess.run([*command, "-o", "app", "app.c"], cwd=where, check=True)
            made[command] = str(where / "app")
        return made[command]
    return make


def run(awl, program, script, code=0):
    r = awl("-e", script.replace("BIN", program), "-c", program)
    assert r.code == code, r
    return r


@pytest.mark.parametrize("command", BUILDS, ids=" ".join)
def test_copies_are_probed(awl, build, command):
    """work() 5 times, outer() once: 6 calls of twice()."""
    program = build(*command)
    r = run(awl, program, ASK + "uprobe:BIN:twice { @[probe] = count(); }")
    assert f"@[uprobe:{program}:twice]: 6\n" in r.out and "Attached 2 probes" in r.err and "W0011" not in r.err, r
    r = run(awl, program, ASK + "uprobe:BIN:mixed { @ = count(); }")
    assert "@: 2\n" in r.out, r


@pytest.mark.parametrize("command", BUILDS, ids=" ".join)
def test_arguments_in_copies(awl, build, command):
    """By name, out of the debug information of each copy; one key for the function, wherever it was."""
    program = build(*command)
    r = run(awl, program, ASK + "uprobe:BIN:twice { @[probe, args.v] = count(); }")
    got = sorted(int(x) for x in re.findall(r"twice, (-?\d+)\]: 1\n", r.out))
    assert got == [100, 101, 102, 103, 104, sum(2 * (n + 100) for n in range(5)) + 1], r


def test_a_copy_in_a_copy(awl, build):
    """Both begin at one place or close to each other: each has its own arguments."""
    program = build("cc", "-O2", "-g")
    total = sum(2 * (n + 100) for n in range(5))
    r = run(awl, program, ASK + r'uprobe:BIN:outer { printf("> %d\n", args.w); }')
    assert f"> {total}\n" in r.out and r.out.count("> ") == 1, r


def test_copies_are_told_of(awl, build):
    program = build("cc", "-O2", "-g")
    r = run(awl, program, "uprobe:BIN:mixed { @ = count(); }")
    assert "@: 1\n" in r.out and "1 inlined copy of mixed is not probed" in r.err and "probe_inline = true" in r.err, r
    r = run(awl, program, "uprobe:BIN:*i* { @ = count(); }")
    assert "3 inlined copies of *i* are not probed" in r.err, r
    r = run(awl, program, "uprobe:BIN:work { @ = count(); }")
    assert "@: 5\n" in r.out and "inlined" not in r.err, r
    r = run(awl, program, "uprobe:BIN:twice { }", code=1)
    assert "no code of its own: 2 copies were inlined" in r.err and "probe_inline = true" in r.err, r


def test_returns_and_registers(awl, build):
    """A copy does not return, and no caller put arguments into registers."""
    program = build("cc", "-O2", "-g")
    for config in ("", ASK):
        r = run(awl, program, config + "uretprobe:BIN:mixed { @ = count(); }")
        assert "@: 1\n" in r.out and "1 inlined copy of mixed is not probed" in r.err and "does not return" in r.err, r
    r = run(awl, program, ASK + "uprobe:BIN:mixed { @[arg0] = count(); }", code=1)
    assert "arg0 means nothing where mixed was inlined" in r.err and "args.NAME" in r.err, r


def test_stacks_at_entries_stay_whole(awl, build):
    """The copy's probe is a program of its own: at the entry the caller is known, in the copy it is main itself."""
    program = build("cc", "-O2", "-g")
    r = run(awl, program, ASK + r'uprobe:BIN:mixed { printf("> %s\n", ustack(2)); }')
    assert re.search(r"> *\n *mixed\+\d+\n *main\+\d+\n", r.out) and re.search(r"> *\n *main\+\d+\n", r.out), r


def test_explained(awl, build):
    program = build("cc", "-O2", "-g")
    r = awl("--explain", "-e", f"{ASK} uprobe:{program}:twice {{ }}")
    assert "an inlined copy of twice, in work" in r.out and "an inlined copy of twice, in main" in r.out, r


def test_names_of_cpp(awl, tmp_path):
    if not shutil.which("c++"):
        pytest.skip("no C++ compiler")
    (tmp_path / "app.cc").write_text(CXX)
    program = str(tmp_path / "app")
    subprocess.run(["c++", "-O2", "-g", "-o", "app", "app.cc"], cwd=tmp_path, check=True)
    r = run(awl, program, ASK + 'uprobe:BIN:cpp:"shop::cart::add" { @[args.k] = count(); }')
    assert "@[2]: 1\n" in r.out and "@[3]: 1\n" in r.out, r


def test_compiled_ahead(awl, build, tmp_path):
    program = build("cc", "-O2", "-g")
    compiled = str(tmp_path / "copies.awl")
    r = awl("--aot", "-o", compiled, "-e", f"{ASK} uprobe:{program}:twice {{ @[probe] = count(); }}")
    assert r.code == 0, r
    r = awl(compiled, "-c", program)
    assert f"@[uprobe:{program}:twice]: 6\n" in r.out, r


def test_debug_information_of_others(awl, build, tmp_path):
    """A file that others can write is read by a process without rights: the same answers."""
    program = tmp_path / "app"
    shutil.copy(build("cc", "-O2", "-g"), program)
    program.chmod(0o777)
    r = run(awl, str(program), ASK + "uprobe:BIN:twice { @[args.v > 0] = count(); }")
    assert "@[true]: 6\n" in r.out or "@[1]: 6\n" in r.out, r


def test_lines_share_a_name(awl, build):
    """A line with several places is one value of `probe`."""
    program = build("cc", "-O2", "-g")
    line = 1 + SOURCE.split("\n").index("INLINE int twice(int v) { KEEP(v); return v * 2; }")
    r = run(awl, program, f"uprobe:BIN@app.c:{line} {{ @[probe] = count(); }}")
    assert r.out.count("@[") == 1, r


def nested(depth):
    """Blocks in one another, each of which calls the one inside of it its next sibling, too."""
    blocks = "\n".join(f".Lb{i}: .uleb128 2\n .4byte .Lb{i + 1} - .Lunit" for i in range(depth))
    return f""".text
.globl main
.type main, %function
main: nop
 ret
.size main, . - main
.section .debug_abbrev,"",%progbits
 .uleb128 1, 0x11
 .byte 1, 0, 0
 .uleb128 2, 0x0b
 .byte 1
 .uleb128 0x01, 0x13
 .byte 0, 0, 0
.section .debug_info,"",%progbits
.Lunit: .4byte .Lend - .Lversion
.Lversion: .2byte 4
 .4byte 0
 .byte 8
 .uleb128 1
{blocks}
.Lb{depth}: .fill {depth + 1}, 1, 0
.Lend:
"""


def test_siblings_that_are_below(awl, tmp_path):
    """A damaged tree in which every level is met twice has 2^60 leaves for who follows it."""
    (tmp_path / "app.s").write_text(nested(60))
    subprocess.run([CC, "-o", "app", "app.s"], cwd=tmp_path, check=True)
    r = awl("--dry-run", "-e", f"uprobe:{tmp_path}/app:mai* {{ }}")
    assert r.code == 0 and "Attached 1 probe" in r.err, r
