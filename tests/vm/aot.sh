# Sourced by cases.sh: programs that were compiled on the host's kernel (tests/vm/aot) and run here. "loaded" looks
# for offsets that were moved; what follows shows that what is read there is right.
aot=/files/aot
unset AWL_MAX_PROBES # a setting that was not there when they were made
moved='Loaded as compiled: [0-9]+ facts, [1-9][0-9]* moved, [0-9]+ relocations'

needs BTF aot_fields '1 is awl, child of 1' $aot/fields.awlc
needs BTF aot_fields_moved "$moved" -v $aot/fields.awlc
needs BTF aot_bits '0 0' $aot/bits.awlc
needs BTF aot_nested '1' $aot/nested.awlc
needs TP_BTF aot_rawtp '@\[.*\]: [1-9][0-9]*' $aot/rawtp.awlc
needs TP_BTF aot_rawtp_moved "$moved" -v $aot/rawtp.awlc
expect aot_args '@\[.*\]: *' $aot/args.awlc
expect aot_exec 'exec /bin/true' -c /bin/true $aot/exec.awlc
needs ITER aot_iter 'awl [0-9]+' $aot/iter.awlc
needs FOR_EACH_MAP aot_loop '@s: 6' $aot/loop.awlc
