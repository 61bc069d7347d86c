# what: the retransmission timer does not double
# file: dp/tcp/recovery.c
/^recovery_timeout/,/^}/s/rtt_back_off(&r->rtt);/;/
