# what: a RST anywhere in the window ends the connection
# file: dp/tcp/check.c
s/if (s->seq != c->rcv_nxt) {/if (0) {/
