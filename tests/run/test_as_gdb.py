"""Arguments of functions by name: 300 functions of five programs, value for value what gdb says at the same calls."""
import random
import re
import shutil
import subprocess

import pytest

FUNCTIONS = 60
BUILDS = {"cc -O0": ("cc", "c", "-O0", "-g"),
          "cc -O2": ("cc", "c", "-O2", "-g"),
          "cc -O1 -gdwarf-4": ("cc", "c", "-O1", "-g", "-gdwarf-4"),
          "clang -O0": ("clang", "c", "-O0", "-g"),
          "c++ -O2": ("c++", "cc", "-O2", "-g")}

pytestmark = pytest.mark.skipif(not shutil.which("gdb"), reason="no gdb")

TYPES = """#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#define NI __attribute__((noinline, noclone, used))
#ifdef __clang__
#undef NI
#define NI __attribute__((noinline, used))
#endif
enum color { RED = -3, GREEN = 7, BLUE = 100000 };
struct point { int x, y; };
struct wide { long a; short b; unsigned char c; };
struct big { long v[5]; int last; };
struct bits { unsigned low : 3; int mid : 7; unsigned long high : 33; };
volatile long sink;
"""
# The type, values that it may have (as C text), and the integers to compare, as fields of an argument `{}`.
KINDS = [("int", lambda r: str(r.randrange(-2**31 + 1, 2**31)), ["{}"]),
         ("unsigned", lambda r: f"{r.randrange(2**32)}u", ["{}"]),
         ("long", lambda r: f"{r.randrange(-2**62, 2**62)}l", ["{}"]),
         ("uint64_t", lambda r: f"{r.randrange(2**63)}ul", ["{}"]),
         ("short", lambda r: f"(short){r.randrange(-2**15, 2**15)}", ["{}"]),
         ("uint8_t", lambda r: f"(uint8_t){r.randrange(256)}", ["{}"]),
         ("signed char", lambda r: f"(signed char){r.randrange(-128, 128)}", ["{}"]),
         ("bool", lambda r: f"(bool){r.randrange(2)}", ["{}"]),
         ("enum color", lambda r: r.choice(["RED", "GREEN", "BLUE"]), ["{}"]),
         ("struct point", lambda r: f"(struct point){{{r.randrange(-999, 999)}, {r.randrange(-999, 999)}}}", ["{}.x", "{}.y"]),
         ("struct wide", lambda r: f"(struct wide){{{r.randrange(-2**40, 2**40)}l, {r.randrange(-999, 999)}, {r.randrange(256)}}}",
          ["{}.a", "{}.b", "{}.c"]),
         ("struct big", lambda r: f"(struct big){{{{{r.randrange(99)}, 2, 3, 4, {r.randrange(-99, 99)}}}, {r.randrange(-999, 999)}}}",
          ["{}.v[0]", "{}.v[4]", "{}.last"]),
         ("struct bits", lambda r: f"(struct bits){{{r.randrange(8)}, {r.randrange(-64, 64)}, {r.randrange(2**33)}ul}}",
          ["{}.low", "{}.mid", "{}.high"]),
         ("struct wide *", lambda r: "&shared", ["{}->a", "{}->b", "{}->c"]),
         ("const int *", lambda r: f"&numbers[{r.randrange(8)}]", ["*{}"])]

IN_REGISTERS = ("struct point", "struct wide", "struct bits")


def make_source(seed, kinds_of):
    """The source, and for each function the expressions to look at."""
    r = random.Random(seed)
    functions, calls, looks = [], [], []
    for i in range(FUNCTIONS):
        kinds = [r.choice(kinds_of) for _ in range(r.randrange(1, 9))]
        names = [f"p{k}_{n}" for n, k in enumerate(r.sample(range(100), len(kinds)))]
        params = ", ".join(f"{kind[0]} {name}" for kind, name in zip(kinds, names))
        used = "".join(f' __asm__ volatile("" :: "r"(&{name}) : "memory"); sink += sizeof {name};' for name in names)
        functions.append(f"NI long f{i}({params})\n{{{used} return sink; }}\n")
        calls.append(f"    sink ^= f{i}({', '.join(kind[1](r) for kind in kinds)});\n")
        looks.append([look.format(name) for kind, name in zip(kinds, names) for look in kind[2]])
    externs = "#ifdef __cplusplus\nextern \"C\" {\n#endif\n"
    return (TYPES + externs + "static struct wide shared = { -5, -6, 7 };\nstatic int numbers[8] = { 1, -2, 3, -4, 5, -6, 7, -8 };\n"
            + "".join(functions) + "#ifdef __cplusplus\n}\n#endif\nint main(void)\n{\n    *(volatile int *)numbers = 1;\n    *(volatile long *)&shared.a = -5; /* in memory */\n"
            + "".join(calls) + "    return 0;\n}\n"), looks


def by_awl(awl, program, looks):
    probes = []
    for i, look in enumerate(looks):
        values = ", ".join(f"(int64)args.{x}" if x[0] != "*" else f"(int64)*args.{x[1:]}" for x in look)
        probes.append(f'uprobe:{program}:f{i} {{ printf("f{i}{" %d" * len(look)}\\n", {values}); }}')
    r = awl("-q", "-e", "\n".join(probes), "-c", program, timeout=120)
    assert r.code == 0, r
    return [x for x in r.lines if re.match(r"f\d+ ", x)]


def by_gdb(program, looks, where):
    lines = ["set pagination off", "set width 0", "set confirm off"]
    for i, look in enumerate(looks):
        values = "".join(f", (long)({x})" for x in look)
        lines += [f"break {where}f{i}", "commands", "silent", f'printf "f{i}{" %ld" * len(look)}\\n"{values}', "continue", "end"]
    script = program + ".gdb"
    with open(script, "w") as f:
        f.write("\n".join(lines + ["run"]) + "\n")
    out = subprocess.run(["gdb", "-q", "-batch", "-nx", "-x", script, program], capture_output=True, text=True, timeout=300,
                         stdin=subprocess.DEVNULL)
    return [x for x in out.stdout.splitlines() if re.match(r"f\d+ ", x)], out.stdout + out.stderr


@pytest.mark.parametrize("number, build", enumerate(BUILDS), ids=BUILDS)
def test_arguments_are_those_of_gdb(awl, tmp_path, number, build):
    compiler, suffix, *flags = BUILDS[build]
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    optimized = "-O0" not in flags
    # gdb 13 ends by an internal error when it shows a member of a struct that is in registers.
    source, looks = make_source(number, [k for k in KINDS if not optimized or k[0] not in IN_REGISTERS])
    (tmp_path / f"args.{suffix}").write_text(source)
    program = str(tmp_path / "args")
    subprocess.run([compiler, *flags, "-o", program, tmp_path / f"args.{suffix}"], check=True)
    # Unoptimized code has its arguments in place behind the prologue; optimized code has lists of places from the first instruction on.
    theirs, said = by_gdb(program, looks, "*" if optimized else "")
    ours = by_awl(awl, program, looks)
    assert len(theirs) == FUNCTIONS, said
    assert ours == theirs, [pair for pair in zip(ours, theirs) if pair[0] != pair[1]][:5]
