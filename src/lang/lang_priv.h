/* What the files of src/lang share; others include lang/lang.h only.
 *
 * The parser asks the lexer for one token at a time, because what a text means depends on the
 * place: attach points and C definitions are raw text, everything in braces is tokens.
 *
 *   text   … prev │ tok │ …
 *                 ▲     ▲
 *          prev_end     pos
 *
 * A syntax error is reported once and puts the parser into the failed state: the current token
 * becomes T_FAIL, which nothing accepts, so that all functions return to the nearest place of
 * recovery (statement, configuration entry, probe) by themselves, without further messages.
 * Functions that return a node never return NULL; a failed one returns a harmless node.
 */
#ifndef AWL_LANG_PRIV_H
#define AWL_LANG_PRIV_H

#include "lang/lang.h"

#define MAX_NESTING 256  /* levels of parentheses, blocks, operators in front */
#define MAX_HEIGHT  2000 /* levels of a tree, chains such as a + b + c … included */
#define MAX_ERRORS  100

enum token_kind {
#define TOKEN(name, text)         name,
#define ASSIGN_OP(name, text, op) name,
#include "lang/token.def"
#undef TOKEN
#undef ASSIGN_OP
	T_EOF,
	T_IDENT,
	T_INT,
	T_STRING,
	T_VAR,     /* $x */
	T_PARAM,   /* $1 */
	T_NPARAMS, /* $# */
	T_MAP,     /* @x */
	T_BAD,     /* what the lexer has reported already */
	T_FAIL,    /* the failed state */
};

enum keyword {
	KW_NONE,
	KW_BREAK,
	KW_COMPTIME,
	KW_CONTINUE,
	KW_ELSE,
	KW_ENUM,
	KW_FALSE,
	KW_FOR,
	KW_IF,
	KW_IMPORT,
	KW_LET,
	KW_OFFSETOF,
	KW_RETURN,
	KW_SIZEOF,
	KW_STRUCT,
	KW_TRUE,
	KW_TYPEINFO,
	KW_TYPEOF,
	KW_UNION,
	KW_UNROLL,
	KW_WHILE,
};

struct token {
	enum token_kind kind;
	enum keyword kw; /* of T_IDENT */
	uint32_t off, len;
	bool line_start; /* the first of its line */
	bool duration;   /* of T_INT */
	uint64_t value;  /* of T_INT, T_PARAM */
	struct str str;  /* name without sigil; contents of T_STRING */
};

struct parser {
	struct arena *arena;
	struct diag *diag;
	struct script *script;
	uint32_t file;
	struct str text;
	uint32_t pos;      /* where the next token is read */
	uint32_t prev_end; /* end of the token before `tok` */
	struct token tok;
	struct token fail_tok; /* `tok` when the failed state began */
	bool failed;
	bool unwind;  /* a block is not closed: all of them end here */
	bool give_up; /* nothing more is read */
	bool in_pred; /* `/` before `{` ends the expression */
	unsigned depth;
	unsigned tallest; /* height of the tallest expression of the current block */
	unsigned errors;
	const struct macro_decl *macro; /* whose body is being read */
};

int binary_op_prec(enum binary_op op); /* 1 binds loosest */

/* lex.c */
void lex_init(struct parser *p, struct arena *a, struct diag *d, uint32_t file);
void lex_skip_trivia(struct parser *p); /* white space and comments at pos; collects comments */
void advance(struct parser *p);
char text_at(const struct parser *p, uint32_t off); /* 0 behind the end */
bool is_ident_start(char c);
bool is_ident_char(char c);

/* parse.c: errors and tokens */
struct span span_at(const struct parser *p, uint32_t from, uint32_t to);
struct span tok_span(const struct parser *p);
struct span span_since(const struct parser *p, uint32_t from); /* to the end of the last token */
struct diag_msg *syntax_error(struct parser *p, enum diag_code code, struct span s, const char *fmt,
			      ...) __attribute__((format(printf, 4, 5)));
void parse_fail(struct parser *p);
void parse_resume(struct parser *p); /* ends the failed state at the token it began with */
/* "expected `what`, found …" at the current token, and the failed state. */
void expected(struct parser *p, const char *what);
bool at(const struct parser *p, enum token_kind kind);
bool at_kw(const struct parser *p, enum keyword kw);
bool accept(struct parser *p, enum token_kind kind);
bool expect(struct parser *p, enum token_kind kind, const char *what);
bool parse_enter(struct parser *p); /* one level deeper; false after a reported E_DEPTH */
void parse_leave(struct parser *p);

/* attach.c */
void parse_attach_points(struct parser *p, struct probe_decl *probe);

/* parse_expr.c */
struct expr *parse_expr(struct parser *p);      /* reports `=` as a mistake for `==` */
struct expr *parse_operators(struct parser *p); /* leaves a `=` behind it alone */
struct expr *parse_condition(struct parser *p); /* of if, while, unroll */
struct expr *parse_if(struct parser *p);
struct expr *expr_new(struct parser *p, enum expr_kind kind, uint32_t from);
void expr_adopt(struct parser *p, struct expr *parent, const struct expr *child);
struct expr *parse_map(struct parser *p);

/* parse_type.c */
struct type_name *parse_type(struct parser *p);

/* mistakes.c */
bool mistake_statement(struct parser *p, const struct expr *e);
bool mistake_operator(struct parser *p);
bool mistake_for(struct parser *p);
bool mistake_item(struct parser *p, uint32_t from);
bool starts_cast(struct parser *p);     /* at `(` */
bool starts_type_arg(struct parser *p); /* behind the `(` of sizeof and the like */

/* parse_stmt.c */
enum block_end { BLOCK_NEXT, BLOCK_STAY }; /* read the token behind `}`, or not */
struct block *parse_block(struct parser *p, enum block_end end);
void block_drop_value(struct parser *p, struct block *b);
void parse_recover(struct parser *p, uint32_t start);
void expect_semicolon(struct parser *p);

/* format.c and format_expr.c */
struct format {
	const struct script *script;
	struct str text;
	struct buf *out;
	unsigned indent;
	size_t comment; /* the next one to print */
	uint32_t pos;   /* how far the source has been printed */
};

void format_expr(struct format *f, const struct expr *e); /* on one line, but for its blocks */
void format_long(struct format *f, const struct expr *e); /* broken where the line gets too long */
void format_type(struct format *f, const struct type_name *t);
void format_block(struct format *f, const struct block *b);
void format_newline(struct format *f, unsigned more); /* and indentation, `more` levels deeper */

/* ---- parts of a node (children.c) ---------------------------------------------------------- */

struct ast_parts { /* what is called with the address of each part that is there */
	void (*expr)(void *arg, struct expr **e);
	void (*block)(void *arg, struct block **b);
	void (*type)(void *arg, struct type_name **t);
	void *arg;
};

void ast_parts_of_expr(struct expr *e, const struct ast_parts *f);
void ast_parts_of_stmt(struct stmt *s, const struct ast_parts *f);
void ast_parts_of_type(struct type_name *t, const struct ast_parts *f);

#endif
