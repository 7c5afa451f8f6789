/* Names that mean the same at the entry and at the return of a function, be it the kernel's or a
 * program's: the context of both is the struct pt_regs of that place.
 *
 *   ctx      the context itself, a pointer
 *   func     the address of the function
 *   retval   the register with the result
 *   uregs    the registers, for uregs("name")
 */
#include "probe/probe.h"

struct val probe_ctx_reg(struct gen *g, const struct type *t, int offset)
{
	return val_scalar(t, ir_load(gen_ir(g), 8, gen_ctx(g), offset, IR_MEM_INVARIANT));
}

const struct type *probe_func_name(struct sema *s, enum probe_name name)
{
	switch (name) {
	case NAME_CTX:
		return type_ptr(sema_types(s), &type_void, SPACE_CTX);
	case NAME_FUNC:
	case NAME_UREGS:
		return type_int(sema_types(s), 8, false);
	default:
		return NULL;
	}
}

struct val probe_func_load(struct gen *g, enum probe_name name, enum feature f)
{
	const struct type *u64 = type_int(gen_types(g), 8, false);

	switch (name) {
	case NAME_RETVAL:
		return probe_ctx_reg(g, u64, regs_retval());
	case NAME_FUNC:
		if (kernel_has(gen_kernel(g), f))
			return val_scalar(u64,
					  IR_CALL(gen_ir(g), BPF_FUNC_get_func_ip, gen_ctx(g)));
		return probe_ctx_reg(g, u64, regs_named(STR("pc")));
	case NAME_UREGS:
		return val_mem(&type_void, gen_ctx(g), 0, SPACE_CTX);
	default:
		return val_scalar(u64, gen_ctx(g));
	}
}
