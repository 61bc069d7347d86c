# what: a closed window is not probed
# file: dp/tcp/output.c
/^persist_if_stuck/,/^}/s/timer_send(t, c, TIMER_PERSIST/if (0) timer_send(t, c, TIMER_PERSIST/
