# what: FIN handling in CLOSING: the acknowledgement of ours does not end it
# file: dp/tcp/states.c
/^closing/,/^}/s/c->state == TCP_CLOSING/0/
