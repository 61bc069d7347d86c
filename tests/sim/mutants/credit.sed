# what: what the program holds does not close the window
# file: dp/tcp/reassembly.c
/^deliver(/,/^}/s/c->unread += len;/;/
