/* Sparing the verifier.
 *
 * The verifier follows every way through a program on its own, as long as what it knows of the
 * numbers there differs: each condition teaches it something about what was compared, each choice
 * leaves one of two constants behind. In the body of a loop nothing of that is forgotten, so ten
 * conditions in a row are a thousand ways, and a program of some hundred instructions exceeds the
 * million that it walks through.
 *
 * A program that was refused for that is generated once more, thriftily (gen_in.thrifty):
 *
 *   - what a condition of the script compares, and what a choice or an assignment leaves, has a
 *     zero added that was loaded from memory: the number is the same, and the verifier knows
 * nothing of it
 *
 *         if $x == 3 { $y = 1 }          t = $x + zero; if t == 3 { $y = 1 + zero }
 *
 *   - strings, tuples and other objects lie in scratch memory, of which it knows no contents, and
 *     not on the stack, of which it knows each word.
 *
 * Conditions of generated code are left alone: they are what makes pointers and indices safe. So
 * are pointers.
 */
#include "gen/gen_impl.h"

ir_val gen_unknown_zero(struct gen *g)
{
	return ir_load(&g->b, 8, gen_zeroes(g, 8), 0, IR_MEM_VOLATILE);
}

ir_val gen_unlearn(struct gen *g, const struct type *t, ir_val v)
{
	if (!g->in->thrifty || t->kind == TYPE_PTR || !type_is_scalar(t))
		return v;
	return ir_bin(&g->b, IR_ADD, v, gen_unknown_zero(g));
}
