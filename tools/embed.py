"""Writes the texts of scripts as a C header: one array for each, named after its file."""
import pathlib
import sys

print("/* Made of the scripts in tools/. */")
for path in map(pathlib.Path, sys.argv[1:]):
    data = path.read_bytes() + b"\0"
    rows = [data[i:i + 20] for i in range(0, len(data), 20)]
    print(f"static const char script_{path.stem}[] = {{")
    for row in rows:
        print("\t" + ", ".join(f"{c if c < 128 else c - 256}" for c in row) + ",")
    print("};")
