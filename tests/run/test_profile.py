"""Profiles: maps keyed by stacks as folded stacks, flame graphs, and in the forms of other profilers."""
import gzip
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

CXX = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
pytestmark = pytest.mark.skipif(not CXX, reason="no C++ compiler")
SVG = "{http://www.w3.org/2000/svg}"

SOURCE = """
#define FN __attribute__((noinline,noclone))
#define TAIL __asm__ volatile("")
extern "C" FN void work(long) { TAIL; }
template <class T> FN void cart(T n) { work((long)n); TAIL; }
extern "C" FN void few(void) { cart<int>(1); TAIL; }
extern "C" FN void many(void) { for (int i = 0; i < 3; i++) cart<char>(2); TAIL; }
int main(void) { few(); many(); TAIL; return 0; }
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    at = tmp_path_factory.mktemp("profile")
    (at / "shop.cc").write_text(SOURCE)
    subprocess.run([CXX, "-O1", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-o", at / "shop",
                    at / "shop.cc"], check=True)
    return at / "shop"


@pytest.fixture
def profile(awl, program, tmp_path):
    """profile(form, body of the probe): the document's bytes, and what awl said."""
    def run(form, body, *args, extra=""):
        out = tmp_path / ("profile." + form)
        r = awl("-f", form, "-o", out, *args, "-e", f"uprobe:{program}:work {{ {body} }} {extra}", "-c", program)
        assert r.code == 0, r
        return out.read_bytes(), r
    return run


def test_folded(profile):
    out, r = profile("folded", "@[comm, ustack(4)] = count(); @plain[comm] = count(); printf(\"hit\\n\");")
    assert out.decode().splitlines() == ["shop;main;few;void cart<int>(int);work 1",
                                         "shop;main;many;void cart<char>(char);work 3"]
    assert r.err.count("hit\n") == 4 and "@plain[shop]: 4" in r.err and r.out == "", r


def test_several_maps_have_roots(profile):
    out, _ = profile("folded", "@a[ustack(1)] = count(); @b[ustack(2), 7] = sum(10);")
    assert out.decode().splitlines() == ["@a;work 4", "@b;7;void cart<char>(char);work 30",
                                         "@b;7;void cart<int>(int);work 10"]


def test_last_print_counts(profile):
    out, _ = profile("folded", "@[ustack(1)] = count();", extra="end { print(@); clear(@); }")
    assert out.decode() == "work 4\n"


def test_values_without_number_are_told(profile):
    out, r = profile("folded", "@[ustack(1)] = hist(1);")
    assert out == b"" and "@ is not in the profile: its values are no numbers" in r.err, r
    assert "the profile is empty" in r.err, r


def test_flame_graph(profile, tmp_path):
    out, _ = profile("svg", "@[ustack(3)] = count();")
    root = ElementTree.fromstring(out)
    frames = {}
    for g in root.iter(SVG + "g"):
        rect, title = g.find(SVG + "rect"), g.find(SVG + "title")
        if rect is not None:
            frames.setdefault(title.text, []).append((float(rect.get("x")), float(rect.get("width")),
                                                      float(rect.get("y"))))
    assert frames["all (4, 100.00%)"][0][:2] == (0, 1200)
    few, many = frames["few (1, 25.00%)"][0], frames["many (3, 75.00%)"][0]
    assert few[:2] == (0, 300) and many[:2] == (300, 900) and few[2] == many[2]
    assert frames["void cart<int>(int) (1, 25.00%)"][0][2] < few[2], "callees are above"
    assert sum(w for _, w, _ in frames["work (1, 25.00%)"] + frames["work (3, 75.00%)"]) == 1200
    assert b"cart<int>" not in out and b"href" not in out and out.count(b"http") == out.count(b"http://www.w3.org/")


# What the script does, in a document of just the elements that it uses.
DOM = r"""
const fs = require('fs'), text = fs.readFileSync(process.argv[2], 'utf8');
const un = s => s.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&quot;/g, '"').replace(/&amp;/g, '&');
class El {
  constructor(attrs = {}, textContent = '') { this.a = attrs; this.textContent = textContent; this.style = {};
    this.on = {}; this.classes = new Set();
    this.classList = {toggle: (c, yes) => { yes ? this.classes.add(c) : this.classes.delete(c); }}; }
  getAttribute(n) { return this.a[n]; } setAttribute(n, v) { this.a[n] = String(v); }
  addEventListener(n, f) { this.on[n] = f; } querySelector(n) { return this.kids[n]; }
}
const groups = [...text.matchAll(/<g><title>(.*?)<\/title><rect x="(.*?)" y="(.*?)" width="(.*?)".*?<text.*?>(.*?)<\/text>/g)]
  .map(m => { const g = new El(); g.kids = {title: new El({}, un(m[1])), rect: new El({x: m[2], y: m[3], width: m[4]}),
    text: new El({}, un(m[5]))}; return g; });
const byId = {}; for (const n of ['search', 'reset', 'found', 'about']) byId[n] = new El();
globalThis.document = {getElementById: n => byId[n], querySelectorAll: () => groups};
globalThis.window = new El(); globalThis.prompt = () => process.argv[3];
(0, eval)(text.match(/CDATA\[([\s\S]*)\]\]>/)[1]);
const show = () => groups.filter(g => g.style.display !== 'none').map(g =>
  `${g.kids.title.textContent}: ${(+g.kids.rect.a.x).toFixed(0)} ${(+g.kids.rect.a.width).toFixed(0)}`).sort();
groups.find(g => g.kids.title.textContent.startsWith('many')).on.click();
const zoomed = show();
window.on.keydown({key: '/', preventDefault() {}});
console.log(JSON.stringify({zoomed, found: byId.found.textContent, reset: byId.reset.style.display,
  hits: groups.filter(g => g.classes.has('hit')).map(g => g.kids.title.textContent)}));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
def test_flame_graph_zooms_and_searches(profile, tmp_path):
    out, _ = profile("svg", "@[ustack(3)] = count();")
    (tmp_path / "dom.js").write_text(DOM)
    (tmp_path / "graph.svg").write_bytes(out)
    p = subprocess.run(["node", tmp_path / "dom.js", tmp_path / "graph.svg", "cart<INT"], capture_output=True, text=True)
    assert p.returncode == 0, p.stderr
    got = json.loads(p.stdout)
    assert got["zoomed"] == ["all (4, 100.00%): 0 1200", "many (3, 75.00%): 0 1200",
                             "void cart<char>(char) (3, 75.00%): 0 1200", "work (3, 75.00%): 0 1200"]
    assert got["hits"] == ["void cart<int>(int) (1, 25.00%)"] and got["found"] == "1 frames, 25.00%"
    assert got["reset"] == ""


def test_speedscope(profile, program):
    out, _ = profile("speedscope", "@[ustack(2)] = count();")
    doc = json.loads(out)
    frames, (one,) = doc["shared"]["frames"], doc["profiles"]
    got = {tuple(frames[i]["name"] for i in s): w for s, w in zip(one["samples"], one["weights"])}
    assert got == {("void cart<int>(int)", "work"): 1, ("void cart<char>(char)", "work"): 3}
    assert (one["type"], one["name"], one["endValue"]) == ("sampled", "@", 4)
    assert {f["file"] for f in frames} == {str(program)}


def fields(data):
    """A protocol buffer: {field: [numbers and bytes]}."""
    def varint(i):
        v = shift = 0
        while True:
            v |= (data[i] & 127) << shift
            shift, i = shift + 7, i + 1
            if data[i - 1] < 128:
                return v, i
    out, i = {}, 0
    while i < len(data):
        tag, i = varint(i)
        v, i = varint(i)
        if tag & 7 == 2:
            v, i = data[i:i + v], i + v
        else:
            assert tag & 7 == 0
        out.setdefault(tag >> 3, []).append(v)
    return out


def test_pprof(profile, program, tmp_path):
    out, _ = profile("pprof", "@n[comm, ustack(2)] = count(); @s[ustack(1)] = sum(5);")
    doc = fields(gzip.decompress(out))
    strings = [s.decode() for s in doc[6]]
    names = {f[1][0]: strings[f[2][0]] for f in map(fields, doc[5])}
    files = {m[1][0]: strings[m[5][0]] for m in map(fields, doc[3])}
    places = {p[1][0]: names[fields(p[4][0])[1][0]] for p in map(fields, doc[4])}
    assert strings[0] == "" and set(files.values()) == {str(program)}
    assert [strings[fields(t)[1][0]] for t in doc[1]] == ["@n", "@s"]
    got = sorted((tuple(places[i] for i in s[1]), tuple(s[2])) for s in map(fields, doc[2]))
    assert got == [(("work",), (0, 20)), (("work", "void cart<char>(char)"), (3, 0)),
                   (("work", "void cart<int>(int)"), (1, 0))]
    label = fields(fields(doc[2][0])[3][0])
    assert strings[label[1][0]] == "key" and strings[label[2][0]] == "shop"


@pytest.mark.skipif(not shutil.which("go"), reason="no go tool pprof")
def test_pprof_is_read_by_its_tool(profile, tmp_path):
    out, _ = profile("pprof", "@[ustack(4)] = count();")
    (tmp_path / "p").write_bytes(out)
    p = subprocess.run(["go", "tool", "pprof", "-top", tmp_path / "p"], capture_output=True, text=True,
                       env={"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tmp_path)})
    if "no such tool" in p.stderr:
        pytest.skip("no go tool pprof")
    assert re.search(r"^\s+4\s+100%\s+100%\s+4\s+100%\s+work$", p.stdout, re.M), p.stdout + p.stderr
    assert re.search(r"\s3 75.00%\s+many$", p.stdout, re.M), p.stdout


def test_perfetto(profile):
    out, _ = profile("perfetto", "@[ustack(2)] = count();")
    (packet,) = fields(out)[1]
    dump = fields(fields(packet)[37][0])
    strings = {s[1][0]: s[2][0].decode() for s in map(fields, dump[1])}
    names = {f[1][0]: strings[f[2][0]] for f in map(fields, dump[2])}
    maps = {m[1][0] for m in map(fields, dump[4])}
    stacks = {c[1][0]: tuple(names[i] for i in c[2]) for c in map(fields, dump[3])}
    assert all(fields(f)[3][0] in maps for f in dump[2])
    (process,) = map(fields, dump[5])
    got = {stacks[s[1][0]]: (s[2][0], s[5][0]) for s in map(fields, process[2])}
    assert got == {("void cart<int>(int)", "work"): (1, 1), ("void cart<char>(char)", "work"): (3, 3)}
    assert process[1][0] > 1 and process[11] == [b"@"]


def test_kernel_frames_stand_above(awl, tmp_path):
    out = tmp_path / "o"
    awl("-f", "folded", "-o", out, "-e",
        "rawtracepoint:sys_enter /pid == cpid/ { @[kstack(1), ustack(raw, 1)] = count(); }", "-c", "/bin/true")
    lines = out.read_text().splitlines()
    assert lines and all(re.fullmatch(r"0x[0-9a-f]+;.+_\[k\] \d+", line) for line in lines), lines


def test_format_must_exist(awl):
    r = awl("-f", "flame", "-e", "begin { exit(); }")
    assert r.code == 1 and "not one of text, json, ndjson, folded, svg, speedscope, pprof, perfetto" in r.err, r
