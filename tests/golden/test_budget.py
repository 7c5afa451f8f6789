"""Size budgets: how many instructions typical scripts compile to.

budget.txt has a line `COUNT NAME SCRIPT` for each. A program may become smaller, never larger without
somebody noticing: after a change that is worth its instructions write the file anew with
`AWL_BLESS=1 pytest tests/golden` and say why in the commit. The counts are for a kernel with BTF and all
features that the scripts' line names; on others the tests are skipped.
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
BUDGET = HERE / "budget.txt"
LINES = [line.split(None, 2) for line in BUDGET.read_text().splitlines() if line and line[0] != "#"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/sys/kernel/btf/vmlinux"), reason="needs root and BTF")


def count(script):
    run = subprocess.run([AWL, "-d", "bpf", "--no-warnings", "-e", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return len(re.findall(r"^ *\d+: \([0-9a-f]{2}\)", run.stdout, re.M))


@pytest.mark.parametrize("budget,name,script", LINES, ids=[line[1] for line in LINES])
def test_budget(budget, name, script):
    if os.environ.get("AWL_BLESS"):
        return
    assert count(script) <= int(budget), f"{name} has grown; awl -d bpf -e '{script}'"


@pytest.mark.skipif(not os.environ.get("AWL_BLESS"), reason="only writes budget.txt")
def test_bless():
    head = [line for line in BUDGET.read_text().splitlines() if line.startswith("#")]
    rows = [f"{count(script):5} {name:18} {script}" for _, name, script in LINES]
    BUDGET.write_text("\n".join(head + rows) + "\n")
