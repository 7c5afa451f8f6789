/* Operators: spelling and precedence, and walks over the tree; see ast.h.
 *
 * The table is in the order of enum binary_op. A higher number binds tighter; all binary operators
 * are left-associative:
 *
 *   ||  &&  |  ^  &  == !=  < <= > >=  << >>  + -  * / %
 *   1   2   3  4  5  6      7          8      9    10
 */
#include "lang/lang_priv.h"

static const struct {
	const char *text;
	int prec;
} binary_ops[] = {
	/* ORDER BINARY_OP */
	[BIN_LOR] = {"||", 1}, [BIN_LAND] = {"&&", 2}, [BIN_OR] = {"|", 3},  [BIN_XOR] = {"^", 4},
	[BIN_AND] = {"&", 5},  [BIN_EQ] = {"==", 6},   [BIN_NE] = {"!=", 6}, [BIN_LT] = {"<", 7},
	[BIN_LE] = {"<=", 7},  [BIN_GT] = {">", 7},    [BIN_GE] = {">=", 7}, [BIN_SHL] = {"<<", 8},
	[BIN_SHR] = {">>", 8}, [BIN_ADD] = {"+", 9},   [BIN_SUB] = {"-", 9}, [BIN_MUL] = {"*", 10},
	[BIN_DIV] = {"/", 10}, [BIN_MOD] = {"%", 10},
};

const char *binary_op_text(enum binary_op op)
{
	return binary_ops[op].text;
}

int binary_op_prec(enum binary_op op)
{
	return binary_ops[op].prec;
}

const char *unary_op_text(enum unary_op op)
{
	static const char *const text[] = {
		[UN_NEG] = "-", [UN_NOT] = "!", [UN_BNOT] = "~", [UN_DEREF] = "*", [UN_ADDR] = "&",
	};

	return text[op];
}

/* ---- walking ------------------------------------------------------------------------------ */

struct walk {
	struct ast_parts parts;
	expr_visit_fn visit;
	void *arg;
};

static void walk_type(void *arg, struct type_name **t)
{
	ast_parts_of_type(*t, &((struct walk *)arg)->parts);
}

static void walk_expr(void *arg, struct expr **e)
{
	struct walk *w = arg;

	w->visit(w->arg, *e);
	ast_parts_of_expr(*e, &w->parts);
}

static void walk_block(void *arg, struct block **b)
{
	struct walk *w = arg;

	for (size_t i = 0; i < (*b)->n; i++)
		ast_parts_of_stmt((*b)->stmts[i], &w->parts);
	if ((*b)->value)
		walk_expr(w, &(*b)->value);
}

static struct walk *walk_init(struct walk *w, expr_visit_fn visit, void *arg)
{
	*w = (struct walk){{walk_expr, walk_block, walk_type, w}, visit, arg};
	return w;
}

void ast_walk_expr(struct expr *e, expr_visit_fn visit, void *arg)
{
	struct walk w;

	if (e)
		walk_expr(walk_init(&w, visit, arg), &e);
}

void ast_walk_block(struct block *b, expr_visit_fn visit, void *arg)
{
	struct walk w;

	if (b)
		walk_block(walk_init(&w, visit, arg), &b);
}
