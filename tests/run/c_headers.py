"""What the C compiler says of headers, to compare awl's own reading of C with: sizes and offsets from the type
information that gcc -gbtf writes, values of macros from the compiled program. And scripts that check them."""
import os
import re
import struct
import subprocess

INCLUDE = "/usr/include"
STRUCT, UNION = 4, 5
# Bytes that follow the 12 of a type in BTF: fixed ones, and some for each member.
FIXED = {1: 4, 3: 12, 14: 4, 17: 4}
EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}


def compile_c(text, path, *options):
    """Compiles text to path.o; returns what gcc said, "" when it is content."""
    path.with_suffix(".c").write_text(text)
    run = subprocess.run(["gcc", "-w", *options, "-c", path.with_suffix(".c"), "-o", path.with_suffix(".o")],
                         capture_output=True, text=True)
    return run.stderr if run.returncode else ""


def has_gcc_with_btf(tmp):
    try:
        return compile_c("int x;", tmp / "probe", "-gbtf") == ""
    except FileNotFoundError:
        return False


def section(path, name):
    """The bytes of a section of a 64-bit object file."""
    data = path.read_bytes()
    table, = struct.unpack_from("<Q", data, 40)
    size, count, strings = struct.unpack_from("<HHH", data, 58)
    heads = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    names = heads[strings][4]
    for head in heads:
        if data[names + head[0]:].startswith(name.encode() + b"\0"):
            return data[head[4]:head[4] + head[5]]
    return None


def read_btf(data):
    """[None, (kind, name, size, [(member, type, bit offset, bits)])…]; the index is the id."""
    _, _, _, head, types_at, types_len, strings_at, strings_len = struct.unpack_from("<HBBIIIII", data)
    strings = data[head + strings_at:head + strings_at + strings_len]

    def text(at):
        return strings[at:strings.index(b"\0", at)].decode()

    types, at, end = [None], head + types_at, head + types_at + types_len
    while at < end:
        name, info, size = struct.unpack_from("<III", data, at)
        kind, count, flag = info >> 24 & 31, info & 0xffff, info >> 31
        at += 12
        members = []
        for i in range(count if kind in (STRUCT, UNION) else 0):
            member, of, place = struct.unpack_from("<III", data, at + 12 * i)
            members.append((text(member), of, place & 0xffffff if flag else place, place >> 24 if flag else 0))
        at += FIXED.get(kind, 0) + EACH.get(kind, 0) * count
        types.append((kind, text(name), size, members))
    return types


def members_of(types, number, base=0):
    """All named members, also those of anonymous ones: (name, bit offset, bits)."""
    for name, of, place, bits in types[number][3]:
        if name:
            yield name, base + place, bits
        elif types[of][0] in (STRUCT, UNION):
            yield from members_of(types, of, base + place)


def layout_checks(types):
    """Statements of a script that print BAD for each size and offset that is another."""
    for number, t in enumerate(types):
        if not t or t[0] not in (STRUCT, UNION) or not t[1]:
            continue
        of = ("struct " if t[0] == STRUCT else "union ") + t[1]
        yield f"sizeof({of})", t[2]
        for name, place, bits in members_of(types, number):
            if not bits:
                yield f"offsetof({of}, {name})", place // 8


def macros(text, path):
    """Names of macros without parameters that the text defines, and the compiler does not."""
    def defined(source):
        path.with_suffix(".c").write_text(source)
        out = subprocess.run(["gcc", "-dM", "-E", path.with_suffix(".c")], capture_output=True, text=True).stdout
        return set(re.findall(r"^#define ([A-Za-z_]\w*) \S", out, re.M))

    return sorted(defined(text) - defined(""))


def constant_checks(text, path):
    """(name, value) of the macros that are integer constants."""
    names = macros(text, path)
    for _ in range(6):  # until the compiler takes all of them
        lines = text.count("\n") + 1
        body = "".join(f"long long v_{i} = ({n}); typedef char t_{i}[__builtin_types_compatible_p(__typeof__({n}), "
                       f"char *) ? -1 : 1];\n" for i, n in enumerate(names))
        said = compile_c(text + "\n" + body, path, "-fmax-errors=0")
        if not said:
            break
        wrong = {int(n) for n in re.findall(rf"{re.escape(str(path.with_suffix('.c')))}:(\d+):\d+: error", said)}
        names = [n for i, n in enumerate(names) if i + lines + 1 not in wrong]
    else:
        return []
    out = subprocess.run(["objdump", "-t", path.with_suffix(".o")], capture_output=True, text=True).stdout
    places = {int(m[2]): (m[1], int(m[0], 16)) for m in re.findall(r"^(\w+) .* (\.data|\.bss)\s+\w+ v_(\d+)$", out, re.M)}
    data = section(path.with_suffix(".o"), ".data")
    return [(n, struct.unpack_from("<q", data, places[i][1])[0] if places[i][0] == ".data" else 0)
            for i, n in enumerate(names) if i in places]


def script(includes, checks):
    """Blocks of some hundred checks: one block for all would be a program of its own size."""
    lines = [f'if ({what} != {value}) {{ printf("BAD %s is %d, not %d\\n", "{what}", {what}, {value}); }}'
             for what, value in checks]
    blocks = ["begin {\n" + "\n".join(lines[i:i + 300]) + "\n}\n" for i in range(0, len(lines), 300)]
    return includes + "".join(blocks) + 'end { print("checked"); }\n'


def headers(*folders):
    roots = [INCLUDE, INCLUDE + "/" + os.uname().machine + "-linux-gnu"]
    found = {os.path.join(f, n) if f else n for f in folders for r in roots if os.path.isdir(os.path.join(r, f))
             for n in os.listdir(os.path.join(r, f)) if n.endswith(".h")}
    return sorted(found)
