" :make checks the script and fills the quickfix list; gq formats.
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1
setlocal commentstring=//\ %s comments=s1:/*,mb:*,ex:*/,://
setlocal makeprg=awl\ --mode\ codegen\ %:S errorformat=%E%trror[%.%#]:\ %m,%W%tarning[%.%#]:\ %m,%C%*\\s-->\ %f:%l:%c,%C%.%#
setlocal formatprg=awl\ --fmt\ -
let b:undo_ftplugin = "setlocal commentstring< comments< makeprg< errorformat< formatprg<"
