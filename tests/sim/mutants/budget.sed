# what: data is queued whatever the budget of buffers
# file: dp/tcp/user.c
s/!may_queue(t, c, chain->nb_segs)/0/
