# Penstock. `make` builds build/penstockd and build/penstock; `make help` lists the rest.
B      ?= build
CC     ?= gcc
PKGS   := libdpdk libconfig jansson libmnl
CFLAGS ?= -O2 -g
CFLAGS += -std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
