/* Loading emitted code with bpf(2), for tests. */
#ifndef AWL_TEST_IR_LOAD_H
#define AWL_TEST_IR_LOAD_H

#include "programs.h"

/* False when this process may not load programs: tests skip. */
bool load_permitted(void);
/* Creates the maps (type 0 ends) and loads `code`. Returns the descriptor or -errno; `log` holds
 * the verifier's log then. */
int load_code(struct ir_code *code, const struct test_map *maps, struct buf *log);

#endif
