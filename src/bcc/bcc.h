/* bcc's front-line commands as generators of awl's own language: the face of this folder.
 *
 *   awl funccount 'c:str*' -d 1     or, by a link named funccount or funccount-bpfcc, without "awl"
 *
 *   command line ──opts.c──► struct opts ──command──► script ──libawl──► bcc's output
 *                                 ▲                     │
 *            probe.c, cexpr.c ────┘                     └ --show-script prints it
 *
 * Only the public header and base are used here: whatever a command prints, its script prints. */
#ifndef AWL_BCC_BCC_H
#define AWL_BCC_BCC_H

#include <stdbool.h>

/* Is this (a last part of a path is enough) the name of one of the commands? */
bool bcc_is_command(const char *name);
/* argv[0] is the command's name. The exit status: 0, 1 for a wrong command line, 255 when the
 * kernel refuses. */
int bcc_main(int argc, char **argv);
/* Each command's name and one line about it, until it returns NULL. */
const char *bcc_command(unsigned i, const char **about);

#endif
