/* Macros; not yet. */
#include "sema/sema_priv.h"

void sema_macros_collect(struct sema *s)
{
	(void)s;
}

void sema_macros_expand(struct sema *s, struct probe_decl *decl)
{
	(void)s;
	(void)decl;
}
