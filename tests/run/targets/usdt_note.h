/* A USDT probe with three arguments and a semaphore: the ELF note that SystemTap's <sys/sdt.h>
 * defines, made by hand so that the tests need no package. */
#ifndef USDT_NOTE_H
#define USDT_NOTE_H

/* A place in memory that a note can describe: arm64's short addresses of the compiler's own labels
 * are none. */
#ifdef __aarch64__
#define USDT_MEMORY "Q"
#else
#define USDT_MEMORY "m"
#endif

#define USDT_NOTE3(provider, name, semaphore, a, b, c)                                           \
	__asm__ volatile("990: nop\n"                                                            \
			 ".pushsection .note.stapsdt,\"\",\"note\"\n"                            \
			 ".balign 4\n"                                                           \
			 ".4byte 992f-991f, 994f-993f, 3\n"                                      \
			 "991: .asciz \"stapsdt\"\n"                                             \
			 "992: .balign 4\n"                                                      \
			 "993: .8byte 990b\n"                                                    \
			 ".8byte _.stapsdt.base\n"                                               \
			 ".8byte " #semaphore "\n"                                               \
			 ".asciz \"" provider "\"\n"                                             \
			 ".asciz \"" name "\"\n"                                                 \
			 ".asciz \"-8@%0 -4@%1 -4@%2\"\n"                                        \
			 "994: .balign 4\n"                                                      \
			 ".popsection\n"                                                         \
			 ".ifndef _.stapsdt.base\n"                                              \
			 ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
			 ".weak _.stapsdt.base\n"                                                \
			 ".hidden _.stapsdt.base\n"                                              \
			 "_.stapsdt.base: .space 1\n"                                            \
			 ".size _.stapsdt.base, 1\n"                                             \
			 ".popsection\n"                                                         \
			 ".endif\n" ::"nor"(a),                                                  \
			 "nor"(b), USDT_MEMORY(c))

#endif
