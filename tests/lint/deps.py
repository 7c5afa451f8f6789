#!/usr/bin/env python3
"""The direction of dependencies: reads the includes of src/ and fails on an edge that is not allowed.

The allowed edges are those of docs/architecture.md. A folder may include its own headers; of others only
the face header and the interfaces named here."""
import pathlib
import re
import sys

ALLOWED = {
    "base": set(),
    "lang": {"base"},
    "ir": {"base"},
    "kernel": {"base"},
    "elf": {"base"},
    "type": {"base", "kernel", "elf"},
    "sema": {"base", "lang", "type", "kernel", "elf"},
    "gen": {"base", "lang", "type", "kernel", "elf", "sema", "ir"},
    "builtin": {"base", "lang", "type", "kernel", "elf", "sema", "gen", "ir"},
    "probe": {"base", "lang", "type", "kernel", "elf", "sema", "gen", "ir"},
    "compile": {"base", "lang", "type", "kernel", "elf", "sema", "gen", "ir"},
    "aot": {"base", "lang", "type", "kernel", "elf", "sema", "ir", "compile", "awl"},
    "runtime": {"base", "type", "kernel", "elf", "compile", "sema", "ir"},
    "api": {"base", "lang", "type", "kernel", "elf", "sema", "compile", "aot", "runtime", "awl"},
    "bcc": {"base", "awl"},
    "cli": {"base", "awl", "bcc"},
}
# What other folders may include of each. base is a folder of faces; the interfaces are shared on purpose.
FACES = {
    "lang": {"lang.h", "ast.h"},
    "ir": {"ir.h"},
    "kernel": {"kernel.h"},
    "elf": {"elf.h", "dwarf.h", "go.h"},
    "type": {"type.h", "gotype.h"},
    "sema": {"sema.h", "builtin.h", "provider.h", "event.h", "config.h", "unwind.h"},
    "gen": {"gen.h"},
    "compile": {"compile.h", "program.h"},
    "aot": {"aot.h"},
    "runtime": {"runtime.h"},
    "awl": {"awl.h"},
    "bcc": {"bcc.h"},
}
# The runtime knows the compiled program and the interfaces that it carries, nothing of the compiler.
RUNTIME_ONLY = {"compile": {"program.h"}, "sema": {"event.h", "provider.h", "config.h", "builtin.h", "unwind.h"}, "ir": {"ir.h"}}


def problems(root):
    for path in sorted(root.glob("src/*/*.[ch]")):
        folder = path.parent.name
        for number, line in enumerate(path.read_text().splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not m:
                continue
            target, _, name = m.group(1).partition("/")
            if not name or target == folder:
                continue
            where = f"{path.relative_to(root)}:{number}"
            if target not in ALLOWED[folder]:
                yield f"{where}: {folder} must not depend on {target}"
            elif target in FACES and name not in FACES[target]:
                yield f"{where}: {m.group(1)} is private to {target}"
            elif folder == "runtime" and name not in RUNTIME_ONLY.get(target, {name}):
                yield f"{where}: the runtime must not include {m.group(1)}"


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    found = list(problems(root))
    print("\n".join(found) if found else "dependency directions: fine")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
