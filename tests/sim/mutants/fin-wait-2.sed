# what: FIN handling in FIN-WAIT-2: the FIN of the peer does not lead to TIME-WAIT
# file: dp/tcp/states.c
/^fin_wait_2/,/^}/s/c->state == TCP_FIN_WAIT_2/0/
