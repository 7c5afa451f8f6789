"""500 generated Go functions, and some of net/http and encoding/json: the values that awl shows are those that the program logs itself.

What awl marks as cut or unreadable (memory that the program has not touched yet) may stand for anything, in few lines;
everything else is compared."""
import pathlib
import re

import pytest

import go_functions
import go_program
from go_program import needs_go

pytestmark = needs_go

COUNT = 250  # of each of two seeds
STRIPPED = 100
WAYS = {"optimised": (), "not optimised": ("-gcflags=-N -l",)}


def build(directory, source, *flags):
    (directory / "main.go").write_text(source)
    return go_program.build(directory, directory / "main.go", *flags)


def script(program, shapes, given=False):
    # All that is ever printed has room at once: however late awl gets to read, nothing is lost.
    text = "config = { go_value_size = 8192; go_max_elems = 32; go_max_map_elems = 8; perf_rb_pages = 16384 }\n"
    for n, (name, params, results, signature) in enumerate(shapes):
        name += signature if given else ""
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


MARKS = re.compile(r"\(unreadable\)|\.\.\.(?:\d+ more)?|\*[\w./]+\(0x[0-9a-f]+\)|map\[len=\d+\]")


def is_same(want, have):
    """A mark, or a pointer whose target did not fit, stands for anything."""
    return re.fullmatch(".*".join(re.escape(part) for part in MARKS.split(have)), want) is not None


def pairs_of(awl, tmp_path, program, text):
    """What the program logs, and what awl shows; all that differs by more than marks is a mistake."""
    (tmp_path / "all.bt").write_text(text)
    told = tmp_path / "told"  # a file of its own: in one pipe with the program's, long lines are torn
    r = awl("-q", "-o", str(told), "-c", program, str(tmp_path / "all.bt"), timeout=400)
    assert r.code == 0 and "done" in r.lines and "Lost" not in r.err, r.err[-3000:]
    want = by_function(line for line in r.lines if line.startswith(("call ", "ret ")))
    have = by_function(line[4:] for line in told.read_text(errors="replace").split("\n") if line.startswith("awl "))
    assert {k: len(v) for k, v in want.items()} == {k: len(v) for k, v in have.items()}
    pairs = [(k, w, h) for k in want for w, h in zip(want[k], have[k])]
    wrong = [pair for pair in pairs if not is_same(*pair[1:])]
    assert not wrong, wrong[:5]
    return pairs


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("seed", [1, 2])
def test_values_are_those_that_the_program_logs(awl, tmp_path, seed, way):
    source, shapes = go_functions.make(seed, COUNT)
    program = build(tmp_path, source, *WAYS[way])
    pairs = pairs_of(awl, tmp_path, program, script(program, shapes))
    marked = sum(w != h for _, w, h in pairs)
    assert len(pairs) > 2 * COUNT and marked * 20 < len(pairs), (marked, len(pairs))


@pytest.mark.parametrize("mode", [(), ("-buildmode=pie",)])
def test_types_in_the_probe_stand_for_those_of_a_stripped_program(awl, tmp_path, mode):
    """What an error is remains its type and address, and a map its length: these are the lines with marks."""
    source, shapes = go_functions.make(3, STRIPPED)
    program = build(tmp_path, source, "-ldflags=-s -w", *mode)
    pairs = pairs_of(awl, tmp_path, program, script(program, shapes, given=True))
    plain = [w == h for _, w, h in pairs if not re.search(r"boom|wrapped|open /x|map\[[^]]", w)]
    assert len(pairs) > 2 * STRIPPED and len(plain) * 2 > len(pairs) and plain.count(False) * 20 < len(plain), len(pairs)


LIBRARY = r"""
go:BIN:"encoding/json.Unmarshal" { @text[goid] = args.data.len; }
goret:BIN:"encoding/json.Unmarshal" { printf("have Unmarshal [%d %d %d %d]|%d|%v\n", *(uint8 *)args.data.array,
    *((uint8 *)args.data.array + 1), *((uint8 *)args.data.array + 2), *((uint8 *)args.data.array + 3), @text[goid], retval); }
goret:BIN:"encoding/json.Marshal" { printf("have Marshal %d|[%d %d %d %d]|%v\n", retval.0.len, *(uint8 *)retval.0.array,
    *((uint8 *)retval.0.array + 1), *((uint8 *)retval.0.array + 2), *((uint8 *)retval.0.array + 3), retval.1); }
goret:BIN:"encoding/json.Indent" { printf("have Indent %v|%s|%s|%v\n", args.src, args.prefix, args.indent, retval); }
goret:BIN:"net/http.NewRequestWithContext" { printf("have NewRequestWithContext %s|%s|%v\n", args.method, args.url, retval.1); }
goret:BIN:"net/http.(*Request).Cookie" /retval.1 == nil/ { printf("have Cookie %s|%s|%v\n", args.name, retval.0.Value, retval.1); }
goret:BIN:"net/http.(*Request).Cookie" /retval.1 != nil/ { printf("have Cookie %s||%v\n", args.name, retval.1); }
goret:BIN:"net/http.(*Request).FormValue" { printf("have FormValue %s|%s\n", args.key, retval); }
goret:BIN:"net/http.(*Request).BasicAuth" { printf("have BasicAuth %s|%s|%s|%v\n", args.r.Method, retval.0, retval.1, retval.2); }
goret:BIN:"net/http.ParseHTTPVersion" { printf("have ParseHTTPVersion %s|%d|%d|%v\n", args.vers, retval.0, retval.1, retval.2); }
goret:BIN:"net/http.DetectContentType" { printf("have DetectContentType %v|%s\n", args.data, retval); }
goret:BIN:"net/http.ParseTime" { printf("have ParseTime %s|%v\n", args.text, retval.0); }
"""


def test_functions_of_the_standard_library(awl, tmp_path):
    source = pathlib.Path(__file__).parent / "targets" / "library.go"
    program = build(tmp_path, source.read_text())
    r = awl("-q", "-e", LIBRARY.replace("BIN", program), "-c", program, timeout=200)
    assert r.code == 0 and "done" in r.lines, r
    want, have = ([line[5:] for line in r.lines if line.startswith(word)] for word in ("want ", "have "))
    assert have == want and len(want) >= 20, r
