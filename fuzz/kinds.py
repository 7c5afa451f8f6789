#!/usr/bin/env python3
"""Fifty ELF files of as many kinds as this machine can make, of 64 bytes to 4 MiB, for flip.

  fuzz/kinds.py DIRECTORY [FILE…]    makes them there and prints their paths

Files of the system come as copies with another build id. With their own each round would read their separate debug files, when those are
installed, which nobody has changed and which take a hundred times as long: damaged debug information is that of the files that are made here.
"""
import pathlib
import shutil
import subprocess
import sys

C = r"""
#include <stdlib.h>
enum color { RED = 3, BLUE };
struct list { struct list *next; union { int i; float f; } u; unsigned bits : 5; char name[16]; enum color c; };
static int count(const struct list *l, double d) { int n = 0; for (; l; l = l->next) n += l->u.i + (int)d; return n; }
__attribute__((noinline)) long work(struct list *l, int k, long m, char c, void *p, short s, double d) { return count(l, d) + k * m + c + s + (p != 0); }
__attribute__((noinline)) struct list by_value(struct list l) { l.bits++; return l; }
int main(int argc, char **argv) { struct list l = {0, {argc}, 1, "x", BLUE}; l = by_value(l); return (int)work(&l, 1, 2, 3, argv, 4, 5.0) & 1; }
"""
FREE = "struct s { struct s *n; int a[4]; }; long f(struct s *p, int k) { return p->a[k & 3] + k; } long g(struct s *p) { return f(p, 1) + f(p->n, 2); }\n"
CXX = r"""
#include <map>
#include <string>
namespace ns { template <class T> struct box : std::map<std::string, T> { virtual ~box() {} T get(const std::string &k) { return (*this)[k]; } }; }
int main(int c, char **v) { ns::box<std::string> b; b["a"] = v[0]; try { return (int)b.get("a").size() & 1; } catch (...) { return 2; } }
"""
RUST = "use std::collections::HashMap; fn main() { let mut m: HashMap<String, Vec<u64>> = HashMap::new(); m.entry(\"a\".into()).or_default().push(1); println!(\"{:?}\", m); }\n"
GO = 'package main\n\nfunc add(a, b int) int { return a + b }\n\nfunc main() { println(add(1, 2)) }\n'


class Maker:
    def __init__(self, where):
        self.where, self.made = where, []
        for name, text in (("c.c", C), ("free.c", FREE), ("x.cc", CXX), ("r.rs", RUST), ("g.go", GO)):
            (where / name).write_text(text)

    def keep(self, path):
        if path.exists() and 64 <= path.stat().st_size <= 4 << 20 and path.read_bytes()[:4] == b"\x7fELF":
            self.made.append(path)

    def run(self, name, *command):
        """A command that makes the file `name`, here, if its tool is there."""
        if shutil.which(command[0]):
            subprocess.run([*map(str, command)], cwd=self.where, capture_output=True, timeout=120)
            self.keep(self.where / name)

    def copy(self, path):
        """A file of the system, under another build id."""
        if path.exists() and 64 <= path.stat().st_size <= 4 << 20:
            data = bytearray(path.read_bytes())
            at = data.find(b"\x14\0\0\0\3\0\0\0GNU\0")
            if at > 0:
                data[at + 12] ^= 0xff
            (self.where / f"sys-{path.name}").write_bytes(data)
            self.keep(self.where / f"sys-{path.name}")

    def change(self, name, of, *command):
        if (self.where / of).exists():
            shutil.copy(self.where / of, self.where / name)
            self.run(name, *command, name)


def main():
    where = pathlib.Path(sys.argv[1])
    where.mkdir(parents=True, exist_ok=True)
    m = Maker(where)
    for dwarf in (2, 3, 4, 5):
        m.run(f"c-dwarf{dwarf}", "gcc", "-g", f"-gdwarf-{dwarf}", "-O2", "-o", f"c-dwarf{dwarf}", "c.c")
        m.run(f"clang-dwarf{dwarf}", "clang", "-g", f"-gdwarf-{dwarf}", "-O1", "-o", f"clang-dwarf{dwarf}", "c.c")
    for name, flags in (("none", []), ("static", ["-static"]), ("nopie", ["-no-pie", "-g"]), ("shared", ["-shared", "-fPIC", "-g"]), ("object", ["-c", "-g"]),
                        ("zlib", ["-g", "-gz=zlib"]), ("zdebug", ["-g", "-gz=zlib-gnu"]), ("split", ["-g", "-gsplit-dwarf"]), ("types", ["-g", "-fdebug-types-section"]),
                        ("lto", ["-g", "-O2", "-flto"]), ("macro", ["-g3"]), ("m32", ["-m32", "-g"])):
        m.run(f"c-{name}", "gcc", "-O1", *flags, "-o", f"c-{name}", "c.c")
    m.keep(where / "c-split.dwo")
    m.keep(where / "c-split-c.dwo")
    for target in ("aarch64", "i386", "arm", "riscv64", "mips", "powerpc64", "s390x"):
        m.run(f"{target}.o", "clang", f"--target={target}-linux-gnu", "-g", "-c", "-o", f"{target}.o", "free.c")
    for name, flags in (("x", ["-O2"]), ("x-g", ["-g"]), ("x-types", ["-g", "-O1", "-fdebug-types-section"])):
        m.run(name, "g++", *flags, "-o", name, "x.cc")
    m.run("rust", "rustc", "-g", "-C", "prefer-dynamic", "-o", "rust", "r.rs")
    m.run("go", "go", "build", "-o", "go", "g.go")
    m.run("go-s", "go", "build", "-ldflags=-s -w", "-o", "go-s", "g.go")
    m.change("c-stripped", "c-dwarf5", "strip")
    m.change("x-stripped", "x-g", "strip", "-g")
    m.change("c-nosect", "c-dwarf5", "strip", "--strip-section-headers")
    m.change("c-onlydebug", "c-dwarf4", "strip", "--only-keep-debug")
    m.change("x-dwz", "x-g", "dwz")
    for path in sys.argv[2:] + ["/bin/ls", "/bin/true", "/bin/dash", "/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libm.so.6",
                                "/lib/x86_64-linux-gnu/libz.so.1", "/lib/x86_64-linux-gnu/libpthread.so.0", "/usr/bin/awk", "/usr/bin/sed", "/usr/bin/tar", "/usr/bin/find",
                                "/usr/bin/grep", "/usr/bin/less", "/usr/bin/make", "/usr/bin/sort", "/usr/bin/id", "/usr/bin/env"]:
        m.copy(pathlib.Path(path))
    print("\n".join(str(p) for p in m.made[:50]))


main()
