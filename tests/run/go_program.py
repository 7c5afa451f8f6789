"""Building the Go programs that the tests trace."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

TARGETS = pathlib.Path(__file__).parent / "targets"

needs_go = pytest.mark.skipif(not shutil.which("go"), reason="no Go toolchain")


def build(directory, source, *flags, name="program", env=None):
    """The program's path. What the compiler keeps goes into the directory as well."""
    program = directory / name
    subprocess.run(["go", "build", *flags, "-o", program, source], check=True, timeout=500, stdin=subprocess.DEVNULL,
                   env=dict(os.environ, GO111MODULE="off", GOCACHE=str(directory / "cache"), **(env or {})))
    return str(program)


def build_target(directory, name, *flags):
    """targets/NAME.go"""
    return build(directory, TARGETS / f"{name}.go", *flags, name=name)


def release():
    """23 of Go 1.23; 0 without Go."""
    if not shutil.which("go"):
        return 0
    return int(re.search(r"go1\.(\d+)", subprocess.run(["go", "version"], capture_output=True, text=True).stdout)[1])
