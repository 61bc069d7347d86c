# what: FIN handling in ESTABLISHED: the program is not told
# file: dp/tcp/states.c
/^established/,/^}/s/tell_half_closed(t, c);/;/
