# what: SACK blocks are not read
# file: dp/tcp/ack.c
s/if (tells_more(c, s)) {/if (0) {/
