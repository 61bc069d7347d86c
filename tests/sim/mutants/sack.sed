# what: SACK blocks are not read
# file: dp/tcp/ack.c
s/if (c->flags & BLOCK_SACK && s->option_bytes/if (0 \&\& c->flags \& BLOCK_SACK \&\& s->option_bytes/
