# what: segments outside the window are taken
# file: dp/tcp/check.c
s/if (!in_window(c, s)) {/if (0) {/
