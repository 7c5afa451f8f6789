"""A few hundred generated Go functions: the values that awl shows are those that the program logs itself.

What awl marks as cut or unreadable (memory that the program has not touched yet) may stand for anything, in few lines;
everything else is compared."""
import os
import re
import shutil
import subprocess

import pytest

import go_functions

pytestmark = pytest.mark.skipif(not shutil.which("go"), reason="no Go toolchain")

COUNT = 150
WAYS = {"optimised": (), "not optimised": ("-gcflags=-N -l",)}


def build(directory, source, *flags):
    (directory / "main.go").write_text(source)
    subprocess.run(["go", "build", *flags, "-o", directory / "program", directory / "main.go"], check=True, timeout=500,
                   stdin=subprocess.DEVNULL, env=dict(os.environ, GO111MODULE="off", GOCACHE=str(directory / "cache")))
    return str(directory / "program")


def script(program, shapes):
    text = "config = { go_value_size = 8192; go_max_elems = 32 }\n"
    for n, (name, params, results) in enumerate(shapes):
        form = "|".join(["%v"] * params)
        args = ", ".join(f"args.p{i}" for i in range(params))
        text += f'go:{program}:"main.{name}" {{ printf("awl call {n} {form}\\n", {args}); }}\n'
        form = "|".join(["%v"] * results)
        args = ", ".join(f"retval.{i}" for i in range(results)) if results > 1 else "retval"
        if results:
            text += f'goret:{program}:"main.{name}" {{ printf("awl ret {n} {form}\\n", {args}); }}\n'
    return text


def by_function(lines):
    """ "call 7" → what was told of it, in order."""
    told = {}
    for line in lines:
        word, n, text = (line + " ").split(" ", 2)
        told.setdefault((word, n), []).append(text[:-1])
    return told


MARKS = re.compile(r"\(unreadable\)|\.\.\.(?:\d+ more)?|\*[\w./]+\(0x[0-9a-f]+\)")


def is_same(want, have):
    """A mark, or a pointer whose target did not fit, stands for anything."""
    return re.fullmatch(".*".join(re.escape(part) for part in MARKS.split(have)), want) is not None


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("seed", [1, 2])
def test_values_are_those_that_the_program_logs(awl, tmp_path, seed, way):
    source, shapes = go_functions.make(seed, COUNT)
    program = build(tmp_path, source, *WAYS[way])
    (tmp_path / "all.bt").write_text(script(program, shapes))
    r = awl("-q", "-c", program, str(tmp_path / "all.bt"), timeout=300)
    assert r.code == 0 and "done" in r.lines, r.err[-3000:]
    want = by_function(line for line in r.lines if line.startswith(("call ", "ret ")))
    have = by_function(line[4:] for line in r.lines if line.startswith("awl "))
    assert {k: len(v) for k, v in want.items()} == {k: len(v) for k, v in have.items()}
    pairs = [(k, w, h) for k in want for w, h in zip(want[k], have[k])]
    wrong = [pair for pair in pairs if not is_same(*pair[1:])]
    assert not wrong, wrong[:5]
    marked = sum(w != h for _, w, h in pairs)
    assert len(pairs) > 2 * COUNT and marked * 20 < len(pairs), (marked, len(pairs))
