"""libawl as a program sees it: the example, and a program that uses what the example does not."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, ROOT, TARGETS

STORM = str(TARGETS / "storm")

PROGRAM = r'''
#include <awl/awl.h>
#include <stdio.h>
#include <string.h>

static int records, messages;

static void on_message(void *arg, enum awl_level level, const char *text)
{
	messages++;
	printf("message %d %s\n", level, text);
}

static void on_record(void *arg, const char *type, const char *text, size_t len)
{
	records++;
	if (strcmp(type, "printf") == 0)
		printf("record %s [%.*s]\n", (char *)arg, (int)len - 1, text);
}

static int on_entry(void *arg, const char *key, const char *value, const void *key_bytes, size_t key_len,
		    const void *value_bytes, size_t value_len)
{
	unsigned long long v = 0;

	memcpy(&v, value_bytes, value_len < 8 ? value_len : 8);
	printf("entry %s=%s bytes %zu %zu %llu\n", key, value, key_len, value_len, v);
	return *(int *)arg ? 77 : 0;
}

int main(int argc, char **argv)
{
	const char *params[] = {"5", NULL};
	AWL_OPTS(awl_opts, opts, .command = argv[1], .message = on_message, .record = on_record, .arg = "me");
	AWL_OPTS(awl_compile_opts, copts, .params = params, .dump = AWL_DUMP_BPF);
	struct awl *bad = awl_new(NULL), *awl = awl_new(&opts);
	int stop = 1, go = 0;

	printf("bad %d\n", awl_compile(bad, "x", "begin { nonesuch(); }", NULL) < 0 && strstr(awl_error(bad), "E0204"));
	printf("again %d ", awl_compile(bad, "x", "begin { print(1); } end { }", NULL));
	printf("%d", (int)awl_probe_count(bad));
	printf(" %d\n", awl_compile(bad, "x", "begin { print(2); }", NULL) == 0 && awl_probe_count(bad) == 1);
	awl_free(bad);
	awl_free(NULL);
	if (awl_compile(awl, "script", argv[2], &copts) < 0 || awl_attach(awl) < 0) {
		fprintf(stderr, "%s", awl_error(awl));
		return 1;
	}
	printf("busy %d\n", awl_compile(awl, "x", "begin { }", NULL) == -16 && strstr(awl_error(awl), "is attached"));
	printf("probes %zu dump %d\n", awl_probe_count(awl), strlen(awl_dump_text(awl)) > 100);
	while (awl_poll(awl, 100) >= 0)
		;
	printf("each %d\n", awl_map_each(awl, "@n", on_entry, &go));
	printf("stopped %d\n", awl_map_each(awl, "@n", on_entry, &stop));
	printf("none %d\n", awl_map_each(awl, "@nonesuch", on_entry, &go) < 0);
	printf("lost %llu\n", (unsigned long long)awl_lost(awl, AWL_LOST_RING));
	printf("code %d\n", awl_finish(awl));
	awl_free(awl);
	return 0;
}
'''


def archives():
    libs = sorted(str(p) for p in (BUILD / "src").glob("*/lib*.a") if p.name != "libawl.a")
    return ["-Wl,--start-group", *libs, "-Wl,--end-group"]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    cc = shutil.which("cc")
    if not cc:
        pytest.skip("no C compiler")
    d = tmp_path_factory.mktemp("library")
    (d / "p.c").write_text(PROGRAM)
    sanitize = ["-fsanitize=address,undefined"] if "asan" in str(BUILD) else []
    shared = BUILD / "src/api/libawl.so"
    libs = [str(shared), f"-Wl,-rpath,{shared.parent}"] if shared.exists() else [*archives(), "-lbpf", "-ldw", "-lelf", "-lz", "-liberty", "-lZydis", "-pthread"]
    run = subprocess.run([cc, "-Wall", "-Werror", "-Wno-unused-parameter", *sanitize, f"-I{ROOT}/include", d / "p.c", "-o", d / "p", *libs], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return str(d / "p")


def test_program_with_callbacks(program):
    script = (f'begin {{ printf("hello %d\\n", $1); }} uprobe:{STORM}:hit {{ @n[arg0 % 3] = count(); }} end {{ printf("end\\n"); exit(3); }}')
    r = subprocess.run([program, f"{STORM} 300 2", script], capture_output=True, text=True, timeout=60)
    lines = [line for line in r.stdout.splitlines() if line != "600"]
    assert r.returncode == 0 and "Sanitizer" not in r.stderr, r
    assert lines[:2] == ["bad 1", "again 0 2 1"] and "busy 1" in lines, "a session compiles again until it attaches"
    assert "message 0 Attached 3 probes" in lines and "record me [hello 5]" in lines, r.stdout
    assert "probes 3 dump 1" in lines
    assert sorted(line for line in lines[:lines.index("each 0")] if line.startswith("entry")) == [f"entry {k}=200 bytes 8 8 200" for k in range(3)]
    at = lines.index("each 0")
    assert lines[at + 1].startswith("entry") and lines[at + 2] == "stopped 77", "not 0 from the callback ends the walk"
    assert lines[at + 3:at + 5] == ["none 1", "lost 0"] and "record me [end]" in lines


def test_session_that_cannot_attach_says_why(program):
    r = subprocess.run([program, f"{STORM} 1 1", "uprobe:/nonexistent:f { }"], capture_output=True, text=True, timeout=60)
    assert r.returncode == 1 and "E0105" in r.stderr


def test_example_count():
    r = subprocess.run([str(BUILD / "examples/count")], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0 and "Sanitizer" not in r.stderr, r
    assert r.stdout.count("event: one second has passed\n") in (2, 3)
    table = r.stdout.split("system calls by program:\n")[1].splitlines()
    counts = [int(line.split()[-1]) for line in table]
    assert counts and counts == sorted(counts), "in ascending order"


def test_header_is_clean_c_and_cxx(tmp_path):
    for compiler, name in ((shutil.which("cc"), "x.c"), (shutil.which("c++"), "x.cc")):
        if compiler:
            (tmp_path / name).write_text("#include <awl/awl.h>\nint main(void) { return awl_lost == 0; }\n")
            run = subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", "-Wno-address", "-Wno-nonnull-compare", "-c", f"-I{ROOT}/include", tmp_path / name, "-o", tmp_path / "x.o"],
                                 capture_output=True, text=True)
            assert run.returncode == 0, run.stderr


def test_shared_library_exports_only_its_interface():
    shared = BUILD / "src/api/libawl.so"
    if not shared.exists():
        pytest.skip("built without the shared library")
    out = subprocess.run(["nm", "-D", "--defined-only", shared], capture_output=True, text=True).stdout
    names = {line.split()[-1].split("@")[0] for line in out.splitlines() if " A " not in line}
    assert names and all(name.startswith("awl_") for name in names), names
    declared = set(re.findall(r"^AWL_API .*?\b(awl_\w+)\(", (ROOT / "include/awl/awl.h").read_text(), re.M))
    assert declared <= names, declared - names
