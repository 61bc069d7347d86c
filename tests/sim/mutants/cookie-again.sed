# what: a SYN cookie may be redeemed again
# file: dp/tcp/listen.c
s/if (cookie_memory_has(.*)) {/if (0) {/
