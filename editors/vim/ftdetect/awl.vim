" Scripts of awl and bpftrace, by name or by their first line.
autocmd BufNewFile,BufRead *.bt setfiletype awl
autocmd BufNewFile,BufRead * if getline(1) =~# '^#!.*\<\(awl\|bpftrace\)\>' | setfiletype awl | endif
