# what: a buffer that is cut in two still counts as one
# file: dp/tcp/output.c
/^split_head(/,/^}/s/\thold(t, c, 1);/\t;/
