"""Functions that the compiler has put into their callers stand in stacks as the Go runtime has them in its own."""
import json
import os
import pathlib
import re

import pytest
from go_program import build, needs_go, release

SOURCE = pathlib.Path(__file__).parent / "targets" / "tracebacks.go"
WAYS = {"optimised": (), "stripped": ("-ldflags=-s -w",), "position-independent": ("-buildmode=pie", "-ldflags=-s -w"),
        "not optimised": ("-gcflags=-l",)}

pytestmark = [needs_go, pytest.mark.skipif(release() < 18, reason="Go 1.18 is the first to tell in this form")]


@pytest.fixture(scope="module", params=list(WAYS))
def inlined(request, tmp_path_factory):
    return build(tmp_path_factory.mktemp("inlined"), SOURCE, *WAYS[request.param])


@pytest.fixture(scope="module")
def stripped(tmp_path_factory):
    return build(tmp_path_factory.mktemp("inlined"), SOURCE, *WAYS["stripped"])


def logged(lines):
    """The stacks that the program told, one list of names each."""
    return [line.split()[1:] for line in lines if line.startswith("stack ")]


def shown(text):
    """The stacks that awl printed behind `at`. The symbol table tells the convention of assembly in its names."""
    return [re.findall(r"^\s+(\S+?)(?:\.abi0)?(?:\+\d+| \(inlined\))$", block.split("end")[0], re.M) for block in text.split("at\n")[1:]]


@pytest.mark.parametrize("probe", ["go", "goret"])
def test_stacks_are_those_of_the_runtime(awl, inlined, probe):
    """Calls into calls into calls, function literals, methods, recursion, goroutines: name by name."""
    r = awl("-q", "-e", f'{probe}:{inlined}:"main.deep" {{ printf("at%send\\n", gostack); }}', "-c", inlined, timeout=120)
    assert r.code == 0 and any(line.startswith("sum ") for line in r.lines), r
    want, have = logged(r.lines), shown(r.out)
    assert len(want) == 7 and sorted(have) == sorted(want), r


def test_a_file_that_others_can_write(awl, stripped):
    """A process without rights parses it; the names are the same."""
    os.chown(stripped, 65534, 65534)
    try:
        r = awl("-q", "-e", f'go:{stripped}:"main.deep" {{ printf("at%send\\n", gostack); }}', "-c", stripped, timeout=120)
    finally:
        os.chown(stripped, 0, 0)
    assert len(shown(r.out)) == 7 and sorted(shown(r.out)) == sorted(logged(r.lines)), r
    assert "        main.leaf (inlined)" in r.lines, r


def test_in_other_forms(awl, stripped):
    """As JSON, as perf has stacks, root first, in a format of the script's, in profiles."""
    stack = f'go:{stripped}:"main.deep" /arg0 == 7/'
    r = awl("-q", "-f", "ndjson", "-e", f"{stack} {{ @ = gostack; }}", "-c", stripped, timeout=120)
    rows = [json.loads(line) for line in r.lines if line.startswith("{")]
    frames = [row["entries"][0]["value"] for row in rows if row["type"] == "map"][0]
    assert [f["symbol"] for f in frames][:2] == ["main.deep", "main.leaf"], r
    assert frames[1] == {"address": frames[2]["address"], "symbol": "main.leaf", "inlined": True, "module": stripped}, r
    r = awl("-q", "-e", f'{stack} {{ @[ustack(perf)] = count(); }}', "-c", stripped, timeout=120)
    assert re.search(r"^\t[0-9a-f]+ main\.leaf \(inlined\) \(" + re.escape(stripped) + r"\)$", r.out, re.M), r
    r = awl("-q", "-e", f'config = {{ stack_root_first = true }} {stack} {{ @[gostack] = count(); }}', "-c", stripped, timeout=120)
    order = re.findall(r"^\s+(main\.\S+?)(?:\+\d+| \(inlined\))$", r.out, re.M)
    assert order[-2:] == ["main.leaf", "main.deep"], r
    r = awl("-q", "-e", f'config = {{ stack_frame = "<%n%o>" }} {stack} {{ @[gostack] = count(); }}', "-c", stripped, timeout=120)
    assert "<main.leaf>" in r.out and re.search(r"<main\.deep\+0x[0-9a-f]+>", r.out), r
    r = awl("-q", "-f", "folded", "-e", f"{stack} {{ @[gostack] = count(); }}", "-c", stripped, timeout=120)
    assert re.search(r"main\.leaf;main\.deep 1$", r.out, re.M), r
