# what: data that was there already is delivered again
# file: dp/tcp/reassembly.c
s/if (seq_lt(s->seq, c->rcv_nxt)) {/if (0) {/
