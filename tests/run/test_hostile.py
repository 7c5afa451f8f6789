"""Traced processes that mean harm: what they leave in files, in memory and in names must not stop awl, fill its memory,
reach a terminal, or be believed. Each case ends within seconds, in little memory, with the exit code of a run that went well or
an error about the one file."""
import contextlib
import ctypes
import os
import shutil
import struct
import subprocess
import sys
import threading
import time

import pytest

from conftest import AWL, BUILD, ROOT, TARGETS, Result

CALLS = str(TARGETS / "calls")
ASAN = "asan" in AWL
NOBODY = 65534
SECONDS = 60 if ASAN else 15  # on a busy machine; alone it is less than three
MEMORY_KB = 4 << 20 if ASAN else 64 << 10  # of awl
READER_KB = 4 << 20 if ASAN else 288 << 10  # of what reads a file for it


MEASURE = """
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
/* What a program had at most, without what the one that started it has. */
int main(int argc, char **argv)
{
	struct rusage u;
	int status;
	pid_t pid = fork();
	FILE *f;
	if (pid == 0) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	wait4(pid, &status, 0, &u);
	f = fopen(argv[1], "w");
	fprintf(f, "%ld", u.ru_maxrss);
	fclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
"""


@pytest.fixture(scope="session", autouse=True)
def measure(tmp_path_factory):
    run_bounded.measure = compile_c(tmp_path_factory, "measure", MEASURE)


def run_bounded(*args, memory=MEMORY_KB):
    """awl to its end, within the time, with the most memory that it or its readers had."""
    rss = run_bounded.measure + ".rss"
    p = subprocess.run(["timeout", "-s", "KILL", str(SECONDS), run_bounded.measure, rss, AWL, *map(str, args)], stdin=subprocess.DEVNULL,
                       capture_output=True)
    r = Result(p.returncode, p.stdout.decode(errors="surrogateescape"), p.stderr.decode(errors="surrogateescape"))
    assert p.returncode >= 0 and p.returncode < 128 or p.returncode == 255, f"killed by a signal, or after {SECONDS} s: {r}"
    assert "Sanitizer" not in r.err and "BUG" not in r.err, r
    had = int(open(rss).read())
    assert had < memory, f"{had} KB: {r}"
    return r


@contextlib.contextmanager
def changing(change):
    """Calls change() again and again meanwhile."""
    stop = threading.Event()

    def run():
        while not stop.is_set():
            change()

    t = threading.Thread(target=run)
    t.start()
    try:
        yield
    finally:
        stop.set()
        t.join()


# ---- perf maps ----

JIT = """
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* Makes a system call out of anonymous memory: a frame that only a perf map or a jitdump could name. With a folder
   as its parameter it maps a jitdump there, as compilers do. */
static const unsigned char code[] = {
#if defined(__x86_64__)
	0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3 /* getpid */
#else
	0x88, 0x15, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xc0, 0x03, 0x5f, 0xd6
#endif
};
static void map_dump(const char *folder)
{
	char path[4096];
	int fd;
	snprintf(path, sizeof(path), "%s/jit-%d.dump", folder, (int)getpid());
	fd = open(path, O_CREAT | O_RDWR, 0644);
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	close(fd);
}
int main(int argc, char **argv)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char line[16];
	memcpy(p, code, sizeof(code));
	if (argc > 1)
		map_dump(argv[1]);
	printf("%d %lx\\n", (int)getpid(), (unsigned long)p);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		((void (*)(void))p)();
		puts("called");
		fflush(stdout);
	}
	return 0;
}
"""


def compile_c(tmp_path_factory, name, source, *flags):
    where = tmp_path_factory.mktemp(name)
    (where / f"{name}.c").write_text(source)
    subprocess.run(["cc", "-O1", *flags, "-o", str(where / name), str(where / f"{name}.c")], check=True)
    os.chmod(where, 0o755)
    return str(where / name)


@pytest.fixture(scope="session")
def jit(tmp_path_factory):
    return compile_c(tmp_path_factory, "jit", JIT)


@pytest.fixture
def jitted(jit):
    p = subprocess.Popen([jit], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pid, at = p.stdout.readline().split()
    path = f"/tmp/perf-{pid}.map"
    yield p, int(pid), int(at, 16), path
    p.kill()
    p.wait()
    if os.path.lexists(path):
        os.unlink(path)


def stacks_of(p, pid, at):
    """The frame of the generated code as awl names it."""
    script = (f'tracepoint:syscalls:sys_enter_getpid /pid == {pid}/ {{ printf("<%s>\\n", ustack(1)); exit(); }} '
              'interval:s:1 { printf("late\\n"); exit(); }')

    def call():
        for _ in range(200):
            try:
                p.stdin.write("\n")
                p.stdin.flush()
            except (BrokenPipeError, ValueError):
                return
            time.sleep(0.02)

    threading.Thread(target=call, daemon=True).start()
    r = run_bounded("-q", "-e", script)
    assert r.code == 0 and "<" in r.out, r
    return r


def good_line(at, name):
    return f"{at:x} 40 {name}\n"


def test_a_perf_map_names_code(jitted):
    p, pid, at, path = jitted
    open(path, "w").write(good_line(at, "generated"))
    assert "generated" in stacks_of(*jitted[:3]).out


def a_fifo(path, at):
    os.mkfifo(path)


def a_link_to_zeros(path, at):
    os.symlink("/dev/zero", path)


def a_link_to_a_good_file(path, at):
    real = path + ".real"
    open(real, "w").write(good_line(at, "wrong"))
    os.symlink(real, path)


def ten_sparse_gigabytes(path, at):
    with open(path, "w") as f:
        f.write(good_line(at, "wrong"))
        f.truncate(10 << 30)


def zeros_of_an_allowed_size(path, at):
    with open(path, "w") as f:
        f.truncate(31 << 20)


def of_somebody_else(path, at):
    open(path, "w").write(good_line(at, "wrong"))
    os.chown(path, NOBODY, NOBODY)


def a_directory(path, at):
    os.mkdir(path)


def a_line_without_end(path, at):
    open(path, "w").write(f"{at:x} 40 " + "x" * (8 << 20))


def numbers_that_overflow(path, at):
    open(path, "w").write("ffffffffffffffff ffffffffffffffff wrong\n" + "f" * 5000 + " 1 wrong\n" + good_line(2**64 - 1, "wrong"))


@pytest.mark.parametrize("make", [a_fifo, a_link_to_zeros, a_link_to_a_good_file, ten_sparse_gigabytes, zeros_of_an_allowed_size,
                                  of_somebody_else, a_directory, a_line_without_end, numbers_that_overflow], ids=lambda f: f.__name__)
def test_perf_maps_that_are_none(jitted, make):
    p, pid, at, path = jitted
    make(path, at)
    try:
        r = stacks_of(p, pid, at)
        assert "wrong" not in r.out, r
    finally:
        if os.path.isdir(path):
            os.rmdir(path)
        if os.path.exists(path + ".real"):
            os.unlink(path + ".real")


def test_a_perf_map_that_changes_while_it_is_read(jitted):
    p, pid, at, path = jitted

    def change():
        open(path, "w").write(good_line(at, "generated") * 20000)
        os.truncate(path, 100)

    with changing(change):
        assert stacks_of(p, pid, at).code == 0


def test_names_of_a_perf_map_do_not_reach_the_terminal_as_they_are(jitted):
    p, pid, at, path = jitted
    open(path, "wb").write(b"%x 40 a\x1b]52;c;ZXZpbA==\x07b\xe2\x80\xaec\xff\n" % at)
    r = stacks_of(p, pid, at)
    assert "\x1b" not in r.out and "\x07" not in r.out and "\u202e" not in r.out, r


# ---- jitdumps ----


def record(number, body):
    return struct.pack("<IIQ", number, 16 + len(body), 0) + body


def load(at, size, name, index=0, code=b"\x90" * 64):
    return record(0, struct.pack("<IIQQQQ", 1, 1, at, at, size, index) + name + b"\0" + code)


def move(old, new, size, index=0):
    return record(1, struct.pack("<IIQQQQQ", 1, 1, new, old, new, size, index))


def header(magic=0x4A695444, version=1, size=40):
    return struct.pack("<IIIIIIQQ", magic, version, size, 62, 0, 1, 0, 0) + b"\0" * (size - 40 if size < 4096 else 0)


@pytest.fixture
def dumping(jit, tmp_path):
    """The program with a jitdump that is still empty: process, pid, address of the code, the dump."""
    p = subprocess.Popen([jit, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pid, at = p.stdout.readline().split()
    yield p, int(pid), int(at, 16), tmp_path / f"jit-{pid}.dump"
    p.kill()
    p.wait()


DUMPS = {
    "one function": lambda at: load(at, 64, b"generated"),
    "behind other records": lambda at: record(4, b"x" * 100) + record(2, b"") + record(99, b"y" * 30000) + load(at, 64, b"generated"),
    "compiled again": lambda at: load(at, 64, b"wrong") + load(at, 64, b"generated"),
    "moved": lambda at: load(at + 4096, 64, b"generated", 7) + load(at + 8192, 64, b"wrong", 8) + move(at + 4096, at, 64, 7),
    "among many": lambda at: b"".join(load(0x1000 + 64 * i, 64, b"f%d" % i) for i in range(20000)) + load(at, 64, b"generated"),
    "of a megabyte of code": lambda at: load(0x1000, 64, b"wrong", code=b"\xcc" * (1 << 20)) + load(at, 64, b"generated"),
    "before one that is not complete": lambda at: load(at, 64, b"generated") + load(at, 64, b"wrong")[:-1],
    "with a longer header": lambda at: None,
}


@pytest.mark.parametrize("make", DUMPS.values(), ids=DUMPS.keys())
def test_a_jitdump_names_code(dumping, make):
    p, pid, at, path = dumping
    body = make(at)
    path.write_bytes(header() + body if body else header(size=56) + load(at, 64, b"generated"))
    r = stacks_of(p, pid, at)
    assert "generated" in r.out and "wrong" not in r.out, r


BAD_DUMPS = {
    "empty": lambda at: b"",
    "another format": lambda at: header(magic=0x464C457F) + load(at, 64, b"wrong"),
    "the other byte order": lambda at: header(magic=0x4454694A) + load(at, 64, b"wrong"),
    "a newer version": lambda at: header(version=2) + load(at, 64, b"wrong"),
    "a header of four gigabytes": lambda at: header(size=0xFFFFFFF0) + load(at, 64, b"wrong"),
    "a record of no bytes": lambda at: header() + struct.pack("<IIQ", 4, 0, 0) + load(at, 64, b"wrong"),
    "a record beyond the end": lambda at: header() + struct.pack("<IIQ", 4, 0xFFFFFFFF, 0) + load(at, 64, b"wrong"),
    "a record without a name": lambda at: header() + record(0, struct.pack("<IIQQQQ", 1, 1, at, at, 64, 0)),
    "an empty name": lambda at: header() + load(at, 64, b""),
    "code of no length": lambda at: header() + load(at, 0, b"wrong"),
    "ranges that overflow": lambda at: header() + load(2**64 - 1, 2**64 - 1, b"wrong") + load(at + 1000, 2**64 - 1001, b"wrong"),
    "a move of nothing": lambda at: header() + move(0x1000, at, 64, 3),
    "records of nothing": lambda at: header() + record(7, b"") * 3000000 + b"x" * 15,
    "moves without end": lambda at: header() + load(0x1000, 1, b"x" * 4000) + move(0x1000, 0x2000, 1) * 400000,
}


@pytest.mark.parametrize("make", BAD_DUMPS.values(), ids=BAD_DUMPS.keys())
def test_jitdumps_that_are_none(dumping, make):
    p, pid, at, path = dumping
    path.write_bytes(make(at))
    assert "wrong" not in stacks_of(p, pid, at).out


def test_a_jitdump_of_ten_sparse_gigabytes(dumping):
    p, pid, at, path = dumping
    path.write_bytes(header() + load(at, 64, b"generated"))
    os.truncate(path, 10 << 30)
    assert "generated" in stacks_of(p, pid, at).out


def test_a_jitdump_of_somebody_else(dumping):
    p, pid, at, path = dumping
    path.write_bytes(header() + load(at, 64, b"wrong"))
    os.chown(path, NOBODY, NOBODY)
    assert "wrong" not in stacks_of(p, pid, at).out


def test_another_file_in_place_of_the_jitdump(dumping):
    """Only the very file that is mapped is read."""
    p, pid, at, path = dumping
    other = path.with_name("other")
    other.write_bytes(header() + load(at, 64, b"wrong"))
    other.rename(path)
    assert "wrong" not in stacks_of(p, pid, at).out


def test_a_jitdump_that_changes_while_it_is_read(dumping):
    p, pid, at, path = dumping
    whole = header() + b"".join(load(at, 64, b"generated") for _ in range(20000))

    def change():
        with open(path, "r+b") as f:
            f.write(whole)
            f.truncate(100)

    with changing(change):
        assert stacks_of(p, pid, at).code == 0


def test_names_of_a_jitdump_do_not_reach_the_terminal_as_they_are(dumping):
    p, pid, at, path = dumping
    path.write_bytes(header() + load(at, 64, b"a\x1b]52;c;ZXZpbA==\x07b\xe2\x80\xaec\xff\n"))
    r = stacks_of(p, pid, at)
    assert "\x1b" not in r.out and "\x07" not in r.out and "\u202e" not in r.out, r


# ---- binaries ----


def elf(sections, symbols=b"", strings=b"\0", count=None, phdr=True):
    """A 64-bit ELF file: .symtab and .strtab, then `sections`: (name, type, bytes or (size, offset))."""
    names = b"\0"
    rows = [("", 0, b"", 0, 0)]
    rows += [(".text", 1, b"\x90" * 4096, 0, 0)]
    if symbols:
        rows += [(".symtab", 2, symbols, len(rows) + 1, 24), (".strtab", 3, strings, 0, 0)]
    rows += [(n, t, d, 0, 0) for n, t, d in sections]
    rows += [(".shstrtab", 3, None, 0, 0)]
    for row in rows:
        names += row[0].encode() + b"\0"
    body, heads, name_at = b"", b"", 0
    base = 64 + 56
    for name, kind, data, link, entsize in rows:
        data = names if data is None else data
        at = names.index(b"\0" + name.encode() + b"\0") + (1 if name else 0)
        size, offset = (len(data), base + len(body)) if isinstance(data, bytes) else data
        heads += struct.pack("<IIQQQQIIQQ", at, kind, 6 if name == ".text" else 0, 0x1000 if name == ".text" else 0, offset, size,
                             link, 0, 1, entsize)
        body += data if isinstance(data, bytes) else b""
    head = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0x1000, 64, base + len(body), 0, 64, 56, 1, 64,
                                                            count if count is not None else len(rows), len(rows) - 1)
    seg = struct.pack("<IIQQQQQQ", 1, 5, base, 0x1000, 0x1000, 4096, 4096, 4096)
    return head + seg + body + heads


def symbol(name, value, size=16, info=0x12, section=1):
    return struct.pack("<IBBHQQ", name, info, 0, section, value, size)


def note(desc_size, desc=b""):
    return struct.pack("<III", 8, desc_size, 3) + b"stapsdt\0" + desc


def foreign(tmp_path, data, name="program"):
    """A file that is not root's: nothing in it is to be believed."""
    path = tmp_path / name
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        shutil.copy(data, path)
    os.chmod(path, 0o755)
    os.chown(path, NOBODY, NOBODY)
    return str(path)


def test_a_foreign_program_is_read_as_any_other(tmp_path):
    path = foreign(tmp_path, CALLS)
    own, theirs = (run_bounded("-l", f"uprobe:{p}:*").out.replace(p, "") for p in (CALLS, path))
    assert own == theirs and "tick" in own
    own, theirs = (run_bounded("-l", f"usdt:{p}:*").out.replace(p, "") for p in (CALLS, path))
    assert own == theirs and "demo" in own
    r = run_bounded("-e", f"usdt:{path}:demo:tick {{ @[arg0] = count(); }}", "-c", f"{path} 3")
    assert r.out.split() == ["@[0]:", "1", "@[1]:", "1", "@[2]:", "1"] or "@[2]: 1" in r.out, r


DEBUG = """
struct in { int a; char name[8]; };
enum color { RED = 3, BLUE };
struct req { struct in *path; long n; enum color c; unsigned flag : 3; };
__attribute__((noipa)) long work(struct req *r, int k) { return r->n + k; }
int main(int c, char **v) { struct in i = {7, "abc"}; struct req r = {&i, 5, BLUE, 6}; return work(&r, c) ? 0 : 1; }
"""


@pytest.fixture(scope="session")
def debug(tmp_path_factory):
    return compile_c(tmp_path_factory, "debug", DEBUG, "-g", "-fno-omit-frame-pointer")


def test_foreign_debug_information_is_read_as_any_other(debug, tmp_path):
    path = foreign(tmp_path, debug)
    script = 'uprobe:%s:work { printf("%%d %%s %%d %%d %%d\\n", args.r->path->a, args.r->path->name, args.r->n, args.r->flag, args.k); print(*args.r); }'
    own, theirs = (run_bounded("-q", "-e", script % p, "-c", p) for p in (debug, path))
    assert own.out.split("{")[0] == theirs.out.split("{")[0] == "7 abc 5 6 1\n", (own, theirs)
    own, theirs = (run_bounded("-lv", f"uprobe:{p}:work").out.replace(p, "") for p in (debug, path))
    assert own == theirs and "struct req *" in own


def test_the_reader_has_no_rights(tmp_path):
    """What the kernel says of the process that holds the file, while it waits at a file system that does not answer."""
    path = foreign(tmp_path, CALLS)
    trace = tmp_path / "trace"
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # which cannot be looked for in a process that is traced
    subprocess.run(["strace", "-ff", "-o", str(trace), AWL, "-l", f"uprobe:{path}:*"], stdout=subprocess.DEVNULL, check=True, env=env)
    # A file per process: in a common one, calls that overlap are cut in two.
    texts = [t.read_text() for t in tmp_path.glob("trace.*")]
    text = next(t for t in texts if "SECCOMP_MODE_FILTER" in t)
    assert "PR_SET_NO_NEW_PRIVS, 1" in text
    assert "capset" in text and "effective=0, permitted=0, inheritable=0" in text
    after = text.split("SECCOMP_MODE_FILTER", 1)[1].splitlines()[1:]
    calls = {line.split("(")[0] for line in after if "(" in line}
    assert "read" in calls or "pread64" in calls, after
    calls -= {"sigaltstack"} if ASAN else set()  # which AddressSanitizer asks for at its end, and is refused
    assert calls <= {"read", "write", "pread64", "lseek", "fstat", "newfstatat", "mmap", "munmap", "mremap", "mprotect", "madvise", "brk",
                     "exit_group", "exit", "close"}, calls


BINARIES = {
    "ten_million_symbols": lambda: elf([], symbol(1, 0x1000) * 10_000_000, b"\0f\0"),
    "ten_million_names": lambda: elf([], b"".join(symbol(1 + (i & 1), 0x1000 + i % 4096) for i in range(1_000_000)) * 10, b"\0ff\0"),
    "a_note_of_two_gigabytes": lambda: elf([(".note.stapsdt", 7, note(2**31, b"\0" * 64))]),
    "a_note_of_four_gigabytes": lambda: elf([(".note.stapsdt", 7, note(2**32 - 1, b"\0" * 64))]),
    "notes_without_end": lambda: elf([(".note.stapsdt", 7, (2**40, 0))]),
    "sections_that_overflow": lambda: elf([(".note.stapsdt", 7, (2**64 - 8, 16)), (".dynsym", 11, (2**63, 2**63))]),
    "sixty_thousand_sections": lambda: elf([(f"s{i & 7}", 1, b"") for i in range(60000)]),
    "more_sections_than_there_are": lambda: elf([], symbol(1, 0x1000), b"\0f\0", count=65000),
    "names_behind_the_end": lambda: elf([], symbol(2**32 - 1, 0x1000) * 1000, b"\0f"),
    "a_name_of_many_megabytes": lambda: elf([], symbol(1, 0x1000), b"\0_ZN" + b"9aaaaaaaaa" * 800_000 + b"Ev\0"),
    "a_name_that_nests": lambda: elf([], symbol(1, 0x1000), b"\0_Z" + b"1fIXadL_Z" * 20_000 + b"\0"),
    "a_packed_section_of_rubbish": lambda: elf([(".gnu_debugdata", 1, b"\xfd7zXZ\0" + os.urandom(1 << 16))]),
    "only_the_mark": lambda: b"\x7fELF",
    "nothing": lambda: b"",
    "rubbish": lambda: b"\x7fELF\x02\x01\x01" + os.urandom(1 << 20),
}


@pytest.mark.parametrize("case", sorted(BINARIES))
@pytest.mark.parametrize("probe", ["uprobe", "usdt"])
def test_binaries(tmp_path, case, probe):
    if ASAN and case.startswith("ten_million"):
        pytest.skip("a reader's memory has no limit under AddressSanitizer, which reserves the whole address space")
    path = foreign(tmp_path, BINARIES[case]())
    r = run_bounded("-l", f"{probe}:{path}:*" if probe == "uprobe" else f"usdt:{path}:*:*", memory=READER_KB)
    assert r.code in (0, 1), r
    r = run_bounded("--explain", "-e", f"{probe}:{path}:{'cpp:f*' if probe == 'uprobe' else 'x:y'} {{ @ = count(); }}", memory=READER_KB)
    assert r.code == 1 and path in r.err, r


def test_debug_information_that_refers_to_itself(debug, tmp_path):
    """DW_AT_specification and DW_AT_type of entries lead back to themselves: every reference becomes the offset of an entry that has it."""
    path = foreign(tmp_path, debug)
    rows = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True).stdout
    row = next(line for line in rows.splitlines() if " .debug_info " in line).split("]", 1)[1].split()
    offset, size = int(row[3], 16), int(row[4], 16)
    whole = bytearray(open(path, "rb").read())
    info = whole[offset:offset + size]
    for target in (0x2e, 0x40, 0x60):
        for at in range(12, size - 4):  # every 4 bytes that may be a reference into the unit
            if int.from_bytes(info[at:at + 4], "little") in range(11, size):
                whole[offset + at:offset + at + 4] = target.to_bytes(4, "little")
        open(path, "wb").write(whole)
        r = run_bounded("--explain", "-e", f"uprobe:{path}:work {{ print(args); print(args.r->path->a); }}")
        assert r.code in (0, 1), r


def test_a_program_that_is_replaced_while_awl_attaches(tmp_path):
    path = foreign(tmp_path, CALLS)
    stop = threading.Event()

    def replace():
        good, half = open(CALLS, "rb").read(), open(CALLS, "rb").read()[:9000]
        while not stop.is_set():
            for data in (half, good, b"", good):
                with open(path, "r+b") as f:
                    f.truncate(len(data))
                    f.write(data)

    t = threading.Thread(target=replace)
    t.start()
    try:
        for _ in range(10):
            r = run_bounded("-q", "-e", f"uprobe:{path}:tick {{ @ = count(); }} interval:ms:1 {{ exit(); }}")
            assert r.code in (0, 1, 255), r
    finally:
        stop.set()
        t.join()


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    os.symlink("/dev/zero", tmp_path / "zero")
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    for name in ("fifo", "zero", "loop", "."):
        r = run_bounded("--explain", "-e", f"uprobe:{tmp_path}/{name}:f {{ @ = count(); }}")
        assert r.code == 1 and "error" in r.err, r


# ---- processes ----

VMAS = """
import mmap, os, sys, time, ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
n = 0
base = libc.mmap(None, 4096 * 140000, 0, 0x22, -1, 0)
while n < 65000 and libc.mmap(base + 8192 * n, 4096, 5 if n % 2 else 1, 0x32, -1, 0) == base + 8192 * n:
    n += 1
print(n, flush=True)
while True:
    time.sleep(0.01)
"""


def test_a_process_with_as_many_mappings_as_there_may_be():
    p = subprocess.Popen([sys.executable, "-c", VMAS], stdout=subprocess.PIPE, text=True)
    try:
        assert int(p.stdout.readline()) > 10000
        r = run_bounded("-q", "-p", p.pid, "-e", "tracepoint:syscalls:sys_enter_* { @[ustack(3)] = count(); } interval:ms:500 { exit(); }")
        assert r.code == 0 and "@[" in r.out, r
    finally:
        p.kill()
        p.wait()


EVIL = "a\x1b[2J\x1b]52;c;ZXZpbA==\x07\n\r\u202eb\x9b\udcff"


def controls(data):
    return [b for b in data if (b < 32 and b not in (10,)) or b == 127]


def on_terminal(*args):
    """What awl writes to a terminal, as bytes."""
    master, slave = os.openpty()
    import termios
    mode = termios.tcgetattr(slave)
    mode[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, mode)
    p = subprocess.Popen([AWL, *map(str, args)], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    data = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        if not chunk:
            break
        data += chunk
    os.close(master)
    return p.wait(SECONDS), data


@pytest.fixture
def evil_process(tmp_path):
    """Its program's name, arguments, environment, working directory and name of the thread are all of the above."""
    directory = tmp_path / "d\x1b[2Jd"
    directory.mkdir()
    path = directory / os.fsdecode(os.fsencode(EVIL.replace("/", "_")))
    shutil.copy("/bin/sh", path)
    p = subprocess.Popen([str(path), "-c", 'while :; do read x < "$1"; done', EVIL, os.fsdecode(os.fsencode(EVIL))],
                         env={"EVIL": EVIL}, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.2)
    yield p
    p.kill()
    p.wait()


@pytest.mark.parametrize("script", [
    '{ printf("%s %s\\n", comm, str(args.filename)); exit(); }',
    "{ @[comm, str(args.filename)] = count(); exit(); }",
    "{ @[ustack] = count(); exit(); }",
    '{ printf("%s\\n", ustack()); print(comm); print((comm, 1)); exit(); }',
    '{ printf("%r\\n", buf(args.filename, 64)); print(strftime("%H", nsecs)); exit(); }',
    '{ errorf("%s", comm); exit(); }',
])
def test_names_do_not_reach_the_terminal_as_they_are(evil_process, script):
    code, data = on_terminal("-p", evil_process.pid, "-e", "tracepoint:syscalls:sys_enter_openat " + script)
    assert code == 0 and data, data
    assert not controls(data), data
    assert "\u202e".encode() not in data and b"\x9b" not in data.replace("\u009b".encode(), b"\x9b"), data


def test_messages_about_files_with_such_names(tmp_path):
    name = os.fsdecode(os.fsencode("x\x1b]0;evil\x07y"))
    (tmp_path / name).write_bytes(b"\x7fELF")
    code, data = on_terminal("-e", f"uprobe:{tmp_path}/*:f {{ @ = count(); }}")
    import re
    assert code == 1 and not controls(re.sub(rb"\x1b\[[0-9;]*m", b"", data)), data


def test_json_of_such_names_is_valid(evil_process):
    import json
    r = subprocess.run([AWL, "-q", "-f", "json", "-p", str(evil_process.pid), "-e",
                        'tracepoint:syscalls:sys_enter_openat { printf("%s", comm); @[comm, str(args.filename)] = count(); print((comm, 1)); exit(); }'],
                       capture_output=True, timeout=SECONDS)
    for line in r.stdout.decode("utf-8").splitlines():
        json.loads(line)
    assert r.returncode == 0


# ---- file systems that do not answer ----

FUSE_INIT, FUSE_LOOKUP, FUSE_GETATTR, FUSE_OPEN, FUSE_READ = 26, 1, 3, 14, 15


class Blocking:
    """A FUSE file system with one file, which can be opened and never be read."""

    def __init__(self, where):
        self.where = str(where)
        self.fd = os.open("/dev/fuse", os.O_RDWR)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        if libc.mount(b"awl", self.where.encode(), b"fuse", 0, options.encode()) != 0:
            raise OSError(ctypes.get_errno(), "mount")
        self.blocked = threading.Event()
        self.server = threading.Thread(target=self.serve, daemon=True)
        self.server.start()

    def attr(self, node):
        mode = 0o40755 if node == 1 else 0o100755
        return struct.pack("<QQQQQQIIIIIIIIII", node, 1 << 20, 2048, 0, 0, 0, 0, 0, 0, mode, 1, NOBODY, NOBODY, 0, 4096, 0)

    def answer(self, op, node):
        if op == FUSE_INIT:
            return struct.pack("<IIIIHHIIHHIIII", 7, 31, 0, 0, 0, 0, 4096, 0, 0, 0, 0, 0, 0, 0)[:64].ljust(64, b"\0")
        if op == FUSE_LOOKUP:
            return struct.pack("<QQQQII", 2, 0, 0, 0, 0, 0) + self.attr(2)
        if op == FUSE_GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self.attr(node)
        if op == FUSE_OPEN or op == 27:
            return struct.pack("<QII", 1, 1, 0)  # direct I/O
        return b""

    def serve(self):
        while True:
            try:
                request = os.read(self.fd, 1 << 20)
            except OSError:
                return
            _, op, unique, node = struct.unpack("<IIQQ", request[:24])
            if op == FUSE_READ:
                self.blocked.set()
                continue
            data = self.answer(op, node)
            try:
                os.write(self.fd, struct.pack("<IiQ", 16 + len(data), 0, unique) + data)
            except OSError:
                pass

    def close(self):
        """Breaks the connection first, which ends the thread's read: the number of the descriptor may be another's soon."""
        subprocess.run(["umount", "-f", self.where], capture_output=True)
        subprocess.run(["umount", "-l", self.where], capture_output=True)
        self.server.join(20)
        assert not self.server.is_alive()
        os.close(self.fd)


def test_a_file_whose_reading_never_ends(tmp_path):
    where = tmp_path / "fuse"
    where.mkdir()
    try:
        fs = Blocking(where)
    except OSError as e:
        pytest.skip(f"no file system of our own: {e}")
    try:
        r = run_bounded("--explain", "-e", f"uprobe:{where}/file:f {{ @ = count(); }}")
        assert r.code == 1 and "does not answer" in r.err, r
        assert fs.blocked.is_set()
    finally:
        fs.close()


# ---- damage ----


def test_bytes_of_real_programs_flipped_at_random(tmp_path):
    """A short slice of what fuzz/flip is run for by the million."""
    files = subprocess.run([str(ROOT / "fuzz/kinds.py"), str(tmp_path), CALLS], capture_output=True, text=True, check=True).stdout.split()
    assert len(files) > 20
    r = subprocess.run([str(BUILD / "flip"), "200" if ASAN else "1500", "1", *files], capture_output=True, text=True, timeout=300)
    assert r.returncode == 0, r
    opened = int(r.stdout.split("opened ")[1].split(",")[0])
    assert opened > 100, r
