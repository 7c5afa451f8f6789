/* mixed() has code of its own, for the pointer, and a copy in main(). */
static inline int mixed(int v)
{
	__asm__ volatile("" : "+r"(v));
	return v ^ 5;
}

int (*volatile by_pointer)(int) = mixed;

int main(int argc, char **argv)
{
	return mixed(argc) + by_pointer(2);
}
