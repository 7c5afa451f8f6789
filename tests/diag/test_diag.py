"""One script for each diagnostic: what awl says about it, byte for byte.

    E0205-unknown-field.bt     the script
    E0205-unknown-field.err    what `awl -q --dry-run` prints about it

The code in the file's name must be among the messages. After a deliberate change of a text, write
the files anew with `AWL_REGEN=1 pytest tests/diag` and read the difference.
"""
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build-check"))
AWL = os.environ.get("AWL", str(BUILD / "src/cli/awl"))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def environment():
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWL_", "BPFTRACE_"))}
    return env | {"LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize("script", sorted(HERE.glob("*.bt")), ids=lambda p: p.stem)
def test_diagnostic(script):
    run = subprocess.run([AWL, "-q", "--dry-run", script.name], cwd=HERE, env=environment(), text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    code = script.name.split("-")[0]
    expected = script.with_suffix(".err")

    assert f"[{code}]" in run.stdout
    assert run.returncode == (1 if code[0] == "E" else 0), run.stdout
    if os.environ.get("AWL_REGEN"):
        expected.write_text(run.stdout)
    assert run.stdout == expected.read_text()
