# what: FIN handling in LAST-ACK: the acknowledgement of ours does not end it
# file: dp/tcp/states.c
/^last_ack/,/^}/s/c->state == TCP_LAST_ACK/0/
