# what: out-of-order data is not freed at the end
# file: dp/tcp/block.c
s/^\truns_free(t, c);/\t;/
