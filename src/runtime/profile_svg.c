/* Profiles as a flame graph: an SVG that needs nothing but a browser.
 *
 *   y   0 ┌───────────── title, search, reset ─┐      the root is at the bottom; a frame is as wide
 * as │      │ vfs_read │                  │      the share of the total in which it was on the │
 * work │   read   │    poll          │      stack; frames of one parent are in order of │ main │
 * their names, so that equal ones are merged h └────────────────────────────────────┘
 *
 * The samples come sorted by path: frames are opened and closed as the path changes, and a frame is
 * written when it closes. A click zooms into a frame, `/` or Ctrl-F searches (a regular
 * expression); the script of the document works on the rectangles themselves, there is no other
 * copy of the data. Frames thinner than a hundredth of a pixel are left out. Names come from traced
 * programs: they are escaped, and the script puts them into text nodes only.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/profile.h"

#define WIDTH    1200.0
#define ROW      17
#define TOP      46
#define BOTTOM   30
#define CHAR     6.6 /* of a monospaced letter of 11 pixels */
#define THINNEST 0.01

struct open_frame {
	const char *name;
	enum frame_kind kind;
	uint64_t from; /* of the sum of all samples before */
};

struct svg {
	const struct profile *p;
	struct buf *out;
	uint64_t total;
	uint32_t depth, rows;
	struct open_frame *open; /* the path, root first */
};

static void add_escaped(struct buf *out, const char *text, size_t most)
{
	for (size_t i = 0; text[i] && i < most; i++) {
		switch (text[i]) {
		case '<':
			buf_adds(out, "&lt;");
			break;
		case '>':
			buf_adds(out, "&gt;");
			break;
		case '&':
			buf_adds(out, "&amp;");
			break;
		case '"':
			buf_adds(out, "&quot;");
			break;
		default:
			buf_addc(out, text[i]);
		}
	}
}

/* Warm colours for programs, cold ones for the kernel, grey for other parts of keys; a name has the
 * same colour everywhere. */
static void add_color(struct buf *out, const struct open_frame *f)
{
	uint32_t h = str_hash(str_of(f->name)), a = h & 63, b = h >> 8 & 63;

	if (f->kind == FRAME_KEY)
		buf_printf(out, "rgb(%u,%u,%u)", 190 + a / 4, 190 + a / 4, 190 + a / 4);
	else if (f->kind == FRAME_KERNEL)
		buf_printf(out, "rgb(%u,%u,%u)", 90 + a, 150 + b, 215 + a / 2);
	else
		buf_printf(out, "rgb(%u,%u,%u)", 225 + a / 3, 110 + b * 2, 50 + a / 2);
}

/* Letters of UTF-8 are not cut. */
static size_t cut_at(const char *name, size_t most)
{
	size_t n = strlen(name);

	if (n <= most)
		return n;
	for (n = most; n && ((uint8_t)name[n] & 0xc0) == 0x80; n--)
		;
	return n;
}

static void add_label(struct buf *out, const char *name, double x, double y, double w)
{
	size_t room = w > 3 * CHAR ? (size_t)((w - 4) / CHAR) : 0, n = strlen(name);

	buf_printf(out, "<text x=\"%.2f\" y=\"%.0f\">", x + 3, y + 12);
	if (n <= room) {
		add_escaped(out, name, n);
	} else if (room > 2) {
		add_escaped(out, name, cut_at(name, room - 2));
		buf_adds(out, "..");
	}
	buf_adds(out, "</text></g>\n");
}

static void add_frame(struct svg *s, uint32_t depth, uint64_t to)
{
	const struct open_frame *f = &s->open[depth];
	double x = (double)f->from / (double)s->total * WIDTH;
	double w = (double)(to - f->from) / (double)s->total * WIDTH;
	double y = TOP + (double)(s->rows - 1 - depth) * ROW;

	if (w < THINNEST)
		return;
	buf_adds(s->out, "<g><title>");
	add_escaped(s->out, f->name, SIZE_MAX);
	buf_printf(s->out, "%s (%" PRIu64 ", %.2f%%)</title>",
		   f->kind == FRAME_KERNEL ? " [kernel]" : "", to - f->from,
		   (double)(to - f->from) * 100 / (double)s->total);
	buf_printf(s->out, "<rect x=\"%.3f\" y=\"%.0f\" width=\"%.3f\" height=\"%d\" fill=\"", x, y,
		   w, ROW - 1);
	add_color(s->out, f);
	buf_adds(s->out, "\"/>");
	add_label(s->out, f->name, x, y, w);
}

static void close_to(struct svg *s, uint32_t depth, uint64_t at)
{
	while (s->depth > depth)
		add_frame(s, --s->depth, at);
}

static void take_level(struct svg *s, uint32_t depth, const char *name, enum frame_kind kind,
		       uint64_t at)
{
	struct open_frame *f = &s->open[depth];

	if (depth < s->depth && f->name == name && f->kind == kind)
		return;
	close_to(s, depth, at);
	*f = (struct open_frame){name, kind, at};
	s->depth = depth + 1;
}

static void take_sample(struct svg *s, const struct profile_sample *sample, uint64_t at)
{
	uint32_t d = 0;

	take_level(s, d++, "all", FRAME_KEY, at);
	if (profile_rooted(s->p))
		take_level(s, d++, s->p->maps[sample->map], FRAME_KEY, at);
	for (uint32_t i = 0; i < sample->n; i++) {
		const struct profile_frame *f = profile_frame(s->p, sample, i);

		take_level(s, d++, f->name, f->kind, at);
	}
	close_to(s, d, at);
}

static const char script[] =
	"const W=1200,C=6.6,NS='http://www.w3.org/2000/svg';\n"
	"const $=id=>document.getElementById(id);\n"
	"const frames=[...document.querySelectorAll('#frames>g')].map(g=>{\n"
	"  const r=g.querySelector('rect'),t=g.querySelector('text'),n=g.querySelector('title');\n"
	"  const full=n.textContent;\n"
	"  return {g,r,t,full,name:full.replace(/(?: \\[kernel\\])? \\([^()]*\\)$/,''),\n"
	"    x:+r.getAttribute('x'),w:+r.getAttribute('width'),y:+r.getAttribute('y')};\n"
	"});\n"
	"const EPS=0.002;\n"
	"function label(f,x,w){\n"
	"  const room=Math.floor((w-4)/C);\n"
	"  f.t.setAttribute('x',x+3);\n"
	"  "
	"f.t.textContent=w<=3*C?'':f.name.length<=room?f.name:room>2?f.name.slice(0,room-2)+'..':''"
	";\n"
	"}\n"
	"function place(f,x,w){\n"
	"  f.g.style.display='';\n"
	"  f.r.setAttribute('x',x);f.r.setAttribute('width',Math.max(w,0));label(f,x,w);\n"
	"}\n"
	"function zoom(to){\n"
	"  const k=W/to.w;\n"
	"  for(const f of frames){\n"
	"    const above=f.y<=to.y,inside=f.x>=to.x-EPS&&f.x+f.w<=to.x+to.w+EPS;\n"
	"    const below=f.y>to.y&&f.x<=to.x+EPS&&f.x+f.w>=to.x+to.w-EPS;\n"
	"    f.g.classList.toggle('parent',below);\n"
	"    if(below)place(f,0,W);\n"
	"    else if(above&&inside)place(f,(f.x-to.x)*k,f.w*k);\n"
	"    else f.g.style.display='none';\n"
	"  }\n"
	"  $('reset').style.display=to===root?'none':'';\n"
	"}\n"
	"function reset(){zoom(root);}\n"
	"function search(term){\n"
	"  let re=null;\n"
	"  if(term)try{re=new RegExp(term,'i');}catch(e){\n"
	"    re=new RegExp(term.replace(/[.*+?^${}()|[\\]\\\\]/g,'\\\\$&'),'i');}\n"
	"  const hits=[];\n"
	"  for(const f of frames){\n"
	"    const hit=re!==null&&re.test(f.name);\n"
	"    f.g.classList.toggle('hit',hit);\n"
	"    if(hit)hits.push(f);\n"
	"  }\n"
	"  hits.sort((a,b)=>a.x-b.x||b.w-a.w);\n"
	"  let end=0,sum=0;\n"
	"  for(const f of hits){const to=f.x+f.w;if(to>end){sum+=to-Math.max(end,f.x);end=to;}}\n"
	"  $('found').textContent=re?hits.length+' frames, '+(sum*100/root.w).toFixed(2)+'%':'';\n"
	"}\n"
	"function ask(){const t=prompt('Search (regular expression; empty: none):');\n"
	"  if(t!==null)search(t);}\n"
	"const root=frames.reduce((a,b)=>b.y>a.y?b:a,frames[0]);\n"
	"for(const f of frames){\n"
	"  f.g.addEventListener('click',()=>zoom(f));\n"
	"  f.g.addEventListener('mouseover',()=>{$('about').textContent=f.full;});\n"
	"  f.g.addEventListener('mouseout',()=>{$('about').textContent='';});\n"
	"}\n"
	"$('search').addEventListener('click',ask);\n"
	"$('reset').addEventListener('click',reset);\n"
	"$('reset').style.display='none';\n"
	"window.addEventListener('keydown',e=>{\n"
	"  if(e.key==='/'||(e.key==='f'&&(e.ctrlKey||e.metaKey))){e.preventDefault();ask();}\n"
	"  if(e.key==='Escape'){reset();search('');}\n"
	"});\n";

static const char style[] = "text{font:11px monospace;pointer-events:none}\n"
			    ".button{pointer-events:all;cursor:pointer;fill:#05a}\n"
			    "#frames g{cursor:pointer}\n"
			    "#frames g:hover rect{stroke:#000;stroke-width:.6}\n"
			    ".parent{opacity:.55}\n"
			    ".hit rect{fill:#c3f}\n";

static void add_head(struct svg *s)
{
	double h = TOP + s->rows * ROW + BOTTOM;

	buf_adds(s->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	buf_printf(s->out,
		   "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
		   "width=\"%.0f\" height=\"%.0f\">\n<style>\n%s</style>\n",
		   WIDTH, h, WIDTH, h, style);
	buf_printf(s->out,
		   "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		   "<text x=\"3\" y=\"18\" style=\"font-size:15px\">Flame graph, %" PRIu64
		   " in all</text>\n"
		   "<text id=\"reset\" class=\"button\" x=\"3\" y=\"36\">Reset zoom</text>\n"
		   "<text id=\"search\" class=\"button\" x=\"1140\" y=\"18\">Search</text>\n"
		   "<text id=\"found\" x=\"1000\" y=\"36\"></text>\n"
		   "<text id=\"about\" x=\"3\" y=\"%.0f\"></text>\n<g id=\"frames\">\n",
		   s->total, h - 10);
}

/* A document without samples still has its root. */
void profile_svg(struct profile *p, struct buf *out)
{
	uint32_t rows = profile_deepest(p) + 1;
	struct svg s = {.p = p, .out = out, .rows = rows};
	uint64_t at = 0;

	s.open = arena_array_of(p->arena, struct open_frame, rows + 1);
	for (size_t i = 0; i < p->samples.n; i++)
		s.total += p->samples.v[i].value;
	add_head(&s);
	for (size_t i = 0; i < p->samples.n; i++) {
		take_sample(&s, &p->samples.v[i], at);
		at += p->samples.v[i].value;
	}
	if (s.depth == 0) {
		s.total = at = 1;
		take_level(&s, 0, "all", FRAME_KEY, 0);
	}
	close_to(&s, 0, at);
	buf_printf(out, "</g>\n<script>\n<![CDATA[\n%s]]>\n</script>\n</svg>\n", script);
}
