"""Strings in memory that is not there when a probe reads it: counted, and told from empty ones when the script wants it."""
import shutil
import subprocess

import pytest

CC = shutil.which("cc")

pytestmark = pytest.mark.skipif(not CC, reason="no C compiler")

# A page of a file that is mapped and not touched yet, the same page afterwards, an empty string, no string, no memory.
SOURCE = r"""
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
__attribute__((noinline)) void take(const char *s) { __asm__ volatile("" :: "r"(s) : "memory"); }
int main(int argc, char **argv)
{
    int fd = open(argv[1], O_RDONLY);
    volatile char *p = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    take((char *)p);
    (void)p[0];
    take((char *)p);
    volatile char none[1] = {0};
    take((char *)none);
    take(0);
    take((char *)0x1234);
    return 0;
}
"""


@pytest.fixture
def target(tmp_path):
    (tmp_path / "late.c").write_text(SOURCE)
    (tmp_path / "text").write_text("text of a file\0")
    subprocess.run([CC, "-O1", "-o", tmp_path / "late", tmp_path / "late.c"], check=True)
    return str(tmp_path / "late"), f"{tmp_path}/late {tmp_path}/text"


def run(awl, target, script):
    r = awl("-e", script.replace("BIN", target[0]), "-c", target[1])
    assert r.code == 0, r
    return r


def test_unreadable_strings_are_counted(awl, target):
    r = run(awl, target, 'uprobe:BIN:take { printf("<%s>\\n", str(arg0)); }')
    assert [x for x in r.lines if x.startswith("<")] == ["<>", "<text of a file>", "<>", "<>", "<>"], r
    assert "3 reads of the target's memory failed" in r.err, r


def test_unreadable_strings_are_marked(awl, target):
    """An empty string and none at all are empty; two pages that are not there say so."""
    r = run(awl, target, 'config = { str_unreadable = "<?>" } uprobe:BIN:take { printf("%s;\\n", str(arg0)); }')
    assert [x for x in r.lines if x.endswith(";")] == ["<?>;", "text of a file;", ";", ";", "<?>;"], r


def test_marks_are_values(awl, target):
    """In keys, of strings whose length is known when the probe is hit, and cut to what there is room for."""
    r = run(awl, target, 'config = { str_unreadable = "unreadable" } uprobe:BIN:take { @[str(arg0)] = count(); @b[str(arg0, 2 + pid % 1)] = count(); '
                         '@c[str(arg0, 4)] = count(); if (str(arg0) == "unreadable") { @n = count(); } }')
    for line in ("@[unreadable]: 2", "@[text of a file]: 1", "@[]: 2", "@n: 2"):
        assert line in r.lines, r
    assert "@c[unre]: 2" in r.lines or "@c[unr]: 2" in r.lines, r


def test_the_mark_from_the_environment(awl, target):
    r = awl("-e", f'uprobe:{target[0]}:take {{ @[str(arg0)] = count(); }}', "-c", target[1], env={"AWL_STR_UNREADABLE": "?"})
    assert "@[?]: 2" in r.lines and "@[]: 2" in r.lines, r
