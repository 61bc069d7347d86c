# what: a flight is taken away though out-of-order data needs it
# file: dp/tcp/flight.c
s/ && !f->run_bytes;/;/
