# what: a SYN ends the connection
# file: dp/tcp/check.c
/SYN/,/return false/s/^\tchallenge_ack(t, c);$/\tblock_close(t, c, TCP_CLOSED_RESET);/
