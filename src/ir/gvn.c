#include "ir/ir_impl.h"
void ir_gvn(struct ir_fn *fn)
{
}
