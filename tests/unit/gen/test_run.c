/* What scripts compute: each row is a script of one `begin` probe and what it prints. */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include "script.h"

struct row {
	const char *body, *output;
};

static void run_rows(const struct row *rows, size_t n)
{
	char script[2048];

	if (!script_can_load())
		skip();
	for (size_t i = 0; i < n; i++) {
		snprintf(script, sizeof(script), "begin { %s exit(); }", rows[i].body);
		const char *got = script_run(script);
		if (strcmp(got, rows[i].output) != 0)
			fail_msg("%s\n  printed: %s\n  expected: %s", script, got, rows[i].output);
	}
}

#define RUN(...)                                        \
	static const struct row rows[] = {__VA_ARGS__}; \
	run_rows(rows, ARRAY_SIZE(rows))

static void test_arithmetic(void **state)
{
	RUN({"$a = -7; $b = 2; printf(\"%d %d %d\", $a / $b, $a % $b, $a >> 1);", "-3 -1 -4"},
	    {"$u = (uint64)-2; printf(\"%u\", $u / 2);", "9223372036854775807"},
	    {"$z = 0; $a = 7; printf(\"%d %d\", $a / $z, $a % $z);", "0 7"},
	    {"$c = (uint8)300; $d = (int8)200; printf(\"%d %d\", $c, $d);", "44 -56"},
	    {"$x = (uint32)0xffffffff; $y = (int32)$x; printf(\"%d %d\", $x, $y);",
	     "4294967295 -1"},
	    {"$n = -1; $p = (uint64)-1; printf(\"%d %d\", $n < 5, $p > 5);", "1 1"},
	    {"$i = 5; printf(\"%d\", $i++ + ++$i);", "12"},
	    {"$i = 5; printf(\"%d %d\", -$i, ~$i);", "-5 -6"},
	    {"let $s: int8 = 127; $s++; printf(\"%d\", $s);", "-128"});
}

static void test_logic(void **state)
{
	RUN({"$x = 5; if ($x > 3 && ($x < 4 || $x == 5)) { printf(\"yes\"); }", "yes"},
	    {"$x = 0; printf(\"%d\", $x && @n++); printf(\"%d\", @n);", "00"},
	    {"$x = 1; printf(\"%d\", $x || @n++); printf(\"%d\", @n);", "10"},
	    {"printf(\"%d\", @n++ ?: 7); printf(\"%d\", @n++ ?: 7); printf(\"%d\", @n);", "712"},
	    {"$x = pid ? \"some\" : \"none\"; printf(\"%s\", $x);", "some"},
	    {"$a = 5; if ($a > 3) { let $b = 10; $a += $b; } else { $a = 0; } printf(\"%d\", $a);",
	     "15"},
	    {"$v = if (pid == 0) { 1 } else if (pid > 0) { 2 } else { 3 }; printf(\"%d\", $v);",
	     "2"},
	    {"let $t = { let $z = 3; $z * 2 }; printf(\"%d\", $t);", "6"});
}

static void test_strings(void **state)
{
	RUN({"$s = \"hello\"; printf(\"%d%d\", $s == \"hello\", $s == \"hellx\");", "10"},
	    {"$s = \"abc\"; $t = \"abc\"; printf(\"%d\", $s == $t); $t = \"abd\"; printf(\"%d\", "
	     "$s == $t);",
	     "10"},
	    {"$s = \"a string that is longer than what the stack takes, and then some more\"; @s = "
	     "$s; $t = @s; "
	     "printf(\"%d %s\", $t == $s, $t);",
	     "1 a string that is longer than what the stack takes, and then some more"},
	    {"@s[1] = \"x\"; printf(\"[%s][%s]\", @s[1], @s[2]);", "[x][]"},
	    {"$s = \"hello\"; $i = 1; printf(\"%c%c\", $s[$i], $s[4]);", "eo"});
}

static void test_tuples(void **state)
{
	RUN({"$t = (1, \"two\", (int8)-3); printf(\"%d %s %d\", $t.0, $t.1, $t.2);", "1 two -3"},
	    {"@a = (1, (2, \"x\")); $t = @a; printf(\"%d%d\", $t.1 == (2, \"x\"), $t.1 == (2, "
	     "\"y\"));",
	     "10"},
	    {"$r = (a = 1, b = \"xyz\", c = (3, 4)); printf(\"%d %s %d\", $r.a, $r.b, $r.c.1);",
	     "1 xyz 4"},
	    {"@a[1] = (1, \"x\"); $t = @a[7]; printf(\"%d[%s]\", $t.0, $t.1);", "0[]"});
}

static void test_maps(void **state)
{
	RUN({"@x[1, \"a\"] = 5; @x[2, \"bb\"] = 6; @x[1, \"a\"] += 10; printf(\"%d %d\", @x[1, "
	     "\"a\"], @x[9, \"z\"]);",
	     "15 0"},
	    {"@k[\"ab\"] = 1; @k[\"abcdefghijklm\"] = 2; $s = \"ab\"; @k[$s] += 5; printf(\"%d\", "
	     "@k[\"ab\"]);",
	     "6"},
	    {"@n = 1; @n++; @n *= 7; @n <<= 1; @n -= 1; @n |= 64; @n %= 50; printf(\"%d\", @n);",
	     "41"},
	    {"@o[6] = 100; @o[6] /= 7; @o[6] %= 4; @o[6] ^= 1; printf(\"%d\", @o[6]);", "3"},
	    {"$a = @n++; $b = ++@n; $c = @n--; printf(\"%d %d %d %d\", $a, $b, $c, @n);",
	     "0 2 2 1"},
	    {"@x[1] = 5; delete(@x, 1); printf(\"%d\", @x[1]);", "0"},
	    {"@a = 1; delete(@a); printf(\"%d\", @a);", "0"},
	    {"@s = sum(5); @s = sum(-7); @m = min(3); @m = min(-4); @c = count(); @c = count(); @a "
	     "= avg(10); "
	     "@a = avg(20); @x = max(9); printf(\"%d %d %d %d %d\", @s, @m, @c, @a, @x);",
	     "-2 -4 2 15 9"});
}

static void test_loops(void **state)
{
	RUN({"$i = 0; while ($i < 9) { $i++; if ($i == 2) { continue; } if ($i == 5) { break; } "
	     "printf(\"%d\", $i); }",
	     "134"},
	    {"$i = 0; while ($i < 100000) { $i++; } printf(\"%d\", $i);", "100000"},
	    {"for ($j : 2..5) { printf(\"%d\", $j); }", "234"},
	    {"$n = pid; $k = 0; for ($j : 0..$n) { $k += $j; } printf(\"%d\", $k == $n * ($n - 1) "
	     "/ 2);",
	     "1"},
	    {"$k = 0; for ($j : 0..300) { for ($i : 0..100) { $k += 1; } } printf(\"%d\", $k);",
	     "30000"},
	    {"unroll(3) { @n++; } printf(\"%d\", @n);", "3"},
	    {"@m[1] = 10; @m[2] = 20; $s = 0; for ($kv : @m) { $s += $kv.0 + $kv.1; } "
	     "printf(\"%d\", $s);",
	     "33"},
	    {"@m[\"a\"] = 1; @m[\"b\"] = 2; $max = 0; $best = \"\"; for ($kv : @m) { if ($kv.1 > "
	     "$max) "
	     "{ $max = $kv.1; $best = $kv.0; } } printf(\"%s\", $best);",
	     "b"},
	    {"@m[1] = 1; for ($kv : @m) { printf(\"in\"); exit(); } printf(\"behind\");", "in"},
	    {"@c[1] = count(); @c[2] = count(); $n = 0; for ($kv : @c) { $n += (int64)$kv.1; } "
	     "printf(\"%d\", $n);",
	     "2"});
}

/* A lost event must not lose what evaluating its arguments does, nor change their order. */
static void test_order(void **state)
{
	RUN({"printf(\"%d %d %d\", @x, @x++, @x);", "0 0 1"},
	    {"printf(\"%d %d\", @x++, @x++);", "0 1"});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arithmetic), cmocka_unit_test(test_logic),
		cmocka_unit_test(test_strings),    cmocka_unit_test(test_tuples),
		cmocka_unit_test(test_maps),       cmocka_unit_test(test_loops),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
