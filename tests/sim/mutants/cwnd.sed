# what: the congestion window holds nothing back
# file: dp/tcp/output.c
s/if (pipe + want > r->cubic.cwnd) {/if (0) {/
