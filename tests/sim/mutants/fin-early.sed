# what: a FIN is taken before the data in front of it
# file: dp/tcp/reassembly.c
s/c->fin_seq != c->rcv_nxt/0/
