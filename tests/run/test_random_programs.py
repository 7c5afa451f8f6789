"""Random programs: accepted by the verifier, and printing what the language says. See tests/random."""
import os
import subprocess

import pytest

BUILD = os.environ.get("BUILD", "build")
RUNNER = os.path.join(BUILD, "tests", "random", "random_programs")


def run(*args):
    r = subprocess.run([RUNNER, *args], capture_output=True, text=True, errors="replace", timeout=300)
    assert r.returncode == 0, r.stdout[-4000:] + r.stderr[-2000:]
    return r.stdout


def test_they_print_what_the_language_says():
    assert "0 failed" in run("--from", "1000000", "--count", "12")


def test_the_emitted_code_computes_what_the_language_says():
    assert "0 failed" in run("--emulate", "--from", "2000000", "--count", "400")


def test_what_is_made_for_the_verifier_computes_the_same():
    assert "0 failed" in run("--emulate", "--thrifty", "--from", "3000000", "--count", "200")


def test_what_the_compiler_accepts_the_verifier_accepts():
    assert "0 failed" in run("--load", "--from", "1000000", "--count", "15")


@pytest.mark.parametrize("seed, why", [
    (5013583, "in a loop over a map, `number += address` made the verifier forget whose stack it is"),
    (5013997, "the byte behind comm in a longer place was left as it was: a pointer"),
])
def test_what_the_verifier_once_refused(seed, why):
    assert "0 failed" in run("--load", "--from", str(seed), "--count", "1"), why


def test_the_same_seed_is_the_same_program():
    assert run("--print", "--from", "5", "--count", "1") == run("--print", "--from", "5", "--count", "1")
