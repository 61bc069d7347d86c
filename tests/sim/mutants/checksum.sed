# what: wrong checksums are taken
# file: dp/tcp/segment.c
s/if (p->checked)/if (1)/
