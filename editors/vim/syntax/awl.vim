" Vim syntax of awl and bpftrace scripts. Made by editors/gen: change that.
if exists("b:current_syntax")
  finish
endif

syn match awlOperator "<<=\|>>=\|!=\|%=\|&&\|&=\|\*=\|++\|+=\|--\|-=\|->\|\.\.\|\/=\|<<\|<=\|==\|>=\|>>\|\^=\||=\|||\|!\|%\|&\|\*\|+\|-\|\.\|:\|<\|=\|>\|?\|\^\||\|\~"
hi def link awlOperator Operator
syn keyword awlControl break continue else for if return unroll while
hi def link awlControl Statement
syn keyword awlKeyword comptime config enum fn import let macro offsetof sizeof struct typeinfo typeof union
hi def link awlKeyword Keyword
syn keyword awlBoolean true false
hi def link awlBoolean Boolean
syn keyword awlType bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 void string buffer inet struct union enum
hi def link awlType Type
syn keyword awlFunction assert assert_str avg bswap buf cat cgroup cgroup_path cgroupid clear comm config count cpid cpu curtask debugf default_str_length delete dw_ustack elapsed errorf exit fail find func getopt gid golabel govalue has_cpid has_key hist is_array is_err is_integer is_literal is_ptr is_str is_unsigned_integer jiffies join kaddr kfunc_allowed kfunc_exist kptr kstack ksym leader_comm leader_tid len lhist macaddr max memcmp min ncpus nil nsecs ntop numaid override path pcomm percpu_kaddr pid ppid print printf probe probename probetype pton rand reg seconds signal signal_name signal_thread skboutput socket_cookie static_assert stats str str_concat strcap strcontains strerror strftime strlen strncmp strstr sum syscall_name system tid time tseries uaddr uid unwatch uptr usermode username ustack usym warnf watch write_user zero
hi def link awlFunction Function
syn match awlArg "\<arg\d\+\>"
hi def link awlArg Function
syn match awlProbe "\<\(asyncwatchpoint\|rawtracepoint\|tracepoint\|watchpoint\|kretprobe\|uretprobe\|hardware\|interval\|kretfunc\|software\|profile\|fentry\|kprobe\|uprobe\|begin\|bench\|fexit\|goret\|kfunc\|iter\|self\|test\|usdt\|end\|aw\|fr\|go\|it\|kr\|rt\|ur\|U\|f\|h\|i\|k\|p\|s\|t\|u\|w\)\ze:"
syn match awlProbe "\<\(begin\|end\|BEGIN\|END\)\>"
hi def link awlProbe Identifier
syn match awlMap "@\w*"
hi def link awlMap Special
syn match awlVariable "\$\(\w\+\|#\)"
hi def link awlVariable PreProc
syn match awlNumber "\<\(0[xX][0-9a-fA-F_]\+\|\d[0-9_]*\(e\d\+\)\?\(ns\|us\|ms\|[smhdulUL]\+\)\?\)\>"
hi def link awlNumber Number
syn match awlEscape contained "\\\(x\x\{1,2}\|\o\{1,3}\|.\)"
hi def link awlEscape SpecialChar
syn match awlFormat contained "%[-+ #0]*\d*\(\.\d\+\)\?\(hh\|h\|ll\|l\)\?[a-zA-Z%]"
hi def link awlFormat SpecialChar
syn region awlString start=+"+ skip=+\\.+ end=+"+ oneline contains=awlEscape,awlFormat
hi def link awlString String
syn match awlPreProc "^\s*#.*$"
hi def link awlPreProc PreProc
syn keyword awlTodo contained TODO FIXME XXX
hi def link awlTodo Todo
syn region awlComment start="/\*" end="\*/" contains=awlTodo
syn match awlComment "//.*$" contains=awlTodo
hi def link awlComment Comment

let b:current_syntax = "awl"
