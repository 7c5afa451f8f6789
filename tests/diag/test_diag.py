"""One script for each diagnostic: what awl says about it, byte for byte.

    E0205-unknown-field.bt     the script
    E0205-unknown-field.err    what `awl -q --dry-run` prints about it

The code in the file's name must be among the messages, and every code has a file. A first line
`// options: --no-feature X` is more for the command line; `// hidden: /sys/kernel/btf` runs awl where
that folder is empty; `// program: cc -g` builds NAME.c as a program NAME in $PATH, `// program: go build` NAME.go. After a deliberate change of a text, write the files anew with
`AWL_BLESS=1 pytest tests/diag` and read the difference.

panel/ has what users get wrong: NN-NAME.bt, whose first line `// fix: WORDS` tells the words of the message
(NN-NAME.err) that name the way out.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build-check"))
AWL = os.environ.get("AWL", str(BUILD / "src/cli/awl"))
SCRIPTS = sorted(HERE.glob("*.bt"))
PANEL = sorted((HERE / "panel").glob("*.bt"))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def environment():
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWL_", "BPFTRACE_"))}
    return env | {"LC_ALL": "C.UTF-8"}


def command(script):
    words = dict(re.findall(r"^// (options|hidden): (.*)$", script.read_text(), re.M))
    run = [AWL, "-q", "--dry-run", *words.get("options", "").split(), script.name]
    if "hidden" in words:
        hide = f'mount -t tmpfs none {words["hidden"]} && exec "$@"'
        run = ["unshare", "-m", "--propagation", "private", "sh", "-c", hide, "sh", *run]
    return run


def compare(text, expected):
    if os.environ.get("AWL_BLESS"):
        expected.write_text(text)
    assert text == expected.read_text()


def build_program(script, where):
    how = re.search(r"^// program: (.*)$", script.read_text(), re.M)
    if how:
        name = script.stem.split("-", 1)[1]
        source = script.with_suffix(".go" if how[1].startswith("go ") else ".c")
        if not shutil.which(how[1].split()[0]):
            pytest.skip("no compiler")
        subprocess.run([*how[1].split(), "-o", where / name, source], check=True, timeout=300,
                       env=os.environ | {"GO111MODULE": "off", "GOCACHE": str(where / "cache")})
    return {"PATH": f"{where}:{os.environ['PATH']}"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_diagnostic(script, tmp_path):
    run = subprocess.run(command(script), cwd=HERE, env=environment() | build_program(script, tmp_path), text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    code = script.name.split("-")[0]
    assert f"[{code}]" in run.stdout, run.stdout
    assert run.returncode == (1 if code[0] == "E" else 0), run.stdout
    compare(run.stdout, script.with_suffix(".err"))


@pytest.mark.parametrize("script", PANEL, ids=lambda p: p.stem)
def test_a_message_names_the_fix(script):
    run = subprocess.run(command(script), cwd=script.parent, env=environment(), text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    fix = re.match(r"// fix: (.*)\n", script.read_text())[1]
    said = "\n".join(line for line in run.stdout.splitlines() if not re.match(r" *\d+ \|", line))

    assert run.returncode == 1, run.stdout
    assert fix in said, run.stdout  # not only in the quoted line of the script
    compare(run.stdout, script.with_suffix(".err"))


def test_the_panel_is_complete():
    numbers = [int(script.name.split("-")[0]) for script in PANEL]
    assert numbers == list(range(1, len(PANEL) + 1)) and len(PANEL) >= 90


def suggestions(script):
    run = subprocess.run([*command(script)[:1], "--json-diagnostics", *command(script)[1:]], cwd=script.parent,
                         env=environment(), text=True, capture_output=True, timeout=60)
    return [json.loads(line) for line in run.stderr.splitlines()]


@pytest.mark.parametrize("script", PANEL, ids=lambda p: p.stem)
def test_suggestions_are_edits_that_remove_the_error(script, tmp_path):
    """An editor that carries out the edits of a message no longer gets that message there."""
    text = script.read_bytes()
    before = suggestions(script)
    edits = [s for d in before for s in d["suggestions"]]

    assert before and all({"code", "severity", "message", "file", "start", "end"} <= set(d) for d in before)
    if not edits:
        return
    for s in sorted(edits, key=lambda s: -s["start"]):
        text = text[:s["start"]] + s["replacement"].encode() + text[s["end"]:]
    fixed = tmp_path / script.name
    fixed.write_bytes(text)
    first = {(d["code"], d["message"]) for d in before if d["suggestions"]}
    assert not first & {(d["code"], d["message"]) for d in suggestions(fixed)}, text.decode()


def test_every_code_has_a_script():
    codes = set(re.findall(r'"([EW]\d{4})"', (ROOT / "src/base/diag.def").read_text()))
    assert codes == {script.name.split("-")[0] for script in SCRIPTS}


def test_every_code_is_explained():
    codes = re.findall(r'"([EW]\d{4})", \w+, "(.*?)"', (ROOT / "src/base/diag.def").read_text())
    assert codes
    for code, summary in codes:
        run = subprocess.run([AWL, "--explain", code], capture_output=True, text=True)
        lines = run.stdout.splitlines()
        kind = "error" if code[0] == "E" else "warning"
        assert run.returncode == 0 and lines[0] == f"{kind}[{code}]: {summary}" and lines[1].startswith("    "), run
    run = subprocess.run([AWL, "--explain", "E9999"], capture_output=True, text=True)
    assert run.returncode == 1 and "E9999" in run.stderr, run


def test_every_code_is_reported_somewhere():
    names = re.findall(r"^DIAG\((\w+)", (ROOT / "src/base/diag.def").read_text(), re.M)
    source = "".join(p.read_text() for p in (ROOT / "src").rglob("*.c"))
    assert [name for name in names if not re.search(rf"\b{name}\b", source)] == []
