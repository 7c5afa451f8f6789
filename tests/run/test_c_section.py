"""C in scripts: headers, constants, macros, types; and import."""
import textwrap


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
