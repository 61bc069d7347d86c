# what: FIN handling in FIN-WAIT-1: the acknowledgement of ours is missed
# file: dp/tcp/states.c
/^fin_wait_1/,/^}/s/c->flags & BLOCK_FIN_ACKED/0/
