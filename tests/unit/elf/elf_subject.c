/* The program that the tests of src/elf look into. It prints the address of one of its functions
 * and waits to be told to end. */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

int subject_data = 42;
unsigned short subject_semaphore __attribute__((section(".probes"), used));

/* A trace point: a nop and the note about it. `sema` is an assembler expression. */
#define TEXT(x) #x
#define PROBE(name, sema, args)                                             \
	__asm__ volatile("990: nop\n"                                       \
			 ".pushsection .note.stapsdt,\"\",\"note\"\n"       \
			 ".balign 4\n"                                      \
			 ".4byte 992f-991f, 994f-993f, 3\n"                 \
			 "991: .asciz \"stapsdt\"\n"                        \
			 "992: .balign 4\n"                                 \
			 "993: .8byte 990b, _.stapsdt.base, " sema "\n"     \
			 ".asciz \"subject\", \"" name "\", \"" args "\"\n" \
			 "994: .balign 4\n"                                 \
			 ".popsection\n")

__asm__(".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
	".weak _.stapsdt.base\n.hidden _.stapsdt.base\n"
	"_.stapsdt.base: .space 1\n.size _.stapsdt.base,1\n.popsection\n");

#if defined(__x86_64__)
__asm__(".text\n"
	".globl subject_landing\n.type subject_landing,@function\n"
	"subject_landing: endbr64\n push %rbp\n mov %rsp,%rbp\n pop %rbp\n ret\n"
	".size subject_landing,.-subject_landing\n"
	".globl subject_nop5\n.type subject_nop5,@function\n"
	"subject_nop5: endbr64\n .byte 0x0f,0x1f,0x44,0,0\n ret\n"
	".size subject_nop5,.-subject_nop5\n"
	".globl subject_red_zone\n.type subject_red_zone,@function\n"
	"subject_red_zone: movl %edi,-4(%rsp)\n .byte 0x0f,0x1f,0x44,0,0\n"
	" movl -4(%rsp),%eax\n ret\n"
	".size subject_red_zone,.-subject_red_zone\n"
	".globl subject_caller\n.type subject_caller,@function\n"
	"subject_caller: push %rax\n .byte 0x0f,0x1f,0x44,0,0\n call subject_mov\n pop %rdx\n"
	" ret\n"
	".size subject_caller,.-subject_caller\n"
	".globl subject_stub\n.type subject_stub,@function\n"
	"subject_stub: nop\n .byte 0x0f,0x1f,0x44,0,0\n ret\n"
	".size subject_stub,.-subject_stub\n"
	".globl subject_mov\n.type subject_mov,@function\n"
	"subject_mov: endbr64\n mov %edi,%eax\n ret\n"
	".size subject_mov,.-subject_mov\n"
	".globl subject_loop\n.type subject_loop,@function\n"
	"subject_loop: endbr64\n1: jmp 2f\n nop\n2: dec %edi\n jne 1b\n ret\n"
	".size subject_loop,.-subject_loop\n"
	".globl subject_jump\n.type subject_jump,@function\n"
	"subject_jump: endbr64\n jmp 2f\n nop\n2: ret\n"
	".size subject_jump,.-subject_jump\n"
	".globl subject_lock\n.type subject_lock,@function\n"
	"subject_lock: lock incl (%rdi)\n ret\n"
	".size subject_lock,.-subject_lock\n"
	".globl subject_int3\n.type subject_int3,@function\n"
	"subject_int3: int3\n ret\n"
	".size subject_int3,.-subject_int3\n"
	".globl subject_untyped\n"
	"subject_untyped: ret\n");
#endif

static __attribute__((used, noinline)) int subject_static(int x)
{
	return x * 3;
}

int subject_work(int x)
{
	PROBE("plain", "0", "");
	PROBE("work", "subject_semaphore", "-4@%edi 8@$7 -4@subject_data(%rip) 2@-20(%rbp)");
	return subject_static(x) + subject_data;
}

int main(int argc, char **argv)
{
	char c;

	printf("%p %p\n", (void *)(uintptr_t)subject_work, (void *)(uintptr_t)main);
	fflush(stdout);
	(void)!read(0, &c, 1);
	return subject_work(argc) == 0;
}
