/* What helpers do, as far as the optimiser cares. Names come from the kernel's own list, effects
 * from helper.def; a helper that is not listed there may do anything.
 */
#include "ir/ir_impl.h"

static const char *const helper_names[] = {
#define HELPER_NAME(x, ...) [BPF_FUNC_##x] = #x
	__BPF_FUNC_MAPPER(HELPER_NAME)
#undef HELPER_NAME
};

const char *ir_helper_name(int helper)
{
	return helper > 0 && helper < (int)ARRAY_SIZE(helper_names) ? helper_names[helper] : NULL;
}

int helper_by_name(struct str name)
{
	for (unsigned i = 1; i < ARRAY_SIZE(helper_names); i++)
		if (helper_names[i] && str_is(name, helper_names[i]))
			return (int)i;
	return -1;
}

enum helper_effect helper_effect(int helper)
{
	switch (helper) {
#define HELPER(name, effect)  \
	case BPF_FUNC_##name: \
		return HELPER_##effect;
#include "ir/helper.def"
#undef HELPER
	default:
		return HELPER_ANY;
	}
}
