"""uprobe:FILE@SOURCE:LINE: the lines of programs, what is in scope there, copies that were inlined, and what is no line."""
import os
import shutil
import subprocess

import pytest

CC = shutil.which("cc")

pytestmark = pytest.mark.skipif(not CC, reason="no C compiler")

SOURCE = r"""#include <stdio.h>
struct item { int id; };
static inline __attribute__((always_inline)) int twice(int v)
{
    int doubled = v * 2;                            /* DOUBLED */
    __asm__ volatile("" : "+r"(doubled) : : "memory");
    return doubled;                                 /* RETURN */
}
__attribute__((noinline)) int work(struct item *it, int n)
{                                                   /* OPEN */
    int total = 0;
    for (int i = 0; i < n; i++) {                   /* FOR */
        int square = i * i;
        total += square + it->id;                   /* ADD */
    }

    if (total > 100)
        total = twice(total);                       /* CALL */
    return total;                                   /* END */
}
int main(void)
{
    struct item it = { 7 };
    int sum = 0;
    for (int i = 0; i < 5; i++)
        sum += work(&it, i + 1);
    sum += twice(sum);
    printf("%d\n", sum);                            /* PRINT */
    return 0;
}
"""
LINES = {line.split("/*")[1].split()[0]: i + 1 for i, line in enumerate(SOURCE.split("\n")) if "/*" in line}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """build(flags…): a program; those that came out before are kept."""
    made = {}

    def make(*flags):
        if flags not in made:
            where = tmp_path_factory.mktemp("lines") / "deep"
            where.mkdir()
            (where / "app.c").write_text(SOURCE)
            subprocess.run([CC, *flags, "-o", "app", "app.c"], cwd=where, check=True)
            made[flags] = str(where / "app")
        return made[flags]
    return make


def at(awl, program, line, body, source="app.c", code=0):
    r = awl("-e", f"uprobe:{program}@{source}:{LINES.get(line, line)} {{ {body} }}", "-c", program)
    assert r.code == code, r
    return r


def printed(r):
    return [x for x in r.out.split("\n") if x.startswith("> ")]


@pytest.mark.parametrize("flags", [("-g",), ("-g", "-gdwarf-4"), ("-g", "-gsplit-dwarf"), ("-g", "-gz")], ids=" ".join)
def test_variables_in_scope(awl, build, flags):
    program = build("-O0", *flags)
    r = at(awl, program, "ADD", r'printf("> %d %d %d\n", args.i, args.square, args.it.id);')
    assert printed(r) == [f"> {i} {i * i} 7" for n in range(1, 6) for i in range(n)], r
    assert "Attached 1 probe" in r.err, r


def test_entry_of_a_function(awl, build):
    r = at(awl, build("-O0", "-g"), "OPEN", r'printf("> %d %d\n", args.n, args.it.id);')
    assert printed(r) == [f"> {n} 7" for n in range(1, 6)], r


def test_a_loop_is_counted_where_it_begins(awl, build):
    for optimize in ("-O0", "-O2"):
        r = at(awl, build(optimize, "-g"), "FOR", "@ = count();")
        assert "@: 5\n" in r.out, r


def test_inlined_copies(awl, build):
    """twice() is part of work() and of main(): 1 + 1 calls."""
    r = at(awl, build("-O0", "-g"), "RETURN", r'printf("> %d\n", args.doubled);')
    total = sum(i * i + 7 for i in range(5))
    others = sum(sum(i * i + 7 for i in range(n)) for n in range(1, 5))
    assert "Attached 2 probes" in r.err, r
    assert total <= 100 and printed(r) == [f"> {2 * (total + others)}"], r


def test_optimized_statement(awl, build):
    r = at(awl, build("-O2", "-g"), "ADD", "@ = count();")
    assert "@: 15\n" in r.out, r


def test_path_of_the_source(awl, build):
    program = build("-O0", "-g")
    full = os.path.join(os.path.dirname(program), "app.c")
    for source in ("deep/app.c", full):
        assert "@: 15\n" in at(awl, program, "ADD", "@ = count();", source).out
    r = at(awl, program, "ADD", "@ = count();", "eep/app.c", 1)
    assert "knows no source file eep/app.c" in r.err, r
    column = SOURCE.split("\n")[LINES["ADD"] - 1].index("total") + 7
    r = awl("-e", f"uprobe:{program}@app.c:{LINES['ADD']}:{column} {{ @ = count(); }}", "-c", program)
    assert "@: 15\n" in r.out, r


def test_what_is_no_line(awl, build):
    program = build("-O0", "-g")
    blank = LINES["CALL"] - 2
    r = at(awl, program, blank, "", code=1)
    assert f"line {blank} of app.c has no code" in r.err and f"the next line that has code is {blank + 1}" in r.err, r
    r = at(awl, program, 99999, "", code=1)
    assert "no line behind it has code" in r.err, r
    r = at(awl, program, 5, "", "apq.c", 1)
    assert "knows no source file apq.c" in r.err and "did you mean `app.c`?" in r.err, r
    r = at(awl, build("-O0"), "ADD", "", code=1)
    assert "has no debug information" in r.err and "-g" in r.err, r
    r = awl("-e", f"uretprobe:{program}@app.c:{LINES['ADD']} {{ }}")
    assert r.code == 1 and "a return probe needs a function's name" in r.err, r
    r = at(awl, program, "ADD", "print(args.totl);", code=1)
    assert "has no argument totl" in r.err and "`total`" in r.err, r


def test_file_with_an_at_sign_in_its_name(awl, build, tmp_path):
    program = tmp_path / "app@1"
    shutil.copy(build("-O0", "-g"), program)
    r = awl("-e", f"uprobe:{program}:work {{ @ = count(); }}", "-c", str(program))
    assert "@: 5\n" in r.out, r
    r = awl("-e", f"uprobe:{program}@app.c:{LINES['ADD']} {{ @ = count(); }}", "-c", str(program))
    assert "@: 15\n" in r.out, r
