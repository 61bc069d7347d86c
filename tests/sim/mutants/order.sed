# what: data out of order is delivered as it comes
# file: dp/tcp/reassembly.c
s/if (s->len \&\& s->seq != c->rcv_nxt) {/if (0) {/
