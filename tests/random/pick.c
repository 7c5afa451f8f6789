/* Random statements and whole programs. See random.h.
 *
 * A program:
 *
 *   macro mac0(x) { … }             begin { variables; maps; statements; printf of all }
 *   begin { … }                     end { … }
 *
 * Loops are bounded by construction and variables are assigned at the start of each probe, so that
 * every program ends and has types. Maps are only walked by sums, since their order is not told. */
#include "pick.h"

static void statements(struct pick *p, unsigned n, unsigned deep);

static void line(struct pick *p)
{
	buf_fill(p->out, '\t', p->indent);
}

/* ---- assignments
 * --------------------------------------------------------------------------------------- */

static const char *const compound[] = {
	"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="};

static void int_target(struct pick *p)
{
	if (pick_chance(p, 45))
		pick_map(p, SHAPE_INT, true, 1);
	else if (pick_chance(p, 60))
		buf_printf(p->out, "$i%u", pick_below(p, 5));
	else
		buf_printf(p->out, "$d%u", pick_below(p, 3));
}

static void assign_int(struct pick *p)
{
	if (pick_chance(p, 40)) {
		buf_printf(p->out, "$d%u = ", pick_below(p, 3));
		pick_dyn(p, p->depth);
	} else if (pick_chance(p, 50)) {
		buf_printf(p->out, "$i%u = ", pick_below(p, 5));
		pick_int(p, p->depth);
	} else {
		pick_map(p, SHAPE_INT, true, 1);
		buf_adds(p->out, " = ");
		pick_int(p, p->depth);
	}
	buf_adds(p->out, ";\n");
}

static void assign_compound(struct pick *p)
{
	unsigned op = pick_below(p, ARRAY_SIZE(compound));

	int_target(p);
	buf_printf(p->out, " %s ", compound[op]);
	if (op >= 8) {
		buf_addc(p->out, '(');
		pick_dyn(p, p->depth);
		buf_adds(p->out, " & 63);\n");
		return;
	}
	op == 3 || op == 4 ? pick_dyn(p, p->depth) : pick_int(p, p->depth);
	buf_adds(p->out, ";\n");
}

static void step(struct pick *p)
{
	bool prefix = pick_chance(p, 50);
	const char *op = pick_chance(p, 50) ? "++" : "--";

	if (prefix)
		buf_adds(p->out, op);
	int_target(p);
	if (!prefix)
		buf_adds(p->out, op);
	buf_adds(p->out, ";\n");
}

/* Out of its own items. */
static void assign_turned(struct pick *p)
{
	static const char *const names[] = {"$p0", "$p1", "@gp"};
	unsigned n = pick_below(p, ARRAY_SIZE(names));

	for (unsigned i = 0; i < map_count && n == 2; i++)
		if (strcmp(map_rows[i].name, "gp") == 0)
			p->maps |= UINT64_C(1) << i;
	buf_printf(p->out, "%s = (%s.1, %s.0);\n", names[n], names[n], names[n]);
}

static void assign_shape(struct pick *p)
{
	enum shape s = (enum shape)(1 + pick_below(p, SHAPE_COUNT - 1));

	if (s == SHAPE_PAIR && pick_chance(p, 40)) {
		assign_turned(p);
		return;
	}
	if (pick_chance(p, 50) || !pick_map(p, s, true, 1))
		buf_printf(p->out, "$%c%u", pick_letters[s], pick_below(p, 2));
	buf_adds(p->out, " = ");
	pick_shape(p, s, p->depth);
	buf_adds(p->out, ";\n");
}

/* Signed for some, unsigned for others: a map of both is an error. */
static void assign_agg_row(struct pick *p, unsigned row, unsigned depth)
{
	pick_map_ref(p, row, depth ? 1 : 0);
	buf_printf(p->out, " = %s(", map_rows[row].agg);
	if (strcmp(map_rows[row].agg, "count") != 0) {
		buf_printf(p->out, "(%sint64)(", row % 2 ? "u" : "");
		pick_dyn(p, depth);
		buf_addc(p->out, ')');
	}
	buf_printf(p->out, "%s);\n", map_rows[row].more ? map_rows[row].more : "");
}

static void assign_agg(struct pick *p)
{
	unsigned row;

	do
		row = pick_below(p, map_count);
	while (!map_rows[row].agg);
	assign_agg_row(p, row, p->depth);
}

static void declare(struct pick *p)
{
	static const char *const types[] = {"", ": int64", ": int8", ": uint16", ": bool"};
	unsigned n = p->serial++, t = pick_below(p, ARRAY_SIZE(types));

	buf_printf(p->out, "let $l%u%s", n, types[t]);
	if (pick_chance(p, 30)) {
		buf_adds(p->out, ";\n");
		line(p);
		buf_printf(p->out, "$l%u", n);
	}
	buf_adds(p->out, " = ");
	t ? pick_dyn(p, p->depth) : pick_int(p, p->depth);
	buf_adds(p->out, ";\n");
	if (p->nlocals < ARRAY_SIZE(p->locals))
		p->locals[p->nlocals++] = n;
}

/* ---- output
 * --------------------------------------------------------------------------------------------- */

static void conversion(struct pick *p)
{
	static const char *const specs[] = {"d",   "i",   "u",  "x",  "X",   "o",
					    "lld", "llu", "lx", "hd", "hhu", "hhx"};

	buf_addc(p->out, '%');
	if (pick_chance(p, 40)) {
		buf_adds(p->out, pick_chance(p, 40)   ? "-"
				 : pick_chance(p, 30) ? "0"
				 : pick_chance(p, 20) ? "#"
						      : "");
		buf_printf(p->out, "%u", 1 + pick_below(p, 12));
	}
	if (pick_chance(p, 10))
		buf_printf(p->out, ".%u", 1 + pick_below(p, 9));
	buf_adds(p->out, specs[pick_below(p, ARRAY_SIZE(specs))]);
}

static void print_line(struct pick *p)
{
	static const char *const strings[] = {"%s", "%-9s", "%9s", "%.3s"};
	unsigned n = 1 + pick_below(p, 5);
	enum shape shapes[6];
	bool letter = pick_chance(p, 15);

	buf_adds(p->out, letter ? "printf(\"P%3c" : "printf(\"P");
	for (unsigned i = 0; i < n; i++) {
		shapes[i] = pick_chance(p, 55) ? SHAPE_INT : (enum shape)pick_below(p, SHAPE_COUNT);
		buf_addc(p->out, '|');
		if (shapes[i] == SHAPE_INT && pick_chance(p, 80))
			conversion(p);
		else
			buf_adds(p->out, strings[pick_below(p, shapes[i] == SHAPE_STR ? 4 : 1)]);
	}
	buf_adds(p->out, "\\n\"");
	if (letter) {
		buf_adds(p->out, ", 65 + (");
		pick_dyn(p, 1);
		buf_adds(p->out, " & 15)");
	}
	for (unsigned i = 0; i < n; i++) {
		buf_adds(p->out, ", ");
		pick_shape(p, shapes[i], p->depth);
	}
	buf_adds(p->out, ");\n");
}

static void print_value(struct pick *p)
{
	if (pick_chance(p, 20)) {
		buf_adds(p->out, "print((enum color)(");
		pick_dyn(p, p->depth);
		buf_adds(p->out, " & 15));\n");
		return;
	}
	buf_adds(p->out, "print((7, ");
	pick_shape(p, (enum shape)pick_below(p, SHAPE_COUNT), p->depth);
	buf_adds(p->out, "));\n");
}

/* What only shows whether it loads. */
static void live(struct pick *p)
{
	static const char *const lines[] = {
		"@h = hist((int64)$i0);",
		"@hk[comm] = hist((int64)$i1, 2);",
		"@lh[$i2 & 3] = lhist((int64)$i3, 0, 100, 10);",
		"@ts = tseries((int64)$i4, 100ms, 10);",
		"@tk[comm] = tseries((uint64)$i0, 1s, 20, \"max\");",
		"@st[$s0, $i1] = stats((int64)$d0);",
		"print($q0);",
		"@ii[1] = 2; print(@ii, 3, 2);",
		"printf(\"%s %s\\n\", usym($i1), kstack);",
		"@ar[$a0] = ($a1, $r0);",
		"errorf(\"%d\\n\", $i0);",
		"printf(\"%s\\n\", strerror($i0));",
		"printf(\"%s %s\\n\", signal_name($i2), syscall_name($i3));",
		"print(nsecs(monotonic));",
		"join((uint8 **)$m0);",
		"@cg[cgroup] = count();",
		"printf(\"%rx\\n\", buf($b0, 8));",
		"printf(\"%s\\n\", ppid);",
		"@ks[kstack] = count();",
		"@us[ustack(5), comm] = count();",
		"@ii[1] = 2; print(@ii);",
		"@ii[1] = 2; clear(@ii);",
		"@ji[1] = 2; zero(@ji);",
		"printf(\"%s\\n\", ksym($i0));",
		"@task = curtask.pid;",
		"printf(\"%s\\n\", curtask.comm);",
		"@ii[1] = 2; @len = len(@ii);",
		"printf(\"%s\\n\", strftime(\"%H\", nsecs));",
		"print(kstack(3));",
		"@pp[curtask.parent.tgid] = 1;",
		"time(\"%H\\n\");",
		"@b = buf($i0, 16);",
		"printf(\"%r\\n\", buf(curtask, 8));",
		"@str[str($i0, 16)] = 1;",
		"@long = str($i1);",
		"printf(\"%s\\n\", str($i2));",
		"print(ntop($i3));",
	};

	buf_printf(p->out, "%s\n", lines[pick_below(p, ARRAY_SIZE(lines))]);
}

/* ---- control
 * --------------------------------------------------------------------------------------------- */

static void block(struct pick *p, unsigned deep)
{
	unsigned locals = p->nlocals;

	buf_adds(p->out, "{\n");
	p->indent++;
	statements(p, 1 + pick_below(p, 4), deep);
	p->indent--;
	p->nlocals = locals;
	line(p);
	buf_adds(p->out, "}");
}

static void choose(struct pick *p, unsigned deep)
{
	buf_adds(p->out, "if ");
	pick_cond(p, p->depth);
	buf_addc(p->out, ' ');
	block(p, deep);
	if (pick_chance(p, 20)) {
		buf_adds(p->out, " else if ");
		pick_cond(p, 2);
		buf_addc(p->out, ' ');
		block(p, deep);
	}
	if (pick_chance(p, 50)) {
		buf_adds(p->out, " else ");
		block(p, deep);
	}
	buf_addc(p->out, '\n');
}

static void loop_range(struct pick *p, unsigned deep)
{
	unsigned n = p->serial++, locals = p->nlocals;

	buf_printf(p->out, "for $l%u : ", n);
	if (pick_chance(p, 60)) {
		buf_printf(p->out, "%u..%u ", pick_below(p, 3), 1 + pick_below(p, 6));
	} else {
		buf_adds(p->out, "(");
		pick_dyn(p, 1);
		buf_adds(p->out, " & 3)..(");
		pick_dyn(p, 1);
		buf_adds(p->out, " & 7) ");
	}
	if (p->nlocals < ARRAY_SIZE(p->locals))
		p->locals[p->nlocals++] = n;
	p->loops++;
	block(p, deep);
	p->loops--;
	p->nlocals = locals;
	buf_addc(p->out, '\n');
}

static void loop_while(struct pick *p, unsigned deep)
{
	unsigned n = p->serial++;

	buf_printf(p->out, "let $w%u = %u;\n", n, 1 + pick_below(p, 6));
	line(p);
	buf_printf(p->out, "while $w%u > 0 {\n", n);
	p->indent++;
	line(p);
	buf_printf(p->out, "$w%u--;\n", n);
	line(p);
	p->loops++;
	buf_adds(p->out, "if true ");
	block(p, deep);
	p->loops--;
	p->indent--;
	buf_addc(p->out, '\n');
	line(p);
	buf_adds(p->out, "}\n");
}

static void loop_unroll(struct pick *p, unsigned deep)
{
	buf_printf(p->out, "unroll(%u) ", 1 + pick_below(p, 3));
	p->loops++;
	block(p, deep);
	p->loops--;
	buf_addc(p->out, '\n');
}

/* A row's text about $lN. */
static void format(struct pick *p, const char *row, unsigned n)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	buf_printf(p->out, row, n);
#pragma GCC diagnostic pop
}

/* What else is in the body: the same in whatever order the elements come. */
static void in_map_loop(struct pick *p, unsigned n, const char *key)
{
	switch (pick_below(p, 6)) {
	case 0:
		buf_printf(p->out, "let $x%u = $l%u; if $x%u == $l%u { $y%u++; } ", n, n, n, n, n);
		break;
	case 1:
		buf_adds(p->out, "if ");
		format(p, key, n);
		buf_adds(p->out, " & 1 { continue; } ");
		break;
	case 2:
		buf_printf(p->out,
			   "$y%u++; for $x%u : 0..3 { if $x%u == 1 { continue; } $y%u += $x%u; } ",
			   n, n, n, n, n);
		break;
	case 3:
		buf_printf(p->out, "unroll(2) { $y%u++; if $y%u & 1 { continue; } $y%u += 3; } ", n,
			   n, n);
		break;
	case 4:
		buf_printf(p->out,
			   "for ($x%u : @ii) { if $x%u.1 == 2 { continue; } $y%u += $x%u.0 ^ ", n,
			   n, n, n);
		format(p, key, n);
		buf_adds(p->out, "; } ");
		p->maps |= 1 << 7; /* @ii */
		break;
	default:
		break;
	}
}

/* Sums over a map: in whatever order, the result is one. */
static void loop_map(struct pick *p)
{
	static const char *const keyed[] = {"ii", "ji", "si", "di", "pi", "mi",
					    "is", "ip", "im", "sr", "qi", "ia"};
	static const char *const value[] = {"$l%u.1",         "$l%u.1",   "$l%u.1",
					    "$l%u.1",         "$l%u.1",   "$l%u.1",
					    "strlen($l%u.1)", "$l%u.1.0", "strlen($l%u.1.1)",
					    "$l%u.1.a",       "$l%u.1",   "$l%u.1[2]"};
	static const char *const key[] = {"$l%u.0",
					  "$l%u.0",
					  "strlen($l%u.0)",
					  "$l%u.0.0",
					  "$l%u.0.1",
					  "$l%u.0.0",
					  "$l%u.0",
					  "$l%u.0",
					  "$l%u.0",
					  "strlen($l%u.0)",
					  "strlen($l%u.0.t.1)",
					  "$l%u.0"};
	unsigned m = pick_below(p, ARRAY_SIZE(keyed)), n = p->serial++;
	bool calm = p->calm;

	for (unsigned i = 0; i < map_count; i++)
		if (strcmp(map_rows[i].name, keyed[m]) == 0)
			p->maps |= UINT64_C(1) << i;
	buf_printf(p->out, "let $w%u = 0; let $y%u = 0;\n", n, n);
	line(p);
	buf_printf(p->out, "for ($l%u : @%s) { ", n, keyed[m]);
	p->calm = true;
	in_map_loop(p, n, key[m]);
	buf_printf(p->out, "$w%u += ", n);
	format(p, key[m], n);
	buf_adds(p->out, " * ");
	pick_dyn(p, 2);
	buf_adds(p->out, " + ");
	format(p, value[m], n);
	p->calm = calm;
	buf_adds(p->out, "; }\n");
	line(p);
	buf_printf(p->out, "printf(\"P sum %%d %%d\\n\", $w%u, $y%u);\n", n, n);
}

static void leave(struct pick *p)
{
	static const char *const ways[] = {"break", "continue", "return", "exit()"};
	unsigned n = p->loops ? pick_below(p, pick_chance(p, 10) ? 4 : 2) : 2 + pick_below(p, 2);

	buf_adds(p->out, "if ");
	pick_cond(p, 2);
	buf_printf(p->out, " { %s; }\n", ways[n]);
}

static void remove_key(struct pick *p)
{
	unsigned row;

	do
		row = pick_below(p, map_count);
	while (map_rows[row].agg || (map_rows[row].key == -1 && pick_chance(p, 70)));
	if (pick_chance(p, 30))
		buf_adds(p->out, "_ = ");
	buf_adds(p->out, "delete(");
	pick_map_ref(p, row, 1);
	buf_adds(p->out, ");\n");
}

static void macro_statement(struct pick *p)
{
	if (pick_chance(p, 50)) {
		buf_printf(p->out, "mac3($%c%u);\n", pick_chance(p, 50) ? 'i' : 'd',
			   pick_below(p, 3));
		return;
	}
	p->maps |= 1;
	buf_adds(p->out, "mac4(@g0, ");
	pick_dyn(p, p->depth);
	buf_adds(p->out, ");\n");
}

/* if (find(@ii, key, $l7)) { uses $l7 } */
static void look_up(struct pick *p)
{
	unsigned n = p->serial++;

	p->maps |= 1 << 7; /* @ii */
	buf_adds(p->out, "if (find(@ii, (");
	pick_dyn(p, 1);
	buf_printf(p->out,
		   " & 3), $l%u)) { $d0 ^= $l%u; printf(\"P found %%d of %%d\\n\", $l%u, "
		   "len(@ii)); }\n",
		   n, n, n);
}

static void set_memory(struct pick *p)
{
	buf_printf(p->out, "$m0 %s ", pick_chance(p, 30) ? "=" : pick_chance(p, 50) ? "^=" : "+=");
	pick_dyn(p, p->depth);
	buf_adds(p->out, ";\n");
}

static void use_buffers(struct pick *p)
{
	static const char *const specs[] = {"%r", "%rx", "%rh", "%s"};
	unsigned n = 1 + pick_below(p, 3);

	if (pick_chance(p, 40)) {
		buf_printf(p->out, "@wb[$i%u & 3] = buf($b0, 8);\n", pick_below(p, 5));
		return;
	}
	if (pick_chance(p, 20)) {
		buf_adds(p->out, "print((7, ");
		pick_buffer(p, 1);
		buf_adds(p->out, "));\n");
		return;
	}
	buf_adds(p->out, "printf(\"P");
	for (unsigned i = 0; i < n; i++)
		buf_printf(p->out, "|%s", specs[pick_below(p, 4)]);
	buf_adds(p->out, "\\n\"");
	for (unsigned i = 0; i < n; i++) {
		buf_adds(p->out, ", ");
		pick_buffer(p, p->depth);
	}
	buf_adds(p->out, ");\n");
}

static void rare(struct pick *p)
{
	switch (pick_below(p, 7)) {
	case 6:
		use_buffers(p);
		break;
	case 0:
	case 1:
		remove_key(p);
		break;
	case 2:
		look_up(p);
		break;
	case 3:
		set_memory(p);
		break;
	case 4:
		buf_adds(p->out, "fun6(");
		pick_dyn(p, 2);
		buf_adds(p->out, ");\n");
		break;
	default:
		macro_statement(p);
		break;
	}
}

static void simple(struct pick *p)
{
	switch (pick_below(p, 12)) {
	case 0:
	case 1:
	case 2:
		assign_int(p);
		break;
	case 3:
	case 4:
		assign_compound(p);
		break;
	case 5:
		step(p);
		break;
	case 6:
	case 7:
		assign_shape(p);
		break;
	case 8:
		assign_agg(p);
		break;
	case 9:
		declare(p);
		break;
	case 10:
		pick_chance(p, 70) ? print_line(p) : print_value(p);
		break;
	default:
		rare(p);
		break;
	}
}

static void statement(struct pick *p, unsigned deep)
{
	unsigned n = pick_below(p, 100);

	line(p);
	p->cost++;
	if (p->kind == PROGRAM_LOAD && n > 92)
		live(p);
	else if (deep == 0 || n < 70 || p->cost > p->budget)
		simple(p);
	else if (n < 80)
		choose(p, deep - 1);
	else if (n < 84 && p->loops < 2)
		loop_range(p, deep - 1);
	else if (n < 87 && p->loops < 2)
		loop_while(p, deep - 1);
	else if (n < 89 && p->loops < 2)
		loop_unroll(p, deep - 1);
	else if (n < 93 && p->loops < 2)
		loop_map(p);
	else if (n < 97)
		leave(p);
	else
		simple(p);
}

static void statements(struct pick *p, unsigned n, unsigned deep)
{
	while (n--)
		statement(p, deep);
}

/* ---- programs
 * -------------------------------------------------------------------------------------------------
 */

static void macros(struct pick *p)
{
	static const char *const ops[] = {"+", "-", "*", "^", "|", "&"};

	buf_printf(p->out, "macro mac0(x) { x %s %u }\n", ops[pick_below(p, 6)],
		   1 + pick_below(p, 9));
	buf_printf(p->out, "macro mac1(x, y) { x %s y }\n", ops[pick_below(p, 6)]);
	buf_printf(p->out, "macro mac2(x, y) { let $a = x; if $a > y { $a = $a %s y; } $a }\n",
		   ops[pick_below(p, 6)]);
	buf_printf(p->out, "macro mac3($v) { $v %s= %u; }\n", ops[pick_below(p, 6)],
		   pick_below(p, 100));
	buf_printf(p->out, "macro mac4(@m, x) { @m = @m %s x; }\n", ops[pick_below(p, 6)]);
}

/* Functions of the script: early returns, loops, calls of one another. */
static void functions(struct pick *p)
{
	static const char *const ops[] = {"+", "-", "*", "^", "|", "&"};
	static const char *const cmps[] = {"<", ">", "==", "!=", "<=", ">="};
	static const char *const types[] = {"int64", "uint8", "int32", "uint64", "int16"};
	const char *t = types[pick_below(p, 5)];

	buf_printf(
		p->out,
		"fn fun0($a: int64, $b: %s): int64 { if $a %s $b { return $a %s %u; } $a %s $b }\n",
		t, cmps[pick_below(p, 6)], ops[pick_below(p, 6)], 1 + pick_below(p, 9),
		ops[pick_below(p, 6)]);
	buf_printf(p->out,
		   "fn fun1($a: %s, $b: int64): %s { let $n: int64 = 0; for $k : 0..%u { "
		   "if $k == ($b & 7) { %s; } $n += $b %s $k; } $n + $a }\n",
		   types[pick_below(p, 5)], types[pick_below(p, 5)], 1 + pick_below(p, 9),
		   pick_chance(p, 50)   ? "break"
		   : pick_chance(p, 50) ? "continue"
					: "return 3",
		   ops[pick_below(p, 6)]);
	buf_printf(p->out,
		   "fn fun2($a: int64, $b: int64): bool { $a %s %u || fun0($a, 3) %s $b }\n",
		   cmps[pick_below(p, 6)], pick_below(p, 99), cmps[pick_below(p, 6)]);
	buf_printf(p->out,
		   "fn fun3(): int64 { let $n: int64 = 0; for ($kv : @ii) { if $kv.1 %s %u { "
		   "continue; } "
		   "$n += $kv.0 %s $kv.1; } @ii[%u]++; $n }\n",
		   cmps[pick_below(p, 6)], pick_below(p, 9), ops[pick_below(p, 6)],
		   pick_below(p, 4));
	buf_printf(p->out,
		   "fn fun4($a: %s, $b: int64, $c: int8, $d: bool): %s { let $s = \"none\"; if $d "
		   "{ $s = "
		   "\"some\"; @gf = $s; } $a %s $b + $c * strlen($s) }\n",
		   types[pick_below(p, 5)], types[pick_below(p, 5)], ops[pick_below(p, 6)]);
	buf_adds(p->out, "fn fun5($p: uint8 *): int16 { $p[3] + *($p + 6) }\n");
	buf_printf(
		p->out,
		"fn fun6($a: int64): void { printf(\"P fun6 %%d\\n\", $a); if $a == %u { exit(); } "
		"@gf = \"six\"; }\n",
		pick_below(p, 20));
}

/* In every program the same names have the same shapes. */
static void variables(struct pick *p)
{
	static const char *const types[] = {"int8",   "int16",  "int32",  "int64", "uint8",
					    "uint16", "uint32", "uint64", "bool"};
	static const char *const firsts[SHAPE_COUNT][2] = {
		{"0", "1"},
		{"\"\"", "\"first\""},
		{"(1, 2)", "(-1, (uint8)2)"},
		{"(3, \"x\")", "((uint16)3, \"\")"},
		{"(5, (6, \"yy\"))", "(-5, ((int16)6, \"zzz\"))"},
		{"(a = 7, b = \"rec\")", "(a = (uint32)8, b = \"\")"},
		{"(t = (8, \"t\"), u = (1, 2))", "(u = (3, (int8)4), t = (9, \"\"))"},
		{"(int16[4])(uint64)7", "((int16[4])(uint64)0x8877665544332211)"},
	};

	/* Mostly, the verifier shall not know the values either: it would walk every way on its
	 * own. */
	bool hidden = pick_chance(p, 90);

	for (unsigned i = 0; i < 5; i++) {
		buf_printf(p->out, "\t$i%u = %s", i, hidden ? "@zero + " : "");
		if (i == 1)
			buf_adds(p->out, "(uint64)");
		if (i == 2)
			buf_printf(p->out, "(%s)", types[pick_below(p, 8)]);
		buf_printf(p->out, "%u;\n", pick_below(p, 120));
	}
	for (unsigned i = 0; i < 3; i++)
		buf_printf(p->out, "\tlet $d%u: %s = %s%u;\n", i, types[pick_below(p, 9)],
			   hidden ? "@zero + " : "", pick_below(p, 2));
	for (unsigned s = SHAPE_STR; s < SHAPE_COUNT; s++)
		for (unsigned i = 0; i < 2; i++)
			buf_printf(p->out, "\t$%c%u = %s;\n", pick_letters[s], i,
				   firsts[s][pick_below(p, 2)]);
	buf_printf(p->out,
		   "\tlet $m0: uint64 = 0x%x%08x;\n\t$v0 = (struct view *)&$m0;\n"
		   "\t$b0 = (uint8 *)&$m0;\n",
		   1 + pick_below(p, 1u << 31), pick_below(p, 1u << 31));
}

static void show_variables(struct pick *p)
{
	buf_adds(p->out, "\tprintf(\"P end %lx %s %s %s %s\\n\", $m0, $q0, $q1, $a0, $a1);\n");
	buf_adds(p->out, "\tprintf(\"P end %d %d %d %d %d %d %d %d\\n\", $i0, $i1, $i2, $i3, $i4, "
			 "$d0, $d1, $d2);\n"
			 "\tprintf(\"P end %s %s %s %s %s\\n\", $s0, $p0, $t0, $n0, $r0);\n"
			 "\tprintf(\"P end %s %s %s %s %s\\n\", $s1, $p1, $t1, $n1, $r1);\n");
}

/* Assigning to every map that is named gives it types. */
static void touch_maps(struct pick *p, unsigned from)
{
	p->indent = 1;
	p->nlocals = 0;
	p->bare = true;
	for (unsigned i = from; i < map_count; i += 2) {
		if (!(p->maps >> i & 1))
			continue;
		line(p);
		if (map_rows[i].agg) {
			assign_agg_row(p, i, 0);
			continue;
		}
		pick_map_ref(p, i, 0);
		buf_adds(p->out, " = ");
		if (map_rows[i].value == SHAPE_INT)
			pick_literal(p);
		else
			pick_shape(p, map_rows[i].value, 0);
		buf_adds(p->out, ";\n");
	}
	p->bare = false;
}

static const char *predicate(struct pick *p)
{
	static const char *const conditions[] = {" /@zero == 0/", " /@zero || @gf != \"\"/",
						 " /@gf == \"six\"/", " /fun2(@zero, 3)/"};

	return conditions[pick_below(p, ARRAY_SIZE(conditions))];
}

static void probe(struct pick *p, const char *place, bool touch)
{
	struct buf *out = p->out, body = BUF_INIT;
	unsigned n = 2 + pick_below(p, p->depth > 5 ? 2 : pick_chance(p, 10) ? 14 : 6);

	p->nlocals = p->loops = p->cost = 0;
	p->indent = 1;
	p->out = &body;
	statements(p, n, 3);
	show_variables(p);
	p->out = out;
	buf_printf(out, "%s%s {\n", place, pick_chance(p, 20) ? predicate(p) : "");
	variables(p);
	if (touch)
		touch_maps(p, 0);
	buf_addstr(out, (struct str){body.p, body.n});
	buf_adds(out, "}\n");
	buf_release(&body);
}

static void live_probes(struct pick *p)
{
	for (unsigned n = 1 + pick_below(p, 3); n; n--)
		probe(p, pick_place(p), n == 1);
}

void program_random(struct buf *out, uint64_t seed, enum program_kind kind)
{
	struct pick p = {.state = seed * 2654435761u + 1, .out = out, .kind = kind};
	unsigned style = pick_below(&p, 10);

	p.depth = style < 6 ? 3 : style < 8 ? 1 : style < 9 ? 2 : 5;
	p.budget = style < 9 ? 120 : 200;
	if (kind == PROGRAM_LOAD) { /* the verifier takes its time: rather many than large ones */
		p.depth = MIN(p.depth, 3u);
		p.budget = 40;
	}
	pick_definitions(&p);
	pick_declarations(&p);
	macros(&p);
	functions(&p);
	p.maps |= 1 << 7; /* @ii, by fun3 */
	if (kind == PROGRAM_LOAD) {
		live_probes(&p);
	} else {
		probe(&p, "begin", pick_chance(&p, 50));
		if (pick_chance(&p, 30))
			probe(&p, "begin", true);
		if (pick_chance(&p, 40))
			probe(&p, "end", pick_chance(&p, 50));
	}
	p.place = PLACE_NONE;
	buf_adds(out, "end {\n");
	variables(&p);
	touch_maps(&p, 0);
	touch_maps(&p, 1);
	buf_adds(out, "\t@zero = 0;\n\t@gf = \"end\";\n}\n");
}
