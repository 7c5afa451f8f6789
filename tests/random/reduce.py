#!/usr/bin/python3
"""Makes a failing random program small.

    reduce.py random_programs WORD SEED [--load | --emulate]     (or a script instead of the seed)

Takes lines, then blocks, then parenthesised expressions out, as long as the program still fails and WORD is in
what random_programs says about it. Prints what is left."""
import re
import subprocess
import sys
import tempfile


def output(runner, text, mode):
    with tempfile.NamedTemporaryFile("w", suffix=".bt") as f:
        f.write(text)
        f.flush()
        cmd = [runner, "--rejects", *mode] + [f.name]
        try:
            r = subprocess.run(cmd, capture_output=True, text=True, errors="replace", timeout=5)
        except subprocess.TimeoutExpired:  # what was taken out ended a loop
            return ""
        return r.stdout + r.stderr


def closing(text, at):
    """Where the bracket at `at` is closed."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    stack = []
    for i in range(at, len(text)):
        if text[i] in pairs:
            stack.append(pairs[text[i]])
        elif stack and text[i] == stack[-1]:
            stack.pop()
            if not stack:
                return i
    return -1


def lines_out(text):
    lines = text.split("\n")
    size = len(lines) // 2
    while size:
        for i in range(0, len(lines), size):
            yield "\n".join(lines[:i] + lines[i + size:])
        size //= 2


def blocks_out(text):
    for m in re.finditer(r"\{\n", text):
        end = closing(text, m.start())
        if end < 0:
            continue
        start = text.rfind("\n", 0, m.start()) + 1
        yield text[:start] + text[end + 1:].lstrip("\n")
        yield text[:start] + text[m.end():end] + text[end + 1:]
    for m in re.finditer(r"\} else \{\n", text):
        end = closing(text, m.end() - 2)
        yield text[:m.start() + 1] + text[end + 1:]


def parts(inner):
    """Operands of an expression at its outermost level."""
    depth = 0
    start = 0
    for i, c in enumerate(inner):
        depth += c in "([{"
        depth -= c in ")]}"
        if depth == 0 and c in " ,":
            yield inner[start:i].strip(" ,;")
            start = i
    yield inner[start:].strip(" ,;")


def expressions_out(text):
    for m in re.finditer(r"[({]", text):
        end = closing(text, m.start())
        if end < 0 or "\n" in text[m.start():end]:
            continue
        for new in ["1", "$i0"] + [p for p in parts(text[m.start() + 1:end]) if p]:
            if len(new) < end - m.start():
                yield text[:m.start()] + new + text[end + 1:]
    for m in re.finditer(r", [^,()]*(?=[,)])", text):
        yield text[:m.start()] + text[m.end():]


def main():
    runner, word, what = sys.argv[1:4]
    mode = [a for a in sys.argv[4:] if a.startswith("--")]
    if what.isdigit():
        shown = subprocess.run([runner, "--print", "--from", what, "--count", "1", *mode],
                               capture_output=True, text=True, errors="replace").stdout
        text = shown.split("\n\n")[0]
    else:
        text = open(what).read()
    tries = 0
    again = True
    while again:
        again = False
        for how in (lines_out, blocks_out, expressions_out):
            changed = True
            while changed:
                changed = False
                for new in how(text):
                    tries += 1
                    if tries > 4000:
                        print(text)
                        return
                    out = output(runner, new, mode)
                    if word in out:
                        text = new
                        changed = again = True
                        break
    print(text)


main()
