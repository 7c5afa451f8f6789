"""Function literals: what they have captured is among their arguments."""
import pathlib
import re

import pytest

from go_program import build, needs_go, release

SOURCE = pathlib.Path(__file__).parent / "targets" / "closures.go"
WAYS = {"optimised": (), "not optimised": ("-gcflags=-N -l",), "position-independent": ("-buildmode=pie",)}

pytestmark = needs_go


@pytest.fixture(scope="module", params=list(WAYS))
def closures(request, tmp_path_factory):
    return build(tmp_path_factory.mktemp("closures"), SOURCE, *WAYS[request.param])


def test_what_a_function_literal_has_captured(awl, closures):
    """By value, through a pointer, and by reference: the total is that of before the call, and behind it."""
    if release() < 23:
        pytest.skip("Go 1.23 is the first to tell of it")
    r = awl("-q", "-e", f"""
        go:{closures}:"main.counter.func1" {{ printf("call %s %d %v %d %d\\n", args.name, args.k, args.q, *args.total, args.n); }}
        goret:{closures}:"main.counter.func1" {{ printf("ret %s %d %v %d %d\\n", args.name, args.k, args.q, *args.total, retval); }}
        go:{closures}:"main.counter.func1" {{ print(args); }}""", "-c", closures, timeout=120)
    assert r.code == 0 and "done" in r.lines, r
    calls = [line for line in r.lines if line.startswith("call ")]
    rets = [line for line in r.lines if line.startswith("ret ")]
    before, behind = [0, 0, 1, 3, 6], [0, 1, 3, 6, 10]
    assert calls == [f"call label 7 &{{3 4}} {total} {n}" for n, total in enumerate(before)], r
    assert rets == [f"ret label 7 &{{3 4}} {total} {total + 7 + 5 + 2 + 3 + n * 7}" for n, total in enumerate(behind)], r
    whole = [line for line in r.lines if line.startswith("{n:")]
    assert len(whole) == 5 and all(re.search(r"\bk:7\b", w) and re.search(r"\bname:label\b", w) for w in whole), r


def test_captured_variables_are_no_parameters(awl, closures):
    r = awl("golist", closures, "main.counter.func1")
    assert r.code == 0 and "    func (n int) int" in r.lines, r


def test_older_releases_do_not_tell(awl, closures):
    if release() >= 23:
        pytest.skip("this release tells of it")
    r = awl("-e", f'go:{closures}:"main.counter.func1" {{ print(args.total); }}')
    assert r.code != 0 and "Go 1.23 is the first that tells what a function literal has captured" in r.err, r
