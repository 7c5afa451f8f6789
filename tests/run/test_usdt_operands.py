"""Every form in which a compiler says where an argument is, read from a running program."""
import platform
import subprocess

import pytest
from conftest import run_awl

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="operands of x86-64")

# The argument's description, and the value that the program below has there.
OPERANDS = [
    ("-8@%rax", -3),
    ("4@%ebx", 0x89ABCDEF),
    ("-4@%ebx", 0x89ABCDEF - (1 << 32)),
    ("2@%bx", 0xCDEF),
    ("-2@%bx", 0xCDEF - (1 << 16)),
    ("1@%bl", 0xEF),
    ("1@%bh", 0xCD),
    ("-1@%bh", 0xCD - 256),
    ("8@%r8", 2),
    ("1@%r9b", 0x44),
    ("4@%r9d", 0x11223344),
    ("-4@$-5", -5),
    ("8@$0x10", 16),
    ("8@(%rcx)", 100),
    ("8@8(%rcx)", 101),
    ("8@-8(%rdx)", 101),
    ("8@(%rcx,%r8,8)", 102),
    ("8@8(%rcx,%r8,8)", 103),
    ("-4@usdt_word(%rip)", -77),
    ("4@usdt_word+4(%rip)", 78),
    ("4@4+usdt_word(%rip)", 78),
]


def source(args):
    return f"""
#include <stdio.h>
#include <unistd.h>
long table[4] = {{100, 101, 102, 103}};
__asm__(".data\\n.balign 8\\n.globl usdt_word\\nusdt_word: .long -77, 78\\n.text\\n");
int main(void)
{{
	puts("ready");
	fflush(stdout);
	for (;;) {{
		usleep(1000);
		__asm__ volatile("mov $-3, %%rax; mov $0x89abcdef, %%ebx; mov $2, %%r8d; mov $0x11223344, %%r9d\\n"
				 "lea 16(%%rcx), %%rdx\\n"
				 "990: nop\\n"
				 ".pushsection .note.stapsdt,\\"\\",\\"note\\"\\n.balign 4\\n"
				 ".4byte 992f-991f, 994f-993f, 3\\n991: .asciz \\"stapsdt\\"\\n992: .balign 4\\n"
				 "993: .8byte 990b, _.stapsdt.base, 0\\n"
				 ".asciz \\"forms\\"\\n.asciz \\"all\\"\\n.asciz \\"{args.replace('%', '%%')}\\"\\n"
				 "994: .balign 4\\n.popsection\\n"
				 ".pushsection .stapsdt.base,\\"aG\\",\\"progbits\\",.stapsdt.base,comdat\\n"
				 ".weak _.stapsdt.base\\n.hidden _.stapsdt.base\\n_.stapsdt.base: .space 1\\n.popsection\\n"
				 :: "c"(table) : "rax", "rbx", "rdx", "r8", "r9", "memory");
	}}
}}
"""


def build(place, args, *flags):
    path = place / "forms"
    subprocess.run(["cc", "-O1", *flags, "-x", "c", "-", "-o", str(path)], input=source(args).encode(), check=True)
    return path


@pytest.mark.parametrize("flags", [("-pie", "-fPIE"), ("-no-pie",)], ids=["pie", "fixed"])
def test_values(tmp_path, flags):
    path = build(tmp_path, " ".join(text for text, _ in OPERANDS), *flags)
    prints = "".join(f'printf("%d\\n", arg{i});' for i in range(len(OPERANDS)))
    r = run_awl("-e", f"usdt:{path}:forms:all {{ {prints} exit(); }}", "-c", path)
    got = [int(line) for line in r.lines if line.lstrip("-").isdigit()]
    assert got == [value for _, value in OPERANDS], r


def test_unreadable_are_refused_by_name(tmp_path):
    path = build(tmp_path, "8f@%xmm0 -4@%ebx")
    r = run_awl("-e", f"usdt:{path}:forms:all {{ print(arg0); }}")
    assert r.code == 1 and "arg0" in r.err and "floating-point" in r.err, r
    r = run_awl("-e", f'usdt:{path}:forms:all {{ printf("%d\\n", arg1); exit(); }}', "-c", path)
    assert str(0x89ABCDEF - (1 << 32)) in r.lines, r
    listed = run_awl("-lv", f"usdt:{path}:*").out
    assert "arg0 8f@%xmm0 (floating point" in listed, listed


def test_thread_local_is_refused(tmp_path):
    path = build(tmp_path, "8@%fs:16 8@%rax")
    r = run_awl("-e", f"usdt:{path}:forms:all {{ print(arg0); }}")
    assert r.code == 1 and "arg0" in r.err, r
