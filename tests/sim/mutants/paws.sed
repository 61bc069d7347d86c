# what: old timestamps are taken
# file: dp/tcp/check.c
s/if (seq_lt(s->ts_value, c->ts_recent)/if (0/
