"""Headers of this machine, read by awl and by the C compiler: the same layouts, the same constants."""
import subprocess

import pytest
from c_headers import (INCLUDE, compile_c, constant_checks, has_gcc_with_btf, headers, layout_checks, read_btf, script,
                       section)
from conftest import AWL

FEATURES = "#define _GNU_SOURCE 1\n"
FOLDERS = ["", "linux", "net", "netinet", "arpa", "sys", "asm", "asm-generic", "rdma", "scsi", "sound", "rpc", "openssl",
           "linux/netfilter", "linux/can", "linux/dvb", "linux/tc_act", "linux/usb", "bpf"]
CONSTANTS = """errno.h fcntl.h limits.h asm/signal.h stdint.h sys/socket.h sys/stat.h sys/mman.h sys/epoll.h netinet/in.h netinet/tcp.h
    netdb.h elf.h linux/fs.h linux/tcp.h linux/in6.h linux/input.h linux/perf_event.h linux/bpf.h linux/genetlink.h
    linux/if_link.h linux/rtnetlink.h linux/xattr.h linux/videodev2.h linux/soundcard.h linux/nl80211.h
    linux/io_uring.h asm/ioctls.h asm/sigcontext.h asm/unistd.h linux/capability.h linux/prctl.h linux/kvm.h""".split()


@pytest.fixture(scope="module")
def gcc(tmp_path_factory):
    """Compiles headers with type information; None for one that the compiler does not take by itself."""
    tmp = tmp_path_factory.mktemp("c")
    if not has_gcc_with_btf(tmp):
        pytest.skip("no gcc that writes BTF (12 or newer)")

    def build(header):
        path = tmp / header.replace("/", "_").replace(".", "_")
        said = compile_c(FEATURES + f"#include <{header}>\n", path, "-gbtf", "-fno-eliminate-unused-debug-types")
        return None if said else path

    return build


def check(text, path):
    path.with_suffix(".bt").write_text(text)
    run = subprocess.run([AWL, "-q", "-I", INCLUDE, path.with_suffix(".bt")], capture_output=True, text=True, timeout=120)
    wrong = [line for line in run.stdout.splitlines() if line.startswith("BAD")]
    if run.returncode or wrong or "checked" not in run.stdout:
        return "\n".join(wrong[:5]) + run.stderr[:600]
    return None


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.replace("/", "-") or "top")
def test_structs_are_laid_out_as_by_the_compiler(gcc, folder):
    wrong, compared = {}, 0
    for header in headers(folder):
        path = gcc(header)
        data = section(path.with_suffix(".o"), ".BTF") if path else None
        checks = list(layout_checks(read_btf(data))) if data else []
        compared += len(checks)
        said = check(script(FEATURES + f"#include <{header}>\n", checks), path) if checks else None
        if said:
            wrong[header] = said
    if not compared:
        pytest.skip(f"no headers in {folder} on this machine")
    assert wrong == {}


@pytest.mark.parametrize("header", CONSTANTS, ids=lambda h: h.replace("/", "-"))
def test_constants_have_the_values_of_the_compiler(gcc, header):
    path = gcc(header)
    if not path:
        pytest.skip(f"the compiler does not take {header} here")
    includes = FEATURES + f"#include <{header}>\n"
    checks = constant_checks(includes, path)
    assert len(checks) > 4
    assert check(script(includes, checks), path) is None
