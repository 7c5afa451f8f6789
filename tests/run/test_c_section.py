"""C in scripts: headers, constants, macros, types; and import."""
import subprocess
import textwrap

import pytest


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def lines(awl, *args):
    r = awl("-q", *args)
    assert r.code == 0, r
    return r.lines


MINE = '''\
    #ifndef MINE_H
    #define MINE_H
    #define FROM_MINE \\
        77
    struct mine { char c; long l; } __attribute__((packed));
    typedef struct mine mine_t;
    static inline int f(int x) { return x; }
    extern int g(void);
    #endif
    '''


def test_constants_and_macros(awl, tmp_path):
    script = write(tmp_path / "a.bt", '''\
        #define TWICE(x) ((x) * 2)
        #define ADD(a, b) (TWICE(a) + (b))
        #define ME ((struct task_struct *)curtask)
        #define NEG -5
        #define BIG 0xffffffffffffffffULL
        #define TEXT "hi"
        #define GLUE(a, b) a ## b
        #define NUMBER GLUE(4, 2)
        #if defined(BPFTRACE_HAVE_BTF) && LATER > 2 || !defined(NOPE)
        #define SEEN 1
        #elif 1
        #define SEEN 2
        #else
        #define SEEN 3
        #endif
        /* that isn't code */
        begin {
            print((TWICE(4), ADD(2, 3), NEG, BIG, TEXT, SEEN, NUMBER));
            print(ME.pid == tid || ME.tgid == pid);
        }
        ''')
    assert lines(awl, script)[:2] == ["(8, 7, -5, 18446744073709551615, hi, 1, 42)", "true"]


def test_headers_of_the_script(awl, tmp_path):
    write(tmp_path / "mine.h", MINE)
    script = write(tmp_path / "a.bt", '''\
        #include "mine.h"
        #define K (sizeof(struct mine) + (1 << 3))
        struct outer { struct mine m; int dim[2 * 2 + 1]; enum { RED = 1 << 4, BLUE } c; union { long l; char b[8]; };
                       unsigned a : 3, d : 5; int (*cb[2])(int); char tail[]; } __attribute__((aligned(16)));
        typedef struct { int x, y; } point_t;
        begin {
            print((sizeof(struct outer), offsetof(struct outer, dim), offsetof(struct outer, c), offsetof(struct outer, l), offsetof(struct outer, cb)));
            print((sizeof(point_t), sizeof(mine_t), FROM_MINE, K)); printf("%d %d\\n", RED, BLUE);
        }
        ''')
    # the numbers are those of a C compiler
    assert lines(awl, script)[:3] == ["(80, 12, 32, 40, 56)", "(8, 9, 77, 17)", "16 17"]


def test_include_directories_and_headers_on_the_command_line(awl, tmp_path):
    write(tmp_path / "inc" / "mine.h", MINE)
    script = "#include <mine.h>\nbegin { print(FROM_MINE); }"
    assert lines(awl, "-I", tmp_path / "inc", "-e", script)[0] == "77"
    assert lines(awl, "--include", tmp_path / "inc" / "mine.h", "-e", "begin { print(sizeof(mine_t)); }")[0] == "9"
    assert "FROM_MINE" in awl("-q", "-e", script).err


def test_system_and_kernel_headers(awl):
    got = lines(awl, "-e", '''
        #include <linux/types.h>
        #include <net/sock.h>
        #include <linux/fs.h>
        #include <no/such/header.h>
        begin { print((sizeof(struct sock) > 100, sizeof(__be32))); }''')
    assert got[0] == "(true, 4)"


def test_a_missing_header_of_the_script_is_an_error(awl):
    r = awl("-q", "-e", '#include "nowhere.h"\nbegin { }')
    assert r.code == 1 and "there is no header nowhere.h" in r.err


def test_import(awl, tmp_path):
    write(tmp_path / "lib" / "a.bt", 'fn plus($a: int64, $b: int64): int64 { $a + $b } begin { print("from a"); }')
    write(tmp_path / "lib" / "b.bt", 'import "a.bt"; macro square(x) { x * x }')
    write(tmp_path / "mine.h", MINE)
    script = write(tmp_path / "main.bt", '''\
        import "lib"; import "lib/a.bt"; import "mine.h";
        begin { print(plus(1, 2)); print(square(4)); print(FROM_MINE); }
        ''')
    assert lines(awl, script)[:4] == ["from a", "3", "16", "77"]


def test_import_refuses_what_anybody_can_write(awl, tmp_path):
    write(tmp_path / "lib" / "a.bt", "macro one() { 1 }")
    (tmp_path / "lib").chmod(0o777)
    r = awl("-q", write(tmp_path / "main.bt", 'import "lib/a.bt"; begin { }'))
    assert r.code == 1 and "everybody may write" in r.err


FIELDS = '''\
    struct bits { unsigned a : 3; int b : 7; unsigned long c : 40; unsigned d : 5; char e; unsigned : 0; _Bool f : 1; int g : 2; };
    struct __attribute__((packed)) tight { char h; unsigned i : 30; unsigned j : 7; long k : 41; };
    union either { unsigned l : 12; int m; };
    #pragma pack(push, 2)
    struct two { char n; long o; };
    #pragma pack(pop)
    typedef unsigned long half __attribute__((aligned(4)));
    struct all { struct bits b; struct tight t; union either u; struct two w; char p; half q; int (*(*r)(int))[3]; char s[]; };
    '''


def test_values_of_bit_fields_are_those_of_the_compiler(awl, tmp_path):
    """A program fills the struct as the compiler lays it out, the script reads it."""
    program = write(tmp_path / "p.c", FIELDS + '''\
    struct all x = { { 5, -17, 0x89abcdef12, 21, 'e', 1, -2 }, { 'h', 0x2aaaaaaa, 99, -1000000000001 }, { 0xabc }, { 'n', -7 },
                     'p', 0x1122334455667788, 0 };
    __attribute__((noinline)) void take(struct all *p) { asm volatile("" :: "r"(p) : "memory"); }
    int main(void) { take(&x); return 0; }
    ''')
    made = subprocess.run(["cc", "-w", "-O1", "-o", tmp_path / "p", program], capture_output=True, text=True)
    if made.returncode:
        pytest.skip("no C compiler: " + made.stderr[:100])
    script = write(tmp_path / "a.bt", FIELDS + f'''\
    uprobe:{tmp_path}/p:take {{
        $x = (struct all *)arg0;
        print(($x->b.a, $x->b.b, $x->b.c, $x->b.d, $x->b.e, $x->b.f, $x->b.g));
        print(($x->t.h, $x->t.i, $x->t.j, $x->t.k, $x->u.l, $x->w.n, $x->w.o, $x->p, $x->q));
    }}
    ''')
    assert lines(awl, "-c", tmp_path / "p", script)[:2] == [
        f"(5, -17, {0x89abcdef12}, 21, {ord('e')}, true, -2)",
        f"({ord('h')}, {0x2aaaaaaa}, 99, -1000000000001, {0xabc}, {ord('n')}, -7, {ord('p')}, {0x1122334455667788})"]


def test_macros_mean_what_they_say_where_they_are_used(awl, tmp_path):
    """Members keep their names when a macro of that name follows; a macro can go away again."""
    write(tmp_path / "mine.h", '''\
        #define WORD typedef unsigned int
        WORD my_word;
        #undef WORD
        struct outer { struct { my_word pid; } inner; };
        #define pid inner.pid_of_macro
        #define CALL(a, ...) (a + __VA_ARGS__)
        #define FIRST(x, rest...) x
        #define ALIAS CALL
        ''')
    script = '#include "mine.h"\n#define SUM ALIAS(1, 2)\n#define ONE FIRST(7)\nbegin { print((sizeof(struct outer), SUM, ONE)); }'
    assert lines(awl, write(tmp_path / "a.bt", script))[0] == "(4, 3, 7)"


def test_constants_have_the_width_of_c(awl):
    script = '''
        #define A ~0U
        #define B (1 << 31)
        #define C (0xffffffff + 1)
        #define D (-1 > 0u)
        #define E 'RIFF'
        #define F '\\x1b'
        #define G (sizeof("four") + _Alignof(long))
        #define H (~0UL >> 60)
        begin { print((A, B, C, D, E, F, G, H)); }'''
    assert lines(awl, "-e", script)[0] == "(4294967295, -2147483648, 0, 1, 1380533830, 27, 13, 15)"


@pytest.mark.parametrize("text, says", [
    ("struct x { int a[n]; };", "a constant number"),
    ("struct x { nothing_t a; };", "the name of a type"),
    ("struct x { float a : 3; };", "a bit-field that fits its integer type"),
    ("struct x { int a : 40; };", "a bit-field that fits its integer type"),
    ("struct x { struct y y; };", "a type whose size is known"),
    ("struct x { int a __attribute__((aligned(3))); };", "an alignment that is a power of two"),
    ("struct x { int a int b; }", "; behind the field"),
    ("struct x { __typeof__(f()) a; };", "typeof of an expression that is no constant"),
    ("enum e { A = f(), B };", "a constant number"),
    ("struct x { int (a; };", ")"),
])
def test_what_is_no_c_says_what_was_expected(awl, text, says):
    r = awl("-q", "-e", text + " begin { }")
    assert r.code == 1 and says in r.err, r
