# what: who finds no flight is not tried again
# file: dp/tcp/output.c
/^send_data/,/^}/{/flight_take/,/}/s/starve(t, c);/;/}
