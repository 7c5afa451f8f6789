/* Completion for shells, made from the rows of opts.def: `source <(awl --completion bash)`.
 *
 *   after            is offered
 *   -                options, with their help in zsh and fish
 *   -f, -B, -d …     the words that the option takes
 *   -p, -c, -o, -I   processes, commands, files, directories
 *   -l               probes, asked of `awl -l 'TYPED*'`
 *   else             *.bt files
 *
 * Colons and braces in probes: bash splits words at colons, so what stands before the last one is
 * taken off the candidates again.
 */
#include "cli/opts.h"

/* What may follow options, by the name of their argument. */
static const struct {
	const char *arg, *words;
} choices[] = {
	{"FORMAT", "text json ndjson folded svg speedscope pprof perfetto"},
	{"MODE", "line full none"},
	{"STAGE", "ast types ir bpf all"},
	{"SHELL", "bash zsh fish"},
	{"WHAT", "codegen compiler-bench format test bench"},
};

static const char *words_of(const char *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		if (strcmp(choices[i].arg, arg) == 0)
			return choices[i].words;
	}
	return NULL;
}

/* In single quotes; `extra` are characters that get a backslash before them as well. */
static void add_quoted(struct buf *b, const char *s, const char *extra)
{
	for (; *s; s++) {
		if (*s == '\'')
			buf_adds(b, "'\\'");
		else if (strchr(extra, *s))
			buf_addc(b, '\\');
		buf_addc(b, *s);
	}
}

/* ---- bash ---- */

static const char bash_probes[] =
	"_awl_probes() {\n"
	"\tlocal typed=${COMP_LINE:0:COMP_POINT} found\n"
	"\ttyped=${typed##*[[:space:]\\'\\\"]}\n"
	"\tmapfile -t found < <(\"${COMP_WORDS[0]}\" -l \"$typed*\" 2>/dev/null | head -n 500)\n"
	"\t[[ $COMP_WORDBREAKS == *:* && $typed == *:* ]] && "
	"found=(\"${found[@]#\"${typed%:*}:\"}\")\n"
	"\tCOMPREPLY=(\"${found[@]}\")\n"
	"}\n\n"
	/* In an open quote, the word that bash replaces is all that follows the quote. */
	"_awl_program() {\n"
	"\tlocal typed=${COMP_LINE:0:COMP_POINT}\n"
	"\ttyped=${typed##*\"$1\"}\n"
	"\tmapfile -t COMPREPLY < <(\"${COMP_WORDS[0]}\" --complete \"$typed\" 2>/dev/null)\n"
	"\tcompopt -o nospace +o filenames 2>/dev/null\n"
	"}\n\n";

static void bash_action(struct buf *b, const struct opt_row *r)
{
	const char *words = words_of(r->arg);

	if (words)
		buf_printf(b, "COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", words);
	else if (strcmp(r->arg, "FILE") == 0)
		buf_adds(b, "COMPREPLY=($(compgen -f -- \"$cur\"))");
	else if (strcmp(r->arg, "DIR") == 0)
		buf_adds(b, "COMPREPLY=($(compgen -d -- \"$cur\"))");
	else if (strcmp(r->arg, "PID") == 0)
		buf_adds(b, "COMPREPLY=($(cd /proc && compgen -G \"$cur[0-9]*\"; compgen -G "
			    "\"$cur\"))");
	else if (strcmp(r->arg, "COMMAND") == 0)
		buf_adds(b, "COMPREPLY=($(compgen -c -- \"$cur\"))");
	else
		buf_adds(b, "COMPREPLY=()");
	buf_adds(b, "; return ;;\n");
}

static void bash_script(struct buf *b)
{
	buf_adds(b, "# Completion of awl for bash: source this.\n");
	buf_adds(b, bash_probes);
	buf_adds(b, "_awl() {\n"
		    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		    "\t[[ ${COMP_LINE:0:COMP_POINT} =~ [[:space:]](-l|-lv|-vl|--list)"
		    "[[:space:]]+[^[:space:]]*$ ]] && { _awl_probes; return; }\n"
		    "\tlocal open=$'[[:space:]]-[a-zA-Z]*e[[:space:]]*([\\'\"])[^\\'\"]*$'\n"
		    "\t[[ ${COMP_LINE:0:COMP_POINT} =~ $open ]] && "
		    "{ _awl_program \"${BASH_REMATCH[1]}\"; return; }\n"
		    "\tcase $prev in\n");
	for (size_t i = 0; i < opt_nrows; i++) {
		const struct opt_row *r = &opt_rows[i];

		if (!r->arg)
			continue;
		if (r->letter)
			buf_printf(b, "\t-%c|--%s) ", r->letter, r->name);
		else
			buf_printf(b, "\t--%s) ", r->name);
		bash_action(b, r);
	}
	buf_adds(b, "\tesac\n\tif [[ $cur == -* ]]; then\n\t\tCOMPREPLY=($(compgen -W '");
	for (size_t i = 0; i < opt_nrows; i++) {
		if (opt_rows[i].letter)
			buf_printf(b, "-%c ", opt_rows[i].letter);
		buf_printf(b, "--%s ", opt_rows[i].name);
	}
	buf_adds(b, "' -- \"$cur\"))\n\telse\n"
		    "\t\tCOMPREPLY=($(compgen -f -X '!*.bt' -- \"$cur\"; compgen -d -- \"$cur\"))\n"
		    "\tfi\n}\n"
		    "complete -o filenames -F _awl awl\n");
}

/* ---- zsh ---- */

static void zsh_argument(struct buf *b, const char *arg)
{
	const char *words = words_of(arg);

	buf_printf(b, ":%s:", arg);
	if (words)
		buf_printf(b, "(%s)", words);
	else if (strcmp(arg, "FILE") == 0)
		buf_adds(b, "_files");
	else if (strcmp(arg, "DIR") == 0)
		buf_adds(b, "_directories");
	else if (strcmp(arg, "PID") == 0)
		buf_adds(b, "_pids");
	else if (strcmp(arg, "COMMAND") == 0)
		buf_adds(b, "_command_names -e");
	else if (strcmp(arg, "PROGRAM") == 0)
		buf_adds(b, "_awl_program");
	else
		buf_addc(b, ' ');
}

static void zsh_option(struct buf *b, const struct opt_row *r)
{
	char letter[3] = {'-', r->letter, '\0'};

	buf_adds(b, "\t\t");
	if (r->letter)
		buf_printf(b, "'(-%c --%s)'{%s,--%s}'[", r->letter, r->name, letter, r->name);
	else
		buf_printf(b, "'--%s[", r->name);
	add_quoted(b, r->help, "[]:");
	buf_addc(b, ']');
	if (r->arg)
		zsh_argument(b, r->arg);
	buf_adds(b, "' \\\n");
}

static void zsh_script(struct buf *b)
{
	buf_adds(b,
		 "#compdef awl\n"
		 "# Completion of awl for zsh: put this as _awl into a directory of $fpath.\n\n"
		 "_awl_probes() {\n"
		 "\tlocal -a found\n"
		 "\tfound=(${(f)\"$(${words[1]} -l \"${PREFIX}*\" 2>/dev/null | head -n 500)\"})\n"
		 "\t(( $#found )) && compadd -a found\n"
		 "}\n\n"
		 "_awl_program() {\n"
		 "\tlocal -a found\n"
		 "\tfound=(${(f)\"$(${words[1]} --complete \"${(Q)PREFIX}\" 2>/dev/null)\"})\n"
		 "\t(( $#found )) && compadd -S '' -U -a found\n"
		 "}\n\n"
		 "_awl_script() {\n"
		 "\tif (( ${words[(I)-l|-lv|-vl|--list]} )); then\n"
		 "\t\t_awl_probes\n"
		 "\telse\n"
		 "\t\t_files -g '*.bt'\n"
		 "\tfi\n"
		 "}\n\n"
		 "_awl() {\n"
		 "\t_arguments -s \\\n");
	for (size_t i = 0; i < opt_nrows; i++)
		zsh_option(b, &opt_rows[i]);
	buf_adds(b,
		 "\t\t'1:script:_awl_script' '*:parameter: '\n"
		 "}\n\n"
		 "if [ \"$funcstack[1]\" = _awl ]; then _awl \"$@\"; else compdef _awl awl; fi\n");
}

/* ---- fish ---- */

static void fish_option(struct buf *b, const struct opt_row *r)
{
	const char *words = r->arg ? words_of(r->arg) : NULL;

	buf_adds(b, "complete -c awl");
	if (r->letter)
		buf_printf(b, " -s %c", r->letter);
	buf_printf(b, " -l %s", r->name);
	if (words)
		buf_printf(b, " -x -a '%s'", words);
	else if (r->arg && strcmp(r->arg, "PID") == 0)
		buf_adds(b, " -x -a '(__fish_complete_pids)'");
	else if (r->arg && strcmp(r->arg, "COMMAND") == 0)
		buf_adds(b, " -x -a '(__fish_complete_command)'");
	else if (r->arg && strcmp(r->arg, "PROGRAM") == 0)
		buf_adds(b, " -x -a '(__awl_program)'");
	else if (r->arg && strcmp(r->arg, "FILE") && strcmp(r->arg, "DIR"))
		buf_adds(b, " -x");
	else if (r->arg)
		buf_adds(b, " -r -F");
	buf_adds(b, " -d '");
	for (const char *s = r->help; *s; s++) {
		if (*s == '\'' || *s == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *s);
	}
	buf_adds(b, "'\n");
}

static void fish_script(struct buf *b)
{
	buf_adds(b, "# Completion of awl for fish: put this as awl.fish into its completions.\n"
		    "function __awl_probes\n"
		    "\tawl -l (commandline -ct)'*' 2>/dev/null | head -n 500\n"
		    "end\n"
		    "function __awl_program\n"
		    "\tset -l typed (commandline -ct | string replace -r '^[\\'\"]' '')\n"
		    "\tawl --complete \"$typed\" 2>/dev/null\n"
		    "end\n"
		    "complete -c awl -f\n"
		    "complete -c awl -n 'not __fish_contains_opt -s l list' -k "
		    "-a '(__fish_complete_suffix .bt)'\n"
		    "complete -c awl -n '__fish_contains_opt -s l list' -a '(__awl_probes)'\n");
	for (size_t i = 0; i < opt_nrows; i++)
		fish_option(b, &opt_rows[i]);
}

bool complete_script(const char *shell, struct buf *out)
{
	if (strcmp(shell, "bash") == 0)
		bash_script(out);
	else if (strcmp(shell, "zsh") == 0)
		zsh_script(out);
	else if (strcmp(shell, "fish") == 0)
		fish_script(out);
	else
		return false;
	return true;
}
