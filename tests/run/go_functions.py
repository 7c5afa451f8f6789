"""Go functions with all kinds of parameters and results, made from a number; each logs what it was called with and what it
returned, by Go's own %v.

    call 17 -5|[1 2 3]|{7 text}          ret 17 true|<nil>

Left out is what Go and awl show differently on purpose: interfaces other than errors, channels; and
floating point alone in registers, which probes do not see. It is in arrays, slices and behind pointers."""
import random

INTS = {"int8": (-2**7, 2**7 - 1), "int16": (-2**15, 2**15 - 1), "int32": (-2**31, 2**31 - 1), "int64": (-2**63, 2**63 - 1),
        "int": (-2**63, 2**63 - 1), "uint8": (0, 2**8 - 1), "uint16": (0, 2**16 - 1), "uint32": (0, 2**32 - 1),
        "uint64": (0, 2**64 - 1), "uintptr": (0, 2**64 - 1), "uint": (0, 2**64 - 1), "small": (-2**7, 2**7 - 1)}

HEAD = """package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

var sink int

type small int8
type text string
type empty struct{}
type ints []int

var _ = errors.New
var _ = fs.ErrNotExist
var _ = os.ErrNotExist
var _ = time.Second

func say(word string, n int, values ...any) {
	text := make([]string, len(values))
	for i, v := range values {
		text[i] = fmt.Sprintf("%v", v)
	}
	fmt.Println(word, n, strings.Join(text, "|"))
}
"""


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.structs = []  # (name, fields)

    def struct(self, depth):
        name = f"s{len(self.structs)}"
        self.structs.append(None)
        fields = [self.type(depth + 1, inside=True) for _ in range(self.r.randint(1, 5))]
        self.structs[int(name[1:])] = (name, fields)
        return ("struct", name, fields)

    def type(self, depth=0, inside=False):
        r = self.r
        pick = r.choices(["int", "bool", "string", "slice", "array", "struct", "pointer", "error", "duration", "map", "named", "float"],
                         [8, 3, 5, 3, 3, 4 if depth < 2 else 0, 0 if inside else 3, 3, 1, 2 if depth < 2 else 0, 2,
                          1 if inside == "memory" else 0])[0]
        if pick == "map":
            return ("map", r.choice([("int", r.choice(list(INTS))), ("string",), ("named",), ("duration",)]), self.type(depth + 1, "memory"))
        if pick == "slice":
            return ("slice", self.type(depth + 1, "memory"))
        if pick == "array":
            n = r.choice([1, 1, 2, 3, 5])
            return ("array", n, self.type(depth + 1, "memory" if n > 1 else "plain"))
        if pick == "struct":
            return self.struct(depth)
        if pick == "pointer":
            return ("pointer", r.choice([self.struct(depth), ("array", 2, ("int", "int16")), ("slice", ("float", "float64"))]))
        if pick == "int":
            return ("int", r.choice(list(INTS)))
        if pick == "float":
            return ("float", r.choice(["float32", "float64"]))
        return (pick,)

    def spell(self, t):
        kind = t[0]
        if kind in ("int", "float"):
            return t[1]
        if kind == "slice":
            return "[]" + self.spell(t[1])
        if kind == "array":
            return f"[{t[1]}]" + self.spell(t[2])
        if kind == "struct":
            return t[1]
        if kind == "pointer":
            return "*" + self.spell(t[1])
        if kind == "map":
            return f"map[{self.spell(t[1])}]{self.spell(t[2])}"
        return {"bool": "bool", "string": "string", "error": "error", "duration": "time.Duration", "named": "text"}[kind]

    def spell_out(self, t):
        """Without names of types: as a signature has it for a program that has lost them."""
        kind = t[0]
        if kind == "slice":
            return "[]" + self.spell_out(t[1])
        if kind == "array":
            return f"[{t[1]}]" + self.spell_out(t[2])
        if kind == "struct":
            return "struct{ " + "; ".join(f"F{i} {self.spell_out(f)}" for i, f in enumerate(t[2])) + " }"
        if kind == "pointer":
            return "*" + self.spell_out(t[1])
        if kind == "map":
            return f"map[{self.spell_out(t[1])}]{self.spell_out(t[2])}"
        return {"named": "string", "small": "int8"}.get(t[-1], self.spell(t))

    def value(self, t):
        r, kind = self.r, t[0]
        if kind == "int":
            low, high = INTS[t[1]]
            return str(r.choice([low, high, 0, 1, r.randint(low, high)]))
        if kind == "float":
            return r.choice(["0", "1.5", "-2.25", "1e21", "1e-7", "100000", "1e6", "0.1", "16777217"])
        if kind == "bool":
            return r.choice(["true", "false"])
        if kind in ("string", "named"):
            return r.choice(['""', '"a"', '"some text"', '"' + "x" * r.randint(1, 60) + '"'])
        if kind == "duration":
            return str(r.choice([0, 999, 1500, 2000000, 1500000000, 3661000000000, -1, 60000000000]))
        if kind == "map":
            keys = sorted({self.value(t[1]) for _ in range(r.randint(0, 6))})  # constants: none is there twice
            return r.choice(["nil"] + 4 * [self.spell(t) + "{" + ", ".join(f"{k}: {self.value(t[2])}" for k in keys) + "}"])
        if kind == "error":
            return r.choice(["nil", 'errors.New("boom")', 'fmt.Errorf("wrapped: %w", fs.ErrNotExist)',
                             '&fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}'])
        if kind == "slice":
            if r.random() < 0.2:
                return "nil"
            return self.spell(t) + "{" + ", ".join(self.value(t[1]) for _ in range(r.randint(0, 3))) + "}"
        if kind == "array":
            return self.spell(t) + "{" + ", ".join(self.value(t[2]) for _ in range(t[1])) + "}"
        if kind == "struct":
            return t[1] + "{" + ", ".join(self.value(f) for f in t[2]) + "}"
        return "nil" if r.random() < 0.2 else "&" + self.value(t[1]).replace("nil", self.spell(t[1]) + "{}", 1 if t[1][0] == "slice" else 0)


def make(seed, count):
    """The source, and of each function its name, the numbers of its parameters and results, and its signature."""
    m = Maker(seed)
    bodies, calls, shapes = [], [], []
    for n in range(count):
        params = [m.type() for _ in range(m.r.randint(1, 7))]
        results = [m.type() for _ in range(m.r.randint(0, 4))]
        names = [f"p{i}" for i in range(len(params))]
        out = ", ".join(m.spell(t) for t in results)
        receiver = m.r.random()
        head, call, name = f"func f{n}", f"f{n}", f"f{n}"
        if receiver < 0.2:
            head, call, name = f"func (t *empty) m{n}", f"(&empty{{}}).m{n}", f"(*empty).m{n}"
        values = [(f"r{i}", m.spell(t), m.value(t)) for i, t in enumerate(results)]
        lines = [f"\tsink++\n\tsay(\"call\", {n}, {', '.join(names)})"]
        lines += [f"\tvar {v} {t} = {x}" for v, t, x in values]
        if values:
            lines.append(f"\tsay(\"ret\", {n}, {', '.join(v for v, _, _ in values)})\n\treturn {', '.join(v for v, _, _ in values)}")
        bodies.append(f"//go:noinline\n{head}({', '.join(f'{p} {m.spell(t)}' for p, t in zip(names, params))}) ({out}) {{\n" +
                      "\n".join(lines) + "\n}\n")
        for _ in range(2):
            calls.append(f"\t{call}({', '.join(m.value(t) for t in params)})")
        given = ", ".join(f"{p} {m.spell_out(t)}" for p, t in zip(names, params))
        back = ", ".join(m.spell_out(t) for t in results)
        shapes.append((name, len(params), len(results), f"({given}) ({back})" if back else f"({given})"))
    structs = "".join(f"type {name} struct {{\n" + "".join(f"\tF{i} {m.spell(t)}\n" for i, t in enumerate(fields)) + "}\n"
                      for name, fields in m.structs)
    return HEAD + structs + "\n".join(bodies) + "\nfunc main() {\n" + "\n".join(calls) + '\n\tfmt.Println("done")\n}\n', shapes
