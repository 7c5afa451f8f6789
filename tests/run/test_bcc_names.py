"""bcc's commands on functions whose names are not those that are linked: C++, Rust; and places that are addresses.

bcc takes mangled names only, and shows them."""
import re
import shutil
import subprocess

import pytest

from bcc_commands import CALLS, Command, script_of
from conftest import run_awl

SOURCE = """
#include <stdio.h>
#include <stdlib.h>
#define FUNC __attribute__((noinline))
#define BODY asm volatile("")
namespace ns {
FUNC long f(int n) { BODY; return n + 1; }
FUNC long f(int n, char *s) { BODY; return n + s[0]; }
FUNC long f(const char *s) { BODY; return s[0]; }
FUNC long f(char *s) { BODY; return s[0] + 1; }
struct base { int v; FUNC base(int n) : v(n) { BODY; } FUNC virtual ~base() { BODY; } };
struct made : virtual base { FUNC made(int n) : base(n) { BODY; } };
struct more : made { FUNC more(int n) : base(n), made(n) { BODY; } };
namespace { FUNC long hidden(int n) { BODY; return n; } }
FUNC bool operator<(const base &a, const base &b) { BODY; return a.v < b.v; }
}
FUNC long global(int n) { BODY; return n; }
int main(int argc, char **argv)
{
	long n = atol(argv[1]), sum = 0;
	char s[] = "x";
	for (long i = 0; i < n; i++) {
		ns::made a(i);
		ns::more b(i);
		sum += ns::f(i) + ns::f(i, s) + ns::f((const char *)s) + ns::f(s) + global(i) + ns::hidden(i) + (a < b);
	}
	printf("%ld\\n", sum);
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if not shutil.which("c++"):
        pytest.skip("no C++ compiler")
    at = tmp_path_factory.mktemp("names")
    (at / "names.cc").write_text(SOURCE)
    subprocess.run(["c++", "-O1", "-g", "-o", "names", "names.cc"], cwd=at, check=True)
    return str(at / "names")


def traced(program, *args, n=3):
    with Command(*[str(a).replace("BIN", program) for a in args]) as c:
        subprocess.run([program, str(n)], check=True, stdout=subprocess.DEVNULL)
        r = c.stop()
    assert r.code == 0, r
    return r


def rows(r):
    return dict((name, int(n)) for name, n in re.findall(r"^(\S.*?) +(\d+)$", r.out.split("COUNT\n")[1], re.M))


def events(r):
    return [line.split(None, 3)[3] for line in r.out.splitlines()[1:]]


OVERLOADS = {"ns::f(int)": 3, "ns::f(int, char*)": 3, "ns::f(char const*)": 3, "ns::f(char*)": 3}


def test_shown_as_in_the_source(program):
    assert rows(traced(program, "funccount", "BIN:ns::f")) == OVERLOADS
    assert rows(traced(program, "funccount", "BIN:_ZN2ns1f*")) == OVERLOADS
    assert rows(traced(program, "funccount", "r:BIN:global")) == {"global(int)": 3}
    r = traced(program, "funclatency", "BIN:global")
    assert re.search(r"^Function = global\(int\) \[\d+\]$", r.out, re.M) and "count: 3" in r.out, r
    r = traced(program, "trace", "BIN:_ZN2ns1f*")
    assert sorted({e.strip() for e in events(r)}) == sorted(OVERLOADS), r
    assert "  global(int)\n  main\n" in traced(program, "stackcount", "-U", "BIN:global").out


def test_as_linked_when_asked_for(program):
    assert set(rows(traced(program, "funccount", "-v", "BIN:ns::f"))) == {"_ZN2ns1fEi", "_ZN2ns1fEiPc", "_ZN2ns1fEPKc", "_ZN2ns1fEPc"}


def test_as_linked_where_the_source_has_one_name_for_two(program):
    """A class with virtual bases has two constructors, for itself and as a part of another one."""
    r = traced(program, "funccount", "BIN:ns::made::made")
    assert rows(r) == {"_ZN2ns4madeC1Ei": 3, "_ZN2ns4madeC2Ei": 3}, r


@pytest.mark.parametrize("name", ["ns::f(int, char*)", "ns::f(int,char *)", '"ns::f(int, char*)"', "ns::f( int , char* )"])
def test_an_overload(program, name):
    r = traced(program, "trace", f'BIN:{name} (n > 0) "%d %s %d", n, s, arg1')
    assert [e.split()[-3:] for e in events(r)] == [["1", "x", "1"], ["2", "x", "2"]], r
    r = traced(program, "trace", f'r:BIN:{name} "%d", retval')
    assert [int(e.split()[-1]) for e in events(r)] == [120, 121, 122], r
    r = traced(program, "argdist", "-i", 60, "-C", f"p:BIN:{name}():int:n", "-C", f"r:BIN:{name}:long:retval")
    assert re.findall(r"^\t1 +(?:n|retval) = (\d+)$", r.out, re.M) == ["0", "1", "2", "120", "121", "122"], r


def test_a_pointer_is_no_wildcard(program):
    """f(char*) is not f(char const*)."""
    for name in ("ns::f(char*)", '"ns::f(char*)"'):
        assert rows(traced(program, "funccount", f"BIN:{name}")) == {"ns::f(char*)": 3}
        r = traced(program, "trace", f'r:BIN:{name} "%d", retval')
        assert [int(e.split()[-1]) for e in events(r)] == [121] * 3, r
    assert set(rows(traced(program, "funccount", "BIN:ns::f(char*"))) == {"ns::f(char*)", "ns::f(char const*)"}


def test_brackets_within_names(program):
    assert rows(traced(program, "funccount", "BIN:ns::(anonymous namespace)::hidden")) == {"ns::(anonymous namespace)::hidden(int)": 3}
    r = traced(program, "trace", 'BIN:ns::(anonymous namespace)::hidden(int n) "%d", n')
    assert [e.split()[-1] for e in events(r)] == ["0", "1", "2"], r
    assert rows(traced(program, "funccount", "BIN:ns::operator<")) == {"ns::operator<(ns::base const&, ns::base const&)": 3}


def test_a_signature_is_a_signature(program):
    r = traced(program, "trace", 'BIN:global(int number) "%d", number')
    assert [e.split()[-1] for e in events(r)] == ["0", "1", "2"], r
    r = traced(program, "trace", 'BIN:"ns::f(int)"(int number) (number) "%d", number')
    assert [e.split()[-1] for e in events(r)] == ["1", "2"], r


def test_listed_by_the_name_of_the_source(program):
    def listed(pattern):
        return [line.split(":")[-1] for line in run_awl("-l", f"uprobe:{program}:{pattern}").out.splitlines()]

    assert listed('cpp:"ns::f(int, char*)"') == ["_ZN2ns1fEiPc"] and listed('cpp:"ns::f(char*)"') == ["_ZN2ns1fEPc"]
    assert len(listed('cpp:"ns::f"')) == len(listed('cpp:"ns::f(*"')) == 4


RUST = """
mod shop { #[inline(never)] pub fn add(n: u64) -> u64 { std::hint::black_box(n) + 1 } }
fn main() { println!("{}", shop::add(1) + shop::add(2)); }
"""


@pytest.mark.skipif(not shutil.which("rustc"), reason="no Rust compiler")
def test_rust(tmp_path):
    (tmp_path / "app.rs").write_text(RUST)
    subprocess.run(["rustc", "-g", "-o", "app", "app.rs"], cwd=tmp_path, check=True, timeout=300)
    program = str(tmp_path / "app")
    assert rows(traced(program, "funccount", "BIN:app::shop::add")) == {"app::shop::add": 2}
    r = traced(program, "trace", 'BIN:app::shop::add "%d", arg1')
    assert [e.split() for e in events(r)] == [["app::shop::add", "1"], ["app::shop::add", "2"]], r


def test_an_address_is_a_function_and_an_offset(program):
    table = subprocess.run(["nm", CALLS], capture_output=True, text=True, check=True).stdout
    at = int(re.search(r"^([0-9a-f]+) T tick$", table, re.M).group(1), 16)
    offset = next(n for n in range(1, 32) if run_awl("trace", f"{CALLS}:{at + n:#x}", "--show-script").code == 0)
    for place, name in ((f"{at:#x}", "tick"), (f"{at + offset:#x}", f"tick+{offset}")):
        with Command("funccount", f"{CALLS}:{place}") as c:
            subprocess.run([CALLS, "4"], check=True, stdout=subprocess.DEVNULL)
            assert rows(c.stop()) == {name: 4}
        with Command("trace", f"{CALLS}:{place}") as c:
            subprocess.run([CALLS, "4"], check=True, stdout=subprocess.DEVNULL)
            assert [e.strip() for e in events(c.stop())] == [name] * 4
    assert run_awl("-l", f"uprobe:{CALLS}:{at + offset:#x}").out.endswith(f":tick+{offset:#x}\n")
    r = run_awl("funccount", f"{CALLS}:0x1")
    assert r.code == 1 and r.err.count("\n") == 1 and "0x1" in r.err, r


@pytest.mark.parametrize("line,message", [
    (["trace", 'BIN:"ns::f(int, int)" "x"'], "no probe matches"),
    (["trace", 'BIN:ns::f(int, double) "x"'], "\"int\" is not a type and a name"),
    (["trace", 'BIN:ns::g "x"'], "no function of the file has that name"),
    (["trace", 'BIN:globl "x"'], "no function of the file has that name"),
    (["argdist", "-C", "p:BIN:ns::f(int)(int n:int:n"], "has an invalid format"),
], ids=lambda v: v[1][:30] if isinstance(v, list) else "")
def test_wrong_names(program, line, message):
    r = run_awl(*[a.replace("BIN", program) for a in line])
    assert r.code == 1 and r.out == "" and r.err.count("\n") == 1 and message in r.err, r


def test_the_script_has_the_overload(program):
    assert f'uprobe:{program}:cpp:"ns::f(int, char*)"' in script_of("trace", f"{program}:ns::f(int,char*)")
