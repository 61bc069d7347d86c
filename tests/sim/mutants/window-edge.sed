# what: the window is counted from the new left edge although it was not said again
# file: dp/tcp/ack.c
s/if (!seq_lt(c->snd_una, s->ack) \&\& /if (/
