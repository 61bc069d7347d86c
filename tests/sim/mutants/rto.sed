# what: the retransmission timer is never set
# file: dp/tcp/recovery.c
s/timer_send(t, c, TIMER_RTO, rto);/;/
