/* Words of Go: nil. */
#include "builtin/builtin_priv.h"

static void check_nil(struct sema *s, struct expr *e)
{
	builtin_set_const(s, e, type_int(sema_types(s), 8, false), 0);
}

const struct builtin builtins_go[] = {
	{
		.name = "nil",
		.proto = "uint64 nil",
		.doc = "0: what a pointer, map, channel, function or interface of Go is that is "
		       "not "
		       "set.\n\n"
		       "    goret:./server:\"main.(*Store).Load\" { @failed = sum(retval.1 != "
		       "nil); }\n",
		.examples = EXAMPLES("begin { printf(\"%d\\n\", nil); exit(); }"),
		.flags = BI_NAME | BI_CONST,
		.check = check_nil,
	},
	BUILTIN_END,
};
