#!/usr/bin/env python3
"""Writes a C program with N functions, f0 … fN-1, each called once by main: for probes by the thousand."""
import sys

n = int(sys.argv[1])
for i in range(n):
    print(f"__attribute__((noinline)) int f{i}(int x);")
    print(f"__attribute__((noinline)) int f{i}(int x) {{ __asm__ volatile(\"\"); return x + {i}; }}")
print("int main(void) { int s = 0;")
for i in range(n):
    print(f"s += f{i}(s);")
print("return s == 42; }")
