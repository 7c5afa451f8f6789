/* The syntax tree of a script, for the whole language (see docs/language.md for the grammar).
 *
 * Nodes live in the arena of the compilation. Every node has the span of the text it came from.
 * The parser fills everything but the fields marked "sema:", which are NULL or zero after parsing.
 * A body that is compiled for several probes is cloned first (ast_clone_*), so that what sema
 * writes into a tree belongs to one program.
 *
 * Spellings of several releases parse to one tree: `args->x` and `args.x` are both EXPR_FIELD (the
 * arrow is kept in `arrow` for the formatter), BEGIN and begin are the same attach point.
 */
#ifndef AWL_LANG_AST_H
#define AWL_LANG_AST_H

#include "base/base.h"

struct type; /* src/type; opaque here */

/* ---- type names as written ---------------------------------------------------------------- */

/* `struct foo *[4]`: base, then suffixes read from left to right. `typeof(expr|type)` is a base of
 * its own. string[N], buffer[N], inet[N] have their N as the first array suffix. */
enum type_suffix_kind { SUFFIX_PTR, SUFFIX_ARRAY };

struct type_suffix {
	enum type_suffix_kind kind;
	bool open;      /* `[]` */
	uint64_t count; /* of SUFFIX_ARRAY */
};

enum type_tag { TAG_NONE, TAG_STRUCT, TAG_UNION, TAG_ENUM, TAG_TYPEOF };

struct type_name {
	struct span span;
	enum type_tag tag;
	struct str name;
	struct expr *of; /* TAG_TYPEOF of an expression; NULL when of_type is set */
	struct type_name *of_type;
	struct type_suffix *suffixes;
	size_t nsuffixes;
};

/* ---- expressions -------------------------------------------------------------------------- */

enum expr_kind {
	EXPR_INT,     /* 42, 0x1f, 1e6, 100ms (nanoseconds) */
	EXPR_STR,     /* "text", unescaped */
	EXPR_BOOL,    /* true, false */
	EXPR_VAR,     /* $x */
	EXPR_PARAM,   /* $1, $2 … */
	EXPR_NPARAMS, /* $# */
	EXPR_MAP,     /* @m, @m[a, b] */
	EXPR_IDENT,   /* pid, args, arg0, AF_INET, a macro parameter */
	EXPR_CALL,    /* f(a, b) */
	EXPR_UNARY,   /* - ! ~ * & (& of $x or @m only) */
	EXPR_INCDEC,  /* ++x x++ --x x-- */
	EXPR_BINARY,
	EXPR_TERNARY,   /* c ? a : b ; c ?: b has a == NULL */
	EXPR_FIELD,     /* e.name, e->name */
	EXPR_ELEM,      /* e.0 */
	EXPR_INDEX,     /* e[i] */
	EXPR_CAST,      /* (type)e */
	EXPR_TUPLE,     /* (a, b), (), (a,) */
	EXPR_RECORD,    /* (x = a, y = b) */
	EXPR_SIZEOF,    /* sizeof(type | expr) */
	EXPR_OFFSETOF,  /* offsetof(type | expr, a.b.c) */
	EXPR_TYPEINFO,  /* typeinfo(type | expr) */
	EXPR_CONTAINER, /* container_of(e, type, a.b.c) */
	EXPR_COMPTIME,  /* comptime e */
	EXPR_IF,        /* if c { … } else { … } as an expression or statement */
	EXPR_BLOCK,     /* { stmt; …; expr } */
	EXPR_TYPE,      /* a type as an argument of a call: typeof(…) */
};

enum unary_op { UN_NEG, UN_NOT, UN_BNOT, UN_DEREF, UN_ADDR };

enum binary_op { /* ORDER BINARY_OP: lang/ast.c has spellings and precedences in this order */
		 BIN_LOR,
		 BIN_LAND,
		 BIN_OR,
		 BIN_XOR,
		 BIN_AND,
		 BIN_EQ,
		 BIN_NE,
		 BIN_LT,
		 BIN_LE,
		 BIN_GT,
		 BIN_GE,
		 BIN_SHL,
		 BIN_SHR,
		 BIN_ADD,
		 BIN_SUB,
		 BIN_MUL,
		 BIN_DIV,
		 BIN_MOD
};

const char *binary_op_text(enum binary_op op); /* "+" */
const char *unary_op_text(enum unary_op op);

struct block;

struct record_field {
	struct span span;
	struct str name;
	struct expr *value;
	bool bare; /* of named arguments: the name alone, whose value is true */
};

struct expr {
	enum expr_kind kind;
	struct span span;
	const struct type *type; /* sema: */
	void *sem;               /* sema: symbol, field, builtin … by kind; see sema/sema.h */
	bool parens;     /* written in parentheses, which belong to the span (but of literals) */
	uint16_t height; /* levels of the tree from here down, bounded by the parser */
	/* sema: constant value when `folded` (integers, bools, enums, pointers) */
	bool folded;
	uint64_t value;
	union {
		struct {                  /* EXPR_INT; the value is in `value` and folded is true */
			bool is_unsigned; /* exceeds INT64_MAX */
			bool duration;    /* written with a unit */
		} num;
		struct str str; /* EXPR_STR */
		struct {        /* EXPR_VAR, EXPR_IDENT: name without `$` */
			struct str name;
		} ident;
		unsigned param; /* EXPR_PARAM: 1-based */
		struct {        /* EXPR_MAP: name without `@`, "" for the anonymous map */
			struct str name;
			struct expr **
				keys; /* as written between the brackets; nkeys == 0: no brackets */
			size_t nkeys;
		} map;
		struct { /* EXPR_CALL */
			struct str name;
			struct span name_span;
			struct expr **args;
			size_t nargs;
		} call;
		struct { /* EXPR_UNARY */
			enum unary_op op;
			struct expr *e;
		} un;
		struct { /* EXPR_INCDEC */
			bool prefix, dec;
			struct expr *e; /* EXPR_VAR or EXPR_MAP */
		} incdec;
		struct { /* EXPR_BINARY */
			enum binary_op op;
			struct span op_span;
			struct expr *l, *r;
		} bin;
		struct { /* EXPR_TERNARY */
			struct expr *cond, *yes, *no;
		} tern;
		struct { /* EXPR_FIELD, EXPR_ELEM */
			struct expr *e;
			struct str name; /* EXPR_FIELD */
			struct span name_span;
			unsigned elem; /* EXPR_ELEM */
			bool arrow;
		} field;
		struct { /* EXPR_INDEX */
			struct expr *e, *index;
		} index;
		struct { /* EXPR_CAST */
			struct type_name *to;
			struct expr *e;
		} cast;
		struct { /* EXPR_TUPLE */
			struct expr **items;
			size_t n;
		} tuple;
		struct { /* EXPR_RECORD */
			struct record_field *fields;
			size_t n;
			bool named; /* no value: the named arguments of a call, its last */
		} record;
		struct { /* EXPR_SIZEOF, EXPR_OFFSETOF, EXPR_TYPEINFO, EXPR_TYPE, EXPR_CONTAINER */
			struct type_name *of_type; /* one of the two is set; EXPR_CONTAINER: both */
			struct expr *of;
			struct str *path; /* EXPR_OFFSETOF, EXPR_CONTAINER: member names */
			size_t npath;
		} meta;
		struct expr *sub; /* EXPR_COMPTIME */
		struct {          /* EXPR_IF */
			struct expr *cond;
			struct block *yes;
			struct expr *no; /* NULL, EXPR_BLOCK or EXPR_IF */
		} cond;
		struct block *block; /* EXPR_BLOCK */
	};
};

/* ---- statements --------------------------------------------------------------------------- */

enum stmt_kind {
	STMT_EXPR,      /* call, ++, an `if`, a block */
	STMT_LET,       /* let $x [: type] [= e] */
	STMT_ASSIGN,    /* lhs = e, lhs op= e; lhs is EXPR_VAR or EXPR_MAP */
	STMT_DISCARD,   /* _ = e */
	STMT_FOR_MAP,   /* for $kv : @m { } */
	STMT_FOR_RANGE, /* for $i : a..b { } */
	STMT_WHILE,
	STMT_UNROLL, /* unroll N { } or unroll(N) { } */
	STMT_BREAK,
	STMT_CONTINUE,
	STMT_RETURN, /* return [e] */
	STMT_IMPORT, /* import "x"; inside a block */
};

struct stmt {
	enum stmt_kind kind;
	struct span span;
	void *sem; /* sema: */
	union {
		struct expr *expr; /* STMT_EXPR, STMT_DISCARD, STMT_RETURN (or NULL) */
		struct {           /* STMT_LET */
			struct str name;
			struct span name_span;
			struct type_name *type; /* or NULL */
			struct expr *value;     /* or NULL */
			void *var;              /* sema: */
		} let;
		struct { /* STMT_ASSIGN */
			struct expr *lhs, *value;
			bool compound; /* op= */
			enum binary_op op;
			struct span op_span;
		} assign;
		struct { /* STMT_FOR_MAP, STMT_FOR_RANGE */
			struct str var;
			struct span var_span;
			struct expr *map; /* EXPR_MAP without keys */
			struct expr *from, *to;
			struct block *body;
			bool parens; /* for (…), for the formatter */
			void *sym;   /* sema: */
		} loop;
		struct { /* STMT_WHILE, STMT_UNROLL */
			struct expr *cond;
			struct block *body;
		} repeat;
		struct str import; /* STMT_IMPORT */
	};
};

struct block {
	struct span span;
	struct stmt **stmts;
	size_t n;
	struct expr *value; /* last expression without `;`, or NULL */
};

/* ---- top level ---------------------------------------------------------------------------- */

/* One attach point as written. The text is split at ':' outside of quotes; quotes are removed and
 * `\` escapes resolved in the parts; `quoted` tells which parts had any. */
struct attach_point {
	struct span span;
	struct str label;  /* `name=` in front, or empty */
	struct str text;   /* all of it as written, without the label */
	struct str *parts; /* "uprobe", "/bin/bash", "readline" */
	struct span *part_spans;
	bool *quoted;
	size_t nparts;
};

struct probe_decl {
	struct span span;
	struct attach_point *aps;
	size_t naps;
	struct expr *pred; /* or NULL */
	struct block *body;
};

enum macro_param_kind { MACRO_VAR, MACRO_MAP, MACRO_EXPR };

struct macro_param {
	struct span span;
	enum macro_param_kind kind;
	struct str name; /* without sigil */
};

struct macro_decl {
	struct span span, name_span;
	struct str name;
	struct macro_param *params;
	size_t nparams;
	struct block *body;
};

struct fn_param {
	struct span span;
	struct str name;
	struct type_name *type;
};

struct fn_decl {
	struct span span, name_span;
	struct str name;
	struct fn_param *params;
	size_t nparams;
	struct type_name *result;
	struct block *body;
};

struct map_decl { /* let @m = lruhash(100); */
	struct span span;
	struct str name;
	struct str kind;
	struct span kind_span;
	uint64_t entries;
	bool has_entries;
};

struct config_entry { /* config = { max_strlen = 64; } */
	struct span span, name_span, value_span;
	struct str name;
	enum config_kind { CONFIG_STR, CONFIG_INT, CONFIG_BOOL, CONFIG_IDENT } kind;
	struct str text; /* CONFIG_STR, CONFIG_IDENT */
	uint64_t num;    /* CONFIG_INT, CONFIG_BOOL */
};

/* The C section is kept as text: preprocessor lines and struct/union/enum definitions. */
struct c_def {
	struct span span;
	struct str text;
	enum { C_PREPROCESSOR, C_TYPE } kind;
};

struct import_decl {
	struct span span;
	struct str path;
};

/* Comments, for the formatter: in order of position. */
struct comment {
	struct span span;
	bool own_line; /* nothing but white space before it on its line */
};

enum script_item_kind { ITEM_PROBE, ITEM_MACRO, ITEM_FN, ITEM_MAP };

struct script_item {
	enum script_item_kind kind;
	size_t index;
};

struct script {
	struct span span;
	uint32_t file;
	struct str shebang; /* with `#!`, or empty */
	VEC(struct c_def) c_defs;
	VEC(struct config_entry) config;
	bool has_config;
	struct span config_span;
	VEC(struct import_decl) imports;
	VEC(struct import_decl) inner_imports; /* those in blocks: STMT_IMPORT */
	VEC(struct map_decl) maps;
	VEC(struct macro_decl) macros;
	VEC(struct fn_decl) fns;
	VEC(struct probe_decl) probes;
	VEC(struct comment) comments;
	/* order of the items below config, for the formatter: index into one of the vectors above
	 */
	VEC(struct script_item) items;
};

struct expr *ast_clone_expr(struct arena *a, const struct expr *e);
struct block *ast_clone_block(struct arena *a, const struct block *b);

/* Calls `visit` for `e` and everything below it, parents first. */
typedef void (*expr_visit_fn)(void *arg, struct expr *e);
void ast_walk_expr(struct expr *e, expr_visit_fn visit, void *arg);
void ast_walk_block(struct block *b, expr_visit_fn visit, void *arg);

#endif
