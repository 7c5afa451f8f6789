"""Arguments by name: programs with random signatures are generated, compiled with debug information in several ways,
and called with values that are known; awl must print them, at the entry of each function and in the midst of it.

A program has two files, so that no compiler adapts a function to its callers. Each function has a label in its middle:
there the arguments that are still needed must be found, wherever the compiler keeps them."""
import random
import shutil
import subprocess

import pytest

FUNCTIONS = 60

HEAD = """
#include <stdbool.h>
enum colour { RED = 1, GREEN = 5, BLUE = -2 };
struct pair { int x, y; };
struct wide { long a; signed char tag; };
struct bits { unsigned low : 3; int mid : 5; unsigned high : 24; };
struct mixed { long n; double d; };
struct big { long n; short v[4]; struct pair p; union { int u; char c[8]; }; };
#ifdef __cplusplus
struct base { int id; };
struct owner : base { long held; owner(int i, long h) : held(h) { id = i; } owner(const owner &o) : held(o.held) { id = o.id; } ~owner(); };
#endif
"""


class Kind:
    """One kind of argument: its type in C, a random value, how awl is asked for it, and what it must say."""

    def __init__(self, ctype, make, parts, scalar=False, readable=True):
        self.ctype, self.make, self.parts, self.scalar, self.readable = ctype, make, parts, scalar, readable


def integer(ctype, bits, signed):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)

    def make(rnd):
        v = rnd.choice([low, high, 0, rnd.randint(low, high)])
        text = f"(({ctype})({v}ULL))" if v >= 1 << 63 else f"(({ctype})({v + 1}LL - 1))" if v < 0 else f"(({ctype})({v}LL))"
        return text, [v]

    return Kind(ctype, make, ["{0}"], scalar=True)


def small(rnd):
    return rnd.randint(-1000, 1000)


def pair(rnd):
    x, y = small(rnd), small(rnd)
    return f"mk_pair({x}, {y})", [x, y]


def wide(rnd):
    a, tag = rnd.randint(-1 << 60, 1 << 60), rnd.randint(-128, 127)
    return f"mk_wide({a}L, {tag})", [a, tag]


def bits(rnd):
    low, mid, high = rnd.randint(0, 7), rnd.randint(-16, 15), rnd.randint(0, (1 << 24) - 1)
    return f"mk_bits({low}, {mid}, {high})", [low, mid, high]


def big(rnd):
    n, v, x, u = small(rnd), small(rnd), small(rnd), small(rnd)
    return f"mk_big({n}, {v}, {x}, {u})", [n, v, x, u]


def owner(rnd):
    i, h = small(rnd), small(rnd)
    return f"owner({i}, {h})", [i, h]


def pointer(rnd):
    x, y = small(rnd), small(rnd)
    return f"hold({x}, {y})", [x, y]


C_KINDS = [
    integer("signed char", 8, True), integer("unsigned char", 8, False), integer("short", 16, True),
    integer("unsigned short", 16, False), integer("int", 32, True), integer("unsigned int", 32, False),
    integer("long", 64, True), integer("unsigned long", 64, False),
    Kind("bool", lambda rnd: rnd.choice([("true", [1]), ("false", [0])]), ["{0}"], scalar=True),
    Kind("enum colour", lambda rnd: rnd.choice([("RED", [1]), ("GREEN", [5]), ("BLUE", [-2])]), ["{0}"], scalar=True),
    Kind("double", lambda rnd: (f"{small(rnd)}.5", []), [], readable=False),
    Kind("float", lambda rnd: (f"{small(rnd)}.25f", []), [], readable=False),
    Kind("struct mixed", lambda rnd: (f"mk_mixed({small(rnd)}, 0.5)", []), [], readable=False),
    Kind("struct pair", pair, ["{0}.x", "{0}.y"]),
    Kind("struct wide", wide, ["{0}.a", "{0}.tag"]),
    Kind("struct bits", bits, ["{0}.low", "{0}.mid", "{0}.high"]),
    Kind("struct big", big, ["{0}.n", "{0}.v[3]", "{0}.p.x", "{0}.u"]),
    Kind("struct pair *", pointer, ["{0}.x", "{0}->y"], scalar=True),
]
CPP_KINDS = C_KINDS + [
    Kind("owner", owner, ["{0}.id", "{0}.held"]),
    Kind("const struct pair &", lambda rnd: (lambda v: (f"*{v[0]}", v[1]))(pointer(rnd)), ["(*{0}).x", "{0}.y"]),
]

HELPERS = """
static struct pair mk_pair(int x, int y) { struct pair p = {x, y}; return p; }
static struct wide mk_wide(long a, int tag) { struct wide w = {a, (signed char)tag}; return w; }
static struct bits mk_bits(unsigned l, int m, unsigned h) { struct bits b; b.low = l; b.mid = m; b.high = h; return b; }
static struct mixed mk_mixed(long n, double d) { struct mixed m = {n, d}; return m; }
static struct big mk_big(long n, int v, int x, int u)
{
	struct big b = {0};
	b.n = n; b.v[3] = (short)v; b.p.x = x; b.u = u;
	return b;
}
static struct pair held[4096];
static int nheld;
static struct pair *hold(int x, int y) { struct pair *p = &held[nheld++ & 4095]; p->x = x; p->y = y; return p; }
"""


class Program:
    def __init__(self, seed, cpp):
        self.rnd = random.Random(seed)
        self.kinds = CPP_KINDS if cpp else C_KINDS
        self.functions = [self.function(i) for i in range(FUNCTIONS)]

    def function(self, number):
        args = []
        for i in range(self.rnd.randint(1, 10)):
            kind = self.rnd.choice(self.kinds)
            text, values = kind.make(self.rnd)
            args.append((f"a{i}", kind, text, values))
        return number, args

    def sources(self):
        link = '#ifdef __cplusplus\nextern "C"\n#endif\n'
        protos = [f"{link}int f{n}({', '.join(k.ctype + ' ' + a for a, k, _, _ in args)})" for n, args in self.functions]
        bodies = []
        for (n, args), proto in zip(self.functions, protos):
            uses = "".join(f'\t__asm__ volatile("" :: "g"({a}));\n' for a, k, _, _ in args if k.scalar)
            bodies.append(f"{proto}\n{{\n\t__asm__ volatile(\".globl mark{n}\\n.type mark{n}, @function\\nmark{n}: nop\");\n"
                          f"{uses}\treturn {n};\n}}\n")
        calls = "".join(f"\tf{n}({', '.join(t for _, _, t, _ in args)});\n" for n, args in self.functions)
        destructor = "#ifdef __cplusplus\nowner::~owner() { __asm__ volatile(\"\"); }\n#endif\n"
        return (HEAD + destructor + "\n".join(bodies),
                HEAD + "".join(p + ";\n" for p in protos) + HELPERS + f"int main(void)\n{{\n{calls}\treturn 0;\n}}\n")

    def script(self, path, expected, middle):
        probes = []
        for n, args in self.functions:
            said = [(part.format(f"args.{a}"), value) for a, k, _, values in args if k.readable and (k.scalar or not middle)
                    for part, value in zip(k.parts, values)]
            if not said:
                continue
            where = f"mark{n}" if middle else f"f{n}"
            texts = [f"{e}={v}" for e, v in said]
            expected.append(f"{where} {' '.join(texts)}")
            form = " ".join(f"{e}=%{'u' if v >= 1 << 63 else 'd'}" for e, v in said)
            probes.append(f'uprobe:{path}:{where} {{ printf("{where} {form}\\n", {", ".join(e for e, _ in said)}); }}')
        return "\n".join(probes)


WAYS = [("gcc", "-O0", "c"), ("gcc", "-O2", "c"), ("g++", "-O0", "cc"), ("g++", "-O2", "cc"), ("clang", "-O1", "c"),
        ("gcc", "-O1 -gdwarf-4 -fno-omit-frame-pointer", "c"), ("gcc", "-O0 -gdwarf-2 -gstrict-dwarf", "c"),
        ("gcc", "-O2 -gsplit-dwarf", "c"), ("gcc", "-O1 -gz", "c")]


@pytest.mark.parametrize("compiler, flags, language", WAYS, ids=lambda v: v.replace(" ", ""))
def test_values_are_those_that_were_passed(awl, tmp_path, compiler, flags, language):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    program = Program(f"{compiler} {flags}", language == "cc")
    paths = [tmp_path / f"{name}.{language}" for name in ("functions", "main")]
    for path, text in zip(paths, program.sources()):
        path.write_text(text)
    binary = tmp_path / "program"
    subprocess.run([compiler, "-g", *flags.split(), "-o", binary, *paths], check=True, cwd=tmp_path)
    expected = []
    script = tmp_path / "args.bt"
    text = program.script(binary, expected, False)
    if compiler != "clang":  # it does not tell of all arguments behind the entry
        text += "\n" + program.script(binary, expected, True)
    script.write_text(text)
    r = awl("-q", "-c", str(binary), script)
    assert r.code == 0, r
    said = {line.split()[0]: line for line in r.lines if line}
    wrong = [(line, said.get(line.split()[0])) for line in expected if said.get(line.split()[0]) != line]
    assert not wrong, f"{len(wrong)} of {len(expected)}: {wrong[:3]}"


@pytest.fixture
def shapes(tmp_path):
    source = tmp_path / "shapes.c"
    source.write_text("struct pair { int x; int y; };\n"
                      "__attribute__((noinline)) unsigned char area(struct pair *p, double scale, const char *name)\n"
                      "{ __asm__ volatile(\"\"); return (unsigned char)(p->x * p->y); }\n"
                      "int main(void) { struct pair p = {-3, -70}; return !area(&p, 2.0, \"\"); }\n")
    binary = tmp_path / "shapes"
    subprocess.run(["gcc", "-g", "-O1", "-o", binary, source], check=True)
    return binary


def test_a_list_shows_names_and_types(awl, shapes):
    r = awl("-lv", f"uprobe:{shapes}:area")
    assert r.lines == [f"uprobe:{shapes}:area", "    struct pair * p", "    int8 * name"], r
    assert awl("-lv", f"uretprobe:{shapes}:area").lines == [f"uretprobe:{shapes}:area", "    uint8 retval"]


def test_a_result_has_the_type_of_its_function(awl, shapes):
    r = awl("-q", "-e", f"uretprobe:{shapes}:area {{ print(retval); }}", "-c", str(shapes))
    assert r.lines[0] == "210", r


def test_all_arguments_in_one_print(awl, shapes):
    r = awl("-q", "-e", f"uprobe:{shapes}:area {{ print(*args.p); printf(\"%d\\n\", args.p->y); }}", "-c", str(shapes))
    assert r.lines[:2] == ["{ .x = -3, .y = -70 }", "-70"], r


def test_what_cannot_be_read_is_said(awl, shapes):
    r = awl("-e", f"uprobe:{shapes}:area {{ print(args.scale); }}")
    assert r.code != 0 and "args.scale cannot be read: floating point is in registers that probes do not see" in r.err, r
    r = awl("-e", f"uprobe:{shapes}:area {{ print(args.nme); }}")
    assert "has no argument nme" in r.err and "did you mean `name`?" in r.err, r


def test_without_debug_information_the_message_tells_the_way_out(awl, shapes):
    subprocess.run(["strip", "-g", shapes], check=True)
    r = awl("-e", f"uprobe:{shapes}:area {{ print(args.p); }}")
    assert r.code != 0 and "has no debug information" in r.err and "arg0, arg1" in r.err and "-dbgsym" in r.err, r
    assert awl("-q", "-e", f"uretprobe:{shapes}:area {{ print(retval & 0xff); }}", "-c", str(shapes)).lines[0] == "210"


def test_a_separate_debug_file_is_found(awl, shapes):
    debug = shapes.with_suffix(".debug")
    subprocess.run(["objcopy", "--only-keep-debug", shapes, debug], check=True)
    subprocess.run(["strip", "-g", shapes], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", shapes], check=True)
    r = awl("-q", "-e", f"uprobe:{shapes}:area {{ print(args.p.x); }}", "-c", str(shapes))
    assert r.lines[0] == "-3", r
