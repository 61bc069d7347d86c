# what: no TIME-WAIT
# file: dp/tcp/time_wait.c
/^time_wait_enter/,/^}/s/^{$/{\n\tblock_close(t, c, TCP_CLOSED_DONE);\n\treturn;/
