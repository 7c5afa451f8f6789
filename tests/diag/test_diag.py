"""One script for each diagnostic: what awl says about it, byte for byte.

    E0205-unknown-field.bt     the script
    E0205-unknown-field.err    what `awl -q --dry-run` prints about it

The code in the file's name must be among the messages, and every code has a file. A first line
`// options: --no-feature X` is more for the command line; `// hidden: /sys/kernel/btf` runs awl where
that folder is empty. After a deliberate change of a text, write the files anew with
`AWL_BLESS=1 pytest tests/diag` and read the difference.
"""
import os
import pathlib
import re
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build-check"))
AWL = os.environ.get("AWL", str(BUILD / "src/cli/awl"))
SCRIPTS = sorted(HERE.glob("*.bt"))

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


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_diagnostic(script):
    run = subprocess.run(command(script), cwd=HERE, env=environment(), text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    code = script.name.split("-")[0]
    expected = script.with_suffix(".err")

    assert f"[{code}]" in run.stdout, run.stdout
    assert run.returncode == (1 if code[0] == "E" else 0), run.stdout
    if os.environ.get("AWL_BLESS"):
        expected.write_text(run.stdout)
    assert run.stdout == expected.read_text()


def test_every_code_has_a_script():
    codes = set(re.findall(r'"([EW]\d{4})"', (ROOT / "src/base/diag.def").read_text()))
    assert codes == {script.name.split("-")[0] for script in SCRIPTS}


def test_every_code_is_reported_somewhere():
    names = re.findall(r"^DIAG\((\w+)", (ROOT / "src/base/diag.def").read_text(), re.M)
    source = "".join(p.read_text() for p in (ROOT / "src").rglob("*.c"))
    assert [name for name in names if not re.search(rf"\b{name}\b", source)] == []
