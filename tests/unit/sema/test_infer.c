/* Types of variables and maps, scopes, constants, macros, parameters, the plan: small scripts in
 * the world of fake.c, then what sema made of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "fake.h"

static void expect_map(const char *text, const char *map, const char *key, const char *value)
{
	struct fake *f = fake_check(text, NULL);
	struct map_sym *m = fake_map(f, map);

	if (!f->ok)
		fprintf(stderr, "# %s\n%s", text, buf_cstr(&f->messages));
	assert_true(f->ok);
	assert_non_null(m);
	assert_string_equal(fake_type(f, m->key), key);
	assert_string_equal(fake_type(f, m->value), value);
	fake_free(f);
}

static void expect_var(const char *text, const char *var, const char *type)
{
	struct fake *f = fake_check(text, NULL);
	struct var_sym *v = fake_var(f, var);

	if (!f->ok)
		fprintf(stderr, "# %s\n%s", text, buf_cstr(&f->messages));
	assert_true(f->ok);
	assert_non_null(v);
	assert_string_equal(fake_type(f, v->type), type);
	fake_free(f);
}

static void expect_code(const char *text, const char *code)
{
	struct fake *f = fake_check(text, NULL);

	if (!fake_has(f, code))
		fprintf(stderr, "# %s\n# no %s in:\n%s", text, code, buf_cstr(&f->messages));
	assert_true(fake_has(f, code));
	assert_int_equal(f->ok, code[0] == 'W');
	fake_free(f);
}

static void expect_clean(const char *text)
{
	struct fake *f = fake_check(text, NULL);

	if (f->messages.n)
		fprintf(stderr, "# %s\n%s", text, buf_cstr(&f->messages));
	assert_true(f->ok);
	assert_int_equal(f->messages.n, 0);
	fake_free(f);
}

static void test_promotion(void **state)
{
	expect_var("k:x { $x = 1; $y = $x; }", "x", "int64");
	expect_var("k:x { $x = 1; $x = pid; }", "x", "uint32");
	expect_var("k:x { $x = 1; $x = arg0; }", "x", "uint64");
	expect_var("k:x { $x = arg0; $x = 5; }", "x", "uint64");
	expect_var("k:x { $x = pid; $x = (int8)arg0; }", "x", "int64");
	expect_var("k:x { $x = (uint8)arg0; $x = (int32)arg1; }", "x", "int32");
	expect_var("k:x { $x = (uint8)arg0; $x = (uint16)arg1; }", "x", "uint16");
	expect_var("k:x { $x = pid + 1; }", "x", "uint64");
	expect_var("k:x { $x = pid - 1; }", "x", "int64");
	expect_var("k:x { $x = (int32)arg0 / 2; }", "x", "int64");
	expect_var("k:x { $x = arg0 > 5; }", "x", "bool");
	expect_var("k:x { $x = -1; }", "x", "int64");
	expect_var("k:x { $x = 0; while ($x < 10) { $x++; } }", "x", "int64");
	expect_var("k:x { $x = (1, \"ab\"); $x = (pid, \"abc\"); }", "x", "(uint32,string[4])");
	expect_var("k:x { $x = comm; $x = \"a\"; }", "x", "string[16]");
	expect_code("k:x { $x = arg0; $x = (int64)arg1; }", "W0004");
}

static void test_map_types(void **state)
{
	expect_map("k:x { @[comm] = pid; }", "", "string[16]", "uint32");
	expect_map("k:x { @m[\"a\"] = 1; @m[\"abc\"] = arg0; }", "m", "string[4]", "uint64");
	expect_map("k:x { @m[pid, comm] = nsecs; }", "m", "(uint32,string[16])", "uint64");
	expect_map("k:x { @m[1] = 1; @m[pid] = 2; }", "m", "uint32", "int64");
	expect_map("k:x { @m++; }", "m", "none", "int64");
	expect_map("k:x { @m += arg0; }", "m", "none", "uint64");
	expect_map("k:x { @m[pid] = 0; @m[tid] += 5; }", "m", "uint32", "int64");
	expect_map("k:x { @x = @x + 1; }", "x", "none", "int64");
	expect_map("k:x { @a = @b; @b = pid; }", "a", "none", "uint32");
	expect_map("k:x { @a[1, 2] = 1; @b[(1, 2)] = @a[(3, 4)]; }", "b", "(int64,int64)", "int64");
	expect_map("begin { @x = 1 } k:x { @x = arg0 }", "x", "none", "uint64");
	expect_map("k:x { @x[pid] = 1; if (has_key(@x, tid)) { delete(@x, 5); delete(@x[7]); } }",
		   "x", "uint32", "int64");
	expect_map("k:x { @x[1, comm] = 1; delete(@x, (2, \"a\")); }", "x", "(int64,string[16])",
		   "int64");
}

static void test_storage(void **state)
{
	struct fake *f = fake_check(
		"let @l = lruhash(7); k:x { @a = 1; @b[1] = 1; @c = count(); @d[1] = count(); "
		"@l[pid] = 1; @s[1] = comm }",
		NULL);
	struct map_sym *m;

	assert_true(f->ok);
	assert_int_equal(f->plan->nmaps, 6);
	m = fake_map(f, "a");
	assert_int_equal(m->storage, MAP_SCALAR);
	assert_int_equal(m->bpf_type, BPF_MAP_TYPE_ARRAY);
	assert_int_equal(m->set_off, 8);
	assert_int_equal(m->value_size, 16);
	assert_int_equal(m->index, 0);
	m = fake_map(f, "b");
	assert_int_equal(m->storage, MAP_HASH);
	assert_int_equal(m->max_entries, 4096);
	m = fake_map(f, "c");
	assert_int_equal(m->storage, MAP_PERCPU_ARRAY);
	m = fake_map(f, "d");
	assert_int_equal(m->storage, MAP_PERCPU_HASH);
	m = fake_map(f, "l");
	assert_int_equal(m->bpf_type, BPF_MAP_TYPE_LRU_HASH);
	assert_int_equal(m->max_entries, 7);
	assert_int_equal(fake_map(f, "s")->value_size, 16);
	assert_true(f->plan->globals_size >= LOST_COUNT * 8 + 16 + 6 * 8);
	fake_free(f);
}

static void test_scopes(void **state)
{
	expect_clean("k:x { $x = 1; if (arg0) { print($x); } }");
	/* Whole-probe visibility of old scripts. */
	expect_clean("k:x { if (arg0) { $x = 1 } else { $x = 2 } print($x); }");
	expect_clean("k:x { if (arg0) { $x = \"a\" } else { $x = \"bcd\" } printf(\"%s\", $x); }");
	expect_var("k:x { if (arg0) { $x = \"a\" } else { $x = \"bcd\" } printf(\"%s\", $x); }",
		   "x", "string[4]");
	/* Separate variables when they have to be. */
	expect_clean("k:x { if (arg0) { $x = 1; print($x) } else { $x = \"a\"; print($x) } }");
	expect_code("k:x { if (arg0) { $x = 1 } else { $x = \"a\" } print($x); }", "E0202");
	expect_code("k:x { if (arg0) { let $x = 1; print($x); } print($x); }", "E0202");
	expect_code("k:x { print($x); }", "E0202");
	expect_code("k:x { $x = 1; let $x = 2; print($x); }", "E0203");
	expect_code("k:x { $x = 1; $x = \"a\"; }", "E0303");
	expect_code("k:x { let $x: uint8 = 256; print($x); }", "E0305");
	expect_code("k:x { let $x: string[2] = comm; print($x); }", "E0303");
	expect_code("k:x { let $x; print($x); }", "E0308");
	expect_code("k:x { let $x = 1; }", "W0001");
	expect_clean("k:x { let $x: uint64; print($x); }");
	expect_code("k:x { let $x; print($x); $x = 1; }", "W0002");
	expect_code("k:x { for ($i : 0..5) { $i = 1; } }", "E0303");
}

static const struct expr *only_value(const struct fake *f)
{
	return f->plan->probes[0]->body->stmts[0]->assign.value;
}

static void expect_folded(const char *expr, uint64_t value)
{
	char text[256];
	struct fake *f;

	snprintf(text, sizeof(text), "begin { @x = %s; }", expr);
	f = fake_check(text, NULL);
	if (!f->ok)
		fprintf(stderr, "# %s\n%s", text, buf_cstr(&f->messages));
	assert_true(f->ok);
	assert_true(only_value(f)->folded);
	if (only_value(f)->value != value)
		fprintf(stderr, "# %s: %" PRId64 "\n", expr, (int64_t)only_value(f)->value);
	assert_true(only_value(f)->value == value);
	fake_free(f);
}

static void test_folding(void **state)
{
	expect_folded("1 + 2 * 3", 7);
	expect_folded("-7 / 2", (uint64_t)-3);
	expect_folded("-7 % 3", (uint64_t)-1);
	expect_folded("-8 >> 1", (uint64_t)-4);
	expect_folded("1 - 2", (uint64_t)-1);
	expect_folded("~0", UINT64_MAX);
	expect_folded("1 << 63", UINT64_C(1) << 63);
	expect_folded("0xffffffffffffffff / 2", INT64_MAX);
	expect_folded("(uint8)300", 44);
	expect_folded("(int8)200", (uint64_t)-56);
	expect_folded("(bool)5", 1);
	expect_folded("5 > 3 && 2 == 2", 1);
	expect_folded("-1 < 0", 1);
	expect_folded("!5", 0);
	expect_folded("1 ? 10 : 20", 10);
	expect_folded("\"/x\"[0]", '/');
	expect_folded("sizeof(uint32) * 2", 8);
	expect_folded("comptime (3 + 4)", 7);
	expect_code("begin { @x = 1 / 0; }", "E0305");
	expect_code("begin { @x = 9223372036854775807 + 1; }", "E0305");
	expect_code("begin { @x = pid / 0; }", "E0305");
	expect_code("begin { @x = pid << 64; }", "E0305");
}

static void test_fields(void **state)
{
	expect_map("t:a:b { @x = args.comm; @y = args->pid; }", "x", "none", "string[16]");
	expect_map("t:a:b { @x = args.mac; }", "x", "none", "uint8[6]");
	expect_map("t:a:b { @x = args.nums[2]; }", "x", "none", "uint32");
	expect_map("t:a:b { @x = args.comm[0]; }", "x", "none", "uint8");
	expect_map("t:a:b { $t = (1, (comm, 2)); @x = $t.1.0; }", "x", "none", "string[16]");
	expect_map("t:a:b { $t = (a = 1, b = comm); @x = $t.b; }", "x", "none", "string[16]");
	expect_map("t:a:b { $t = (1, comm); @x = $t[1]; }", "x", "none", "string[16]");
	expect_map("k:x { @x = *arg0; }", "x", "none", "uint64");
	expect_map("k:x { @x = *(uint16 *)arg0; }", "x", "none", "uint16");
	expect_map("k:x { @x = ((int32 *)arg0)[3]; }", "x", "none", "int32");
	expect_map("k:x { @x[str(arg0)] = (string[5])(int8 *)arg1; }", "x", "string[1024]",
		   "string[5]");
	expect_code("t:a:b { @x = args.nope; }", "E0205");
	expect_code("t:a:b { @x = args.nums[4]; }", "E0306");
	expect_code("t:a:b { @x = args.pid.x; }", "E0205");
	expect_code("k:x { $t = (1, 2); @x = $t.2; }", "E0306");
	expect_code("k:x { @x = *(void *)arg0; }", "E0301");
	expect_code("k:x { @x = (struct nonesuch_type *)arg0; }", "E0206");
	expect_code("k:x { @x = (uint8[3])arg0; }", "E0304");
}

static void test_operands(void **state)
{
	expect_code("k:x { @x = comm + 1; }", "E0302");
	expect_code("k:x { @x = comm < \"a\"; }", "E0302");
	expect_clean("k:x { @x = comm == \"a\"; @y = (1, comm) == (2, \"a\"); }");
	expect_code("t:a:b { if (args.filename == \"a\") { print(1); } }", "E0302");
	expect_code("k:x /comm/ { print(1); }", "E0301");
	expect_clean("k:x /arg0/ { print(1); }");
	expect_code("k:x { @x = pid < 0; }", "W0010");
	expect_code("k:x { @x = arg0 ? 1 : \"a\"; }", "E0301");
	expect_clean(
		"k:x { @x = arg0 ?: 7; @y = if arg0 { 1 } else { 2 }; @z = { $a = 1; $a + 1 }; }");
	expect_code("k:x { @x = clear(@x); }", "E0307");
	expect_code("k:x { 5; }", "W0009");
	expect_code("k:x { break; }", "E0407");
	expect_code("k:x { unroll (101) { print(1); } }", "E0602");
	expect_code("k:x { unroll (arg0) { print(1); } }", "E0602");
}

static void test_maps_wrong(void **state)
{
	expect_code("k:x { @x = 1; @x[1] = 1; }", "E0504");
	expect_code("k:x { @x[1] = 1; @x[1, 2] = 1; }", "E0501");
	expect_code("k:x { @x[1] = 1; @x[\"a\"] = 1; }", "E0501");
	expect_code("k:x { @x = 1; @x = \"a\"; }", "E0502");
	expect_code("k:x { print(@nope); }", "E0503");
	expect_code("k:x { @x = @nope; }", "E0503");
	expect_code("let @x = hsh(5); k:x { @x[1] = 1; }", "E0505");
	expect_code("let @x = percpuhash(5); k:x { @x[1] = 1; }", "E0505");
	expect_code("let @x = hash(5); k:x { print(1); }", "W0001");
	expect_code("k:x { @x = count(); @x = 5; }", "E0502");
	expect_code("k:x { @x = count(); @x++; }", "E0502");
	expect_code("k:x { @x = hist(1); @y = @x; }", "E0301");
	expect_code("k:x { print(count()); }", "E0405");
	expect_code("k:x { $x = count(); }", "E0405");
	expect_map("k:x { @x = count(); @y = @x + 1; }", "y", "none", "uint64");
	expect_map("k:x { @x[comm] = sum(pid); for ($kv : @x) { @y[$kv.0] = $kv.1; } }", "y",
		   "string[16]", "uint64");
}

static void test_calls(void **state)
{
	expect_code("k:x { strlem(\"a\"); }", "E0204");
	expect_code("k:x { @x = strlen(); }", "E0401");
	expect_code("k:x { @x = strlen(5); }", "E0402");
	expect_code("k:x { @x = strlen; }", "E0401");
	expect_code("k:x { printf(comm); }", "E0403");
	expect_code("k:x { system(\"ls\"); }", "E0406");
	expect_code("k:x { @x = retval; }", "E0106");
	expect_code("k:x { @x = arg7; }", "E0106");
	expect_code("begin { @x = args.a; }", "E0106");
	expect_code("k:x { @x = pidd; }", "E0201");
	expect_clean("k:x { @x = pid(); @y = comm(); @z = counter(); }");
	expect_clean("kretprobe:x { @x = retval; }");
}

static void test_probes(void **state)
{
	struct fake *f = fake_check("KPROBE:vfs_*,begin { @x = 1; } k:a, k:b, t:a:b { print(1); }",
				    NULL);

	assert_true(f->ok);
	assert_int_equal(f->plan->nprobes, 4);
	assert_int_equal(f->plan->probes[0]->ntargets, 2);
	assert_int_equal(f->plan->probes[2]->ntargets, 2);
	assert_int_equal(f->plan->ntargets, 6);
	for (size_t i = 0; i < f->plan->ntargets; i++)
		assert_int_equal(f->plan->targets[i]->id, i);
	fake_free(f);
	expect_code("kprob:x { exit(); }", "E0101");
	expect_code("nonsense { exit(); }", "E0101");
	expect_code("kprobe { exit(); }", "E0102");
	expect_code("config = { max_probes = 2 } t:a:b, t:a:c, t:a:d { print(1); }", "E0104");
}

static void test_params(void **state)
{
	static const char *const params[] = {"42", "text", "-5", "0b101", NULL};
	struct fake *f = fake_check(
		"uprobe:$2:f { @a = $1; @b = str($2); @c = $#; @d = $3; @e = str($1); @f = $4; "
		"@g = str($2 + 1); }",
		params);
	struct block *b;

	assert_true(f->ok);
	b = f->plan->probes[0]->body;
	assert_string_equal(f->plan->targets[0]->name, "uprobe:text:f");
	assert_int_equal(b->stmts[0]->assign.value->value, 42);
	assert_true(str_is(b->stmts[1]->assign.value->str, "text"));
	assert_int_equal(b->stmts[2]->assign.value->value, 4);
	assert_true((int64_t)b->stmts[3]->assign.value->value == -5);
	assert_true(str_is(b->stmts[4]->assign.value->str, "42"));
	assert_int_equal(b->stmts[5]->assign.value->value, 5);
	assert_true(str_is(b->stmts[6]->assign.value->str, "ext"));
	fake_free(f);
	expect_code("k:x { @x = $1; }", "W0006");
	expect_code("uprobe:$1:f { @x = 1; }", "E0010");
}

static void test_dropped(void **state)
{
	struct fake *f = fake_check(
		"kprob:x { @start[tid] = nsecs; } k:x /@start[tid]/ { @lat[comm] = hist(nsecs - "
		"@start[tid]); } end { clear(@start); }",
		NULL);

	/* Nothing but the cause is reported. */
	assert_true(fake_has(f, "E0101"));
	assert_int_equal(diag_errors(f->diag), 1);
	assert_string_equal(fake_type(f, fake_map(f, "start")->key), "uint32");
	assert_string_equal(fake_type(f, fake_map(f, "start")->value), "int64");
	fake_free(f);
}

static void test_macros(void **state)
{
	expect_map("macro add(x, y) { x + y } k:x { $x = tid; @x = add($x, add(2, arg0)); }", "x",
		   "none", "uint64");
	expect_map("macro inc(@m, $v) { @m[$v] += 1; } k:x { $k = pid; inc(@z, $k); }", "z",
		   "uint32", "int64");
	expect_map(
		"macro hyg() { let $a = \"text\"; strlen($a) } k:x { $a = 1; @x = hyg; @y = $a; }",
		"y", "none", "int64");
	expect_map("macro two() { 2 } macro two(a) { a * 2 } k:x { @x = two() + two(pid); }", "x",
		   "none", "uint64");
	expect_code("macro rec() { rec() } k:x { rec(); }", "E0407");
	expect_code("macro m(a) { @out = a } k:x { m(1); }", "E0201");
	expect_code("macro m(a) { a } k:x { m(); }", "E0401");
}

static void test_constants(void **state)
{
	expect_map("#define A 5\n#define B (A << 2)\n#include <linux/foo.h>\nk:x { @x = B; }", "x",
		   "none", "int64");
	expect_map("#define S \"hello\"\nk:x { @x = S; }", "x", "none", "string[6]");
	expect_clean("#ifndef BPFTRACE_HAVE_BTF\nstruct foo { int x; };\n#endif\nk:x { @x = "
		     "AF_INET6; }");
	expect_code("#if 0\n#define A 5\n#endif\nk:x { @x = A; }", "E0201");
}

static void test_c_types(void **state)
{
	static const char def[] =
		"#define N 4\n"
		"struct inner { char c; int a[N]; };\n"
		"struct foo { u8 a; struct foo *next; unsigned x : 3, y : 7; union { short s; char "
		"t[5]; };\n"
		"  int (*f)(int a, long b); struct inner in; unsigned long long big; /* end */ };\n"
		"enum color { RED, GREEN = 5, BLUE };\n"
		"struct pk { char a; int b; } __attribute__((packed));\n";
	struct {
		const char *expr, *key, *type;
	} rows[] = {
		{"sizeof(struct foo)", NULL, "uint64"},
		{"((struct foo *)arg0)->next->next->a", NULL, "uint8"},
		{"((struct foo *)arg0)->t", NULL, "string[5]"},
		{"((struct foo *)arg0)->in.a[3]", NULL, "int32"},
		{"((struct foo *)arg0)->y", NULL, "uint32"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[1024];

		snprintf(text, sizeof(text), "%sk:x { @x = %s; }", def, rows[i].expr);
		expect_map(text, "x", "none", rows[i].type);
	}
	{
		char text[1024];
		struct fake *f;
		struct block *b;

		snprintf(text, sizeof(text),
			 "%sk:x { @a = sizeof(struct foo); @b = offsetof(struct foo, in.a); @c = "
			 "BLUE; "
			 "@d = sizeof(struct pk); @e = offsetof(struct foo, s); @f = "
			 "offsetof(struct foo, big) }",
			 def);
		f = fake_check(text, NULL);
		if (!f->ok)
			fprintf(stderr, "%s", buf_cstr(&f->messages));
		assert_true(f->ok);
		b = f->plan->probes[0]->body;
		assert_int_equal(b->stmts[0]->assign.value->value, 64);
		assert_int_equal(b->stmts[1]->assign.value->value, 36);
		assert_int_equal(b->stmts[2]->assign.value->value, 6);
		assert_int_equal(b->stmts[3]->assign.value->value, 5);
		assert_int_equal(b->stmts[4]->assign.value->value, 18);
		assert_int_equal(b->stmts[5]->assign.value->value, 56);
		fake_free(f);
	}
	expect_code("struct a { nonesuch_t x; };\nk:x { @x = 1; }", "E0001");
	expect_code("struct a { int x int y; };\nk:x { @x = 1; }", "E0001");
}

static void test_events(void **state)
{
	struct fake *f = fake_check(
		"t:a:b { printf(\"%s %d %s\", args.comm, pid, str(args.filename, 8)); exit(); }",
		NULL);
	const struct event_def *d;

	assert_true(f->ok);
	assert_int_equal(f->plan->nevents, 2);
	d = f->plan->events[0];
	assert_int_equal(d->nfields, 3);
	assert_int_equal(d->fields[0].off, 4);
	assert_int_equal(d->fields[1].off, 20);
	assert_int_equal(d->fields[2].off, 24);
	assert_int_equal(d->size, 40);
	assert_int_equal(d->format->nargs, 3);
	assert_true(f->plan->events[1]->pending_off > 0);
	assert_true(f->plan->events[1]->pending_off % 8 == 0);
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promotion), cmocka_unit_test(test_map_types),
		cmocka_unit_test(test_storage),   cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_folding),   cmocka_unit_test(test_fields),
		cmocka_unit_test(test_operands),  cmocka_unit_test(test_maps_wrong),
		cmocka_unit_test(test_calls),     cmocka_unit_test(test_probes),
		cmocka_unit_test(test_params),    cmocka_unit_test(test_macros),
		cmocka_unit_test(test_constants), cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_events),    cmocka_unit_test(test_c_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
