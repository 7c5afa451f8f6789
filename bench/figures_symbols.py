"""Figure 17: names of 100,000 addresses in programs of 200 MB."""

import os
import re
import subprocess

from measure import Row, median

FRAMES = 100_000
SHAPES = [(100_000, 1984), (400_000, 448)]  # functions and the bytes of each: with their symbols 200 MB

# Functions one behind the other, with names as long as those of C++ usually are.
SOURCE = """.text
.altmacro
.macro one n
.type _ZN5large7program9componentILi\\n\\()EE6handleERKNS_7requestE, @function
_ZN5large7program9componentILi\\n\\()EE6handleERKNS_7requestE:
ret
.skip %d, 0x90
.size _ZN5large7program9componentILi\\n\\()EE6handleERKNS_7requestE, .-_ZN5large7program9componentILi\\n\\()EE6handleERKNS_7requestE
.endm
.set i, 0
.rept %d
one %%i
.set i, i + 1
.endr
"""


def large_program(bench, functions, size):
    """The file, or None with the reason."""
    source, path = bench.write("large.s", SOURCE % (size - 1, functions)), os.path.join(bench.work, "large.so")
    got = subprocess.run(["cc", "-nostdlib", "-shared", "-o", path, source], capture_output=True, text=True, timeout=600)
    return (path, "") if got.returncode == 0 else (None, got.stderr.strip().splitlines()[-1] if got.stderr else "cc failed")


def measured(bench, path):
    command = [bench.tool("symbolize"), path, str(FRAMES)]
    got = [subprocess.run(command, capture_output=True, text=True, timeout=120).stdout for _ in range(bench.rounds)]
    found = [re.match(r"ms (\S+) named (\d+) kb (\d+)", x) for x in got]
    return median([float(m[1]) for m in found]), min(int(m[2]) for m in found), median([int(m[3]) for m in found]) / 1024


def names(bench):
    for functions, size in SHAPES:
        yield from names_in(bench, functions, size)


def names_in(bench, functions, size):
    path, why = large_program(bench, functions, size)
    what = f"100,000 names, {functions:,} functions"
    if not path:
        yield Row(17, what, "ms", None, "", None, "<= 1,000 ms", note=why)
        return
    ms, named, mb = measured(bench, path)
    note = f"{os.path.getsize(path) >> 20} MB" + ("" if named >= FRAMES * 0.99 else f"; {FRAMES - named} without a name")
    yield Row(17, what, "ms", ms, "", None, "<= 1,000 ms", lambda a, p: a <= 1000, note)
    yield Row(17, "their memory", "MB", mb, "", None, "<= 32 MB", lambda a, p: a <= 32, "pages of the file included")
    os.unlink(path)
