# SPDX-License-Identifier: Apache-2.0
# Penstock. `make` builds build/penstockd and build/penstock; `make help` lists the rest.
#
# Sources are found by wildcard: a new file needs no line here. Objects lie in $(B)/obj, so a
# build with sanitizers (SAN=1) or another compiler (CC=clang B=build/clang) lives beside the
# usual one. The one with sanitizers is clang's: the fuzz targets are linked from the same objects.

SAN  ?=
ifeq ($(origin CC),default)
CC   := $(if $(SAN),clang,gcc)
endif
B    ?= build$(if $(SAN),/san)
MARCH ?= native

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR    ?= /lib/systemd/system
FUZZ_SECONDS ?= 60

# V=1 shows the commands, -s nothing.
silent := $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
say = $(if $(V),,@$(if $(silent),,printf '  %-4s %s\n' $(1) $@;))

comma := ,

# ---- flags ------------------------------------------------------------------------------------
PKGS := libdpdk libconfig jansson libmnl libmicrohttpd libcurl libpcre2-8

# Headers of others are system headers: their warnings are not ours. DPDK's own -march comes before
# ours, so ours counts.
pkg_cflags = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(1) 2>/dev/null))
pkg_libs   = $(shell pkg-config --libs $(1) 2>/dev/null)
# mbedTLS is our own build of it if the system's is none that suits (tools/dev/mbedtls.sh); builds share it.
MBEDTLS := $(wildcard build/deps/mbedtls)
MBEDTLS_CFLAGS := $(if $(MBEDTLS),-isystem $(MBEDTLS)/include,$(call pkg_cflags,mbedtls))
MBEDTLS_LIBS   := $(if $(MBEDTLS),$(patsubst %,$(MBEDTLS)/lib/libmbed%.a,tls x509 crypto),-lmbedtls -lmbedx509 -lmbedcrypto)
# Whose arithmetic handshakes use: mbedTLS's own, or OpenSSL's by what the file of this name puts in the place of these.
TLS_ARITHMETIC ?= mbedtls
ARITHMETIC := $(wildcard cp/tls/arithmetic_$(TLS_ARITHMETIC)*.c)
ifneq ($(TLS_ARITHMETIC),mbedtls)
ifeq ($(ARITHMETIC),)
$(error TLS_ARITHMETIC is mbedtls or openssl)
endif
ifeq ($(MBEDTLS),)
$(error TLS_ARITHMETIC=$(TLS_ARITHMETIC) needs an mbedTLS of our own: tools/dev/mbedtls.sh --own builds it)
endif
WRAPPED := Hacl_Curve25519_crypto_scalarmult mbedtls_ecp_mul mbedtls_ecp_mul_restartable mbedtls_ecdsa_write_signature \
           mbedtls_ecdsa_read_signature mbedtls_rsa_pkcs1_sign mbedtls_rsa_rsassa_pss_sign_no_mode_check mbedtls_rsa_free \
           $(foreach part,update finish,mbedtls_sha256_$(part) mbedtls_sha512_$(part))
# x25519 is what they call of a library that is linked before them, too.
MBEDTLS_LIBS := $(patsubst %,-Wl$(comma)--wrap=%,$(WRAPPED)) -Wl,-u,x25519 $(patsubst %.c,$(B)/obj/%.o,$(ARITHMETIC)) $(MBEDTLS_LIBS) -lcrypto
endif
# ipsec-mb has no file for pkg-config.
DEP_CFLAGS := $(MBEDTLS_CFLAGS) $(call pkg_cflags,$(PKGS))
DEP_LIBS   := $(MBEDTLS_LIBS) $(call pkg_libs,$(PKGS)) -lIPSec_MB -lpthread -lm
TOOL_LIBS  := $(call pkg_libs,jansson)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# What libFuzzer wants to see of the code; other programs do not mind.
COVERAGE := $(if $(findstring clang,$(CC)),-fsanitize=fuzzer-no-link)

# Tests build these anew each time, and run them shortly.
CFLAGS ?= $(if $(SAN),-O1 -g1,-O2 -g)
# What gcc 12 makes of neighbouring scalars in vector registers costs more than it saves.
OPT := -fno-tree-slp-vectorize
ALL_CFLAGS = $(DEP_CFLAGS) -march=$(MARCH) -std=gnu11 -D_GNU_SOURCE -I. -I$(B)/gen $(WARN) \
             -MMD -MP $(OPT) $(CFLAGS) $(if $(SAN),$(SANFLAGS) $(COVERAGE))
# What workers run is many small functions in many files, which gcc optimizes as one program where that counts. Their
# objects have both: other programs are linked as ever, which takes a moment and not half a minute. `make WHOLE=` does
# without, for who builds often.
WHOLE := $(if $(SAN)$(findstring clang,$(CC)),,-flto=auto)
LINKED = $(if $(WHOLE),-fno-lto)
ALL_LDFLAGS = $(LDFLAGS) $(LINKED) $(if $(SAN),$(SANFLAGS) -fuse-ld=lld)

# ---- sources ----------------------------------------------------------------------------------
LIB_SRC   := $(sort $(wildcard lib/*.c lib/*/*.c))
DP_SRC    := $(sort $(wildcard dp/*.c dp/*/*.c))
CP_SRC    := $(sort $(filter-out cp/main.c cp/tls/arithmetic_%,$(wildcard cp/*.c cp/*/*.c)))
CP_MAIN   := $(wildcard cp/main.c)
TOOL_SRC  := $(sort $(wildcard tools/*.c))
UNIT_SRC  := $(sort $(wildcard tests/unit/*.c))
STAGE_SRC := $(sort $(wildcard tests/stage/*.c)) tests/sim/nic.c tests/sim/wire.c tests/unit/tls_peer.c tests/unit/tls_bytes.c
CONTROL_SRC := $(sort $(wildcard tests/control/*.c))
SIM_SRC   := $(sort $(wildcard tests/sim/*.c))
SCRIPT_SRC := $(sort $(wildcard tests/tcp/script/*.c)) tests/sim/wire.c tests/sim/nic.c tests/sim/content.c
PEER_SRC  := $(sort $(wildcard tests/tcp/peer/*.c))
FUZZ_SRC  := $(sort $(wildcard tests/fuzz/*.c))
BENCHES   := $(patsubst bench/%/main.c,%,$(sort $(wildcard bench/*/main.c)))

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
LIB_A := $(B)/lib.a
DP_A  := $(B)/dp.a
CP_A  := $(B)/cp.a
OBJS  := $(call obj,$(LIB_SRC) $(DP_SRC) $(CP_SRC) $(CP_MAIN) $(TOOL_SRC) $(ARITHMETIC))

PROGRAMS := $(if $(CP_MAIN),$(B)/penstockd) $(if $(TOOL_SRC),$(B)/penstock)
MANUALS  := $(patsubst tools/man/%,$(B)/man/%,$(wildcard tools/man/*.[1-8]))
FUZZERS  := $(patsubst tests/fuzz/%.c,$(B)/fuzz_%,$(FUZZ_SRC))

.PHONY: bench bench-short bench-instructions bench-limits limits all test-programs print-cflags warnings have-packages deps unit stage control sim sim-mutants tcp tcp-linux tcp-linux-long conf admin packets e2e e2e-long fuzz fuzzers san check-testssl check-vhost check-tls-arithmetic e2e-tls-arithmetic tls-e2e lint check demo lab benches \
        lab-down install help clean FORCE

# ---- the programs -----------------------------------------------------------------------------
all: $(OBJS) $(LIB_A) $(DP_A) $(CP_A) $(PROGRAMS) $(MANUALS)

$(OBJS): | have-packages

have-packages:
	@pkg-config --exists $(PKGS) || { \
	  echo "Penstock needs the development packages of: $(PKGS); 'sudo make deps' installs them" >&2; \
	  exit 1; }
	@test -n "$(MBEDTLS)" || pkg-config --exists 'mbedtls >= 3.6' 'mbedtls < 4' || { \
	  echo "Penstock needs mbedTLS 3.6; 'sudo make deps' builds it where the system has none" >&2; exit 1; }

$(B)/penstockd: $(call obj,$(CP_MAIN)) $(CP_A) $(DP_A) $(LIB_A)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)

$(B)/penstock: $(call obj,$(TOOL_SRC)) $(LIB_A)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TOOL_LIBS)

# The program knows its settings, metrics and drop reasons best: a line @SETTINGS@ stands for them.
$(B)/man/%: tools/man/% $(B)/penstockd
	@mkdir -p $(@D)
	$(call say,MAN)awk -v penstockd=$(B)/penstockd '/^@[A-Z]+@$$/ { \
	  part = tolower(substr($$0, 2, length($$0) - 2)); \
	  if (system(penstockd " --manual " part) != 0) exit 1; next } { print; fflush() }' $< > $@.new
	@mv $@.new $@

# Archives are made anew, so that the object of a removed file does not stay in them.
define archive
$(1): $(2)
	@rm -f $$@ && mkdir -p $$(@D) && ar rcs $$@ $(2)
endef
$(eval $(call archive,$(LIB_A),$(call obj,$(LIB_SRC))))
$(eval $(call archive,$(DP_A),$(call obj,$(DP_SRC))))
$(eval $(call archive,$(CP_A),$(call obj,$(CP_SRC))))

# What is linked with mbedTLS is linked with this archive, too.
$(LIB_A): $(call obj,$(ARITHMETIC))

ifneq ($(WHOLE),)
$(call obj,$(LIB_SRC) $(DP_SRC)): private OBJECT := $(WHOLE) -ffat-lto-objects
$(B)/penstockd $(B)/bench-stages $(B)/bench-tcp $(B)/bench-http: private LINKED := $(WHOLE) $(CFLAGS)
endif

# The control plane waits more than it computes: under sanitizers it, too, is compiled for a short build.
ifdef SAN
$(call obj,$(CP_SRC) $(CP_MAIN) $(TOOL_SRC)): private CFLAGS := -O0 -g1
endif

# Where no packet format forces narrowing on every line, narrowing has to be written down.
$(B)/obj/lib/%.o: private STRICT := -Wconversion -Wno-sign-conversion

# Tests find faults in what they call, not in themselves: under sanitizers theirs are compiled for a short build.
ifdef SAN
$(foreach suite,unit stage control tcp/script,$(B)/obj/tests/$(suite)/%.o): private COVERAGE :=
$(foreach suite,unit stage control tcp/script,$(B)/obj/tests/$(suite)/%.o): private CFLAGS := -O0 -g1
endif

$(B)/obj/%.o: %.c $(B)/gen/flags | $(B)/gen/version.h
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALL_CFLAGS) $(STRICT) $(OBJECT) -c -o $@ $<

# Rewritten only when the content changes: a new commit rebuilds only what prints the version. Two runs of
# make may do so at a time, hence the shell's number.
keep_if_new = > $@.$$$$ && { cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@; }
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null | sed 's/^v//' | \
             grep -E '^[0-9]+\.[0-9]' || echo 0.1.0-dev)
$(B)/gen/version.h: FORCE
	@mkdir -p $(@D)
	@{ echo '/* Generated by the Makefile. */'; \
	   echo '#define PENSTOCK_VERSION "$(VERSION)"'; \
	   echo '#define PENSTOCK_DPDK "DPDK $(shell pkg-config --modversion libdpdk 2>/dev/null)"'; \
	   echo '#define PENSTOCK_BUILD "$(notdir $(CC)) $(MARCH)$(if $(SAN), sanitizers)$(if $(ARITHMETIC), TLS arithmetic of $(TLS_ARITHMETIC))"'; } $(keep_if_new)

# Other flags, another compiler or another mbedTLS of our own: everything is built again.
$(B)/gen/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(WHOLE) $(WRAPPED)' $(if $(MBEDTLS),$$(cat $(MBEDTLS)/recipe $(MBEDTLS)/lib/*.a | cksum)) $(keep_if_new)

# ---- tests ------------------------------------------------------------------------------------
# Each suite ends with one line `N passed, N failed`. A suite is there when its files are there.
# The HTTP codec and the record layer of TLS are compared with others, which only these tests know.
$(B)/unit-tests: $(call obj,$(UNIT_SRC)) $(CP_A) $(DP_A) $(LIB_A)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS) -lcunit -lhttp_parser -lssl -lcrypto

$(B)/stage-tests: $(call obj,$(STAGE_SRC)) $(CP_A) $(DP_A) $(LIB_A)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS) -lcunit -lssl -lcrypto

$(B)/control-tests: $(call obj,$(CONTROL_SRC)) $(CP_A) $(DP_A) $(LIB_A)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS) -lcunit

# The workers' TCP in virtual time: many seeds, and scripts segment by segment.
SEEDS ?= $(if $(SAN),500,20000)
FIRST ?= 1
$(B)/sim: $(call obj,$(SIM_SRC)) $(DP_A) $(LIB_A)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)

$(B)/tcp-tests: $(call obj,$(SCRIPT_SRC)) $(DP_A) $(LIB_A)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS) -lcunit

$(B)/tcp-peer: $(call obj,$(PEER_SRC)) $(DP_A) $(LIB_A)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)

SUITE_ENV = PENSTOCKD=$(abspath $(B)/penstockd) PENSTOCK=$(abspath $(B)/penstock) \
            BUILD=$(abspath $(B)) SAN=$(SAN) PYTHONDONTWRITEBYTECODE=1 \
            ASAN_OPTIONS=$${ASAN_OPTIONS:-abort_on_error=1:detect_leaks=1} \
            LSAN_OPTIONS=$${LSAN_OPTIONS:-suppressions=$(CURDIR)/tools/dev/lsan.supp:print_suppressions=0} \
            UBSAN_OPTIONS=$${UBSAN_OPTIONS:-print_stacktrace=1}

unit: $(B)/unit-tests
	@$(SUITE_ENV) $(B)/unit-tests
stage: $(B)/stage-tests
	@/usr/bin/python3 tests/stage/make_vectors.py --check
	@$(SUITE_ENV) $(B)/stage-tests
control: $(B)/control-tests
	@$(SUITE_ENV) $(B)/control-tests
sim: $(B)/sim
	@$(SUITE_ENV) $(B)/sim --regressions tests/sim/regressions --seeds $(SEEDS) --first $(FIRST)
sim-mutants: $(B)/sim
	@tests/sim/mutants.sh $(B)
tcp: $(B)/tcp-tests
	@$(SUITE_ENV) $(B)/tcp-tests
tcp-linux: $(B)/tcp-peer
	@$(SUITE_ENV) /usr/bin/python3 tests/tcp/run.py
tcp-linux-long: $(B)/tcp-peer
	@$(SUITE_ENV) /usr/bin/python3 tests/tcp/run.py --long
check-testssl: all
	@$(SUITE_ENV) /usr/bin/python3 tests/e2e/run.py "testssl.sh by"
conf admin packets e2e: all
	@$(SUITE_ENV) /usr/bin/python3 tests/$@/run.py
# 10,000 WebSockets through 200 changes, bodies of 1 GB each way, 50,000 traced requests. Not part of check.
e2e-long: all
	@$(SUITE_ENV) E2E_LONG=1 /usr/bin/python3 tests/e2e/run.py "many through many changes" "large bodies" "and a share of the rest"

test-programs: $(if $(UNIT_SRC),$(B)/unit-tests) $(if $(STAGE_SRC),$(B)/stage-tests) \
               $(if $(CONTROL_SRC),$(B)/control-tests) $(B)/sim $(B)/tcp-tests $(B)/tcp-peer

# libFuzzer needs clang and SAN=1. What a target found interesting is kept in tests/fuzz/corpus/NAME.
$(B)/fuzz_%: $(B)/obj/tests/fuzz/%.o $(CP_A) $(DP_A) $(LIB_A)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) $(DEP_LIBS)
$(B)/fuzz_tls_handshake $(B)/fuzz_tls_backend: $(call obj,tests/unit/tls_mbed.c)
$(B)/fuzz_tls_jobs: $(call obj,$(addprefix tests/unit/,tls_caller.c tls_mbed.c tls_bytes.c))
$(B)/fuzz_tcp: $(call obj,tests/sim/wire.c tests/sim/nic.c)
$(B)/fuzz_quick: $(call obj,$(addprefix tests/stage/,worlds.c fixture.c flows.c frames.c))
$(B)/fuzz_http_session: $(call obj,$(addprefix tests/stage/,http_world.c http_reader.c proxy_wire.c fixture.c) tests/sim/nic.c tests/sim/wire.c)
fuzzers: $(FUZZERS)

fuzz:
	$(MAKE) SAN=1 fuzzers
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_KEEP=1 tools/dev/fuzz.sh build/san

san:
	tools/dev/check.sh san

# The other arithmetic of handshakes passes the unit tests, and what has been found for the handshakes' fuzz targets.
WITH_OPENSSL = $(MAKE) TLS_ARITHMETIC=openssl
HANDSHAKE_FUZZERS := tls_handshake tls_backend tls_jobs
check-tls-arithmetic:
	$(WITH_OPENSSL) B=build/openssl unit
	$(WITH_OPENSSL) B=build/openssl/san SAN=1 unit $(addprefix build/openssl/san/fuzz_,$(HANDSHAKE_FUZZERS))
	for f in $(HANDSHAKE_FUZZERS); do build/openssl/san/fuzz_$$f -runs=0 tests/fuzz/corpus/$$f || exit 1; done

# ... and end to end: all that does handshakes. SUITE_ENV is the other build's.
e2e-tls-arithmetic:
	$(WITH_OPENSSL) B=build/openssl all
	@$(WITH_OPENSSL) --no-print-directory -s B=build/openssl tls-e2e
tls-e2e:
	@$(SUITE_ENV) /usr/bin/python3 tests/e2e/run.py "TLS, IPv" "TLS to backends" "HTTPS client" "HTTPS, IPv" "twice under load"

# In a virtual machine, because few machines that run tests have a vhost-net. Not part of check.
check-vhost: deps
	tests/vm/run.sh

lint: all
	tools/dev/lint.py

# What another compiler says of the sources that the tests are not made of, without objects: the build with sanitizers
# is clang's, so it is only the benches.
WARNED := $(patsubst %.c,$(B)/warned/%,$(sort $(wildcard bench/*.c bench/*/*.c)))
$(B)/warned/%: %.c $(B)/gen/flags | $(B)/gen/version.h
	@mkdir -p $(@D)
	$(call say,WARN)$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -fsyntax-only $< && touch $@
warnings: $(WARNED)

# For tools that want to parse the sources as the compiler does.
print-cflags:
	@echo '$(filter-out -MMD -MP,$(ALL_CFLAGS))'

check: deps
	tools/dev/check.sh

# ---- to try it out ----------------------------------------------------------------------------
demo lab: deps
	$(MAKE) -j$$(nproc) all
	@$(SUITE_ENV) /usr/bin/python3 tests/lab/lab.py $(patsubst lab,up,$@)
lab-down:
	@$(SUITE_ENV) /usr/bin/python3 tests/lab/lab.py down

# ---- benches ----------------------------------------------------------------------------------
# bench/NAME/*.c and bench/common/*.c make build/bench-NAME.
define bench_program
$(B)/bench-$(1): $(call obj,$(sort $(wildcard bench/$(1)/*.c bench/common/*.c))) $(CP_A) $(DP_A) $(LIB_A)
	$$(call say,LINK)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(DEP_LIBS)
endef
# The ports of this one are rings.
$(B)/bench-limits: private DEP_LIBS += -lrte_net_ring
# The clients of these are OpenSSL's.
$(B)/bench-tls $(B)/bench-handshakes: private DEP_LIBS += -lssl -lcrypto
$(B)/bench-tls: $(call obj,$(addprefix tests/unit/,tls_peer.c tls_bytes.c))
$(foreach name,$(BENCHES),$(eval $(call bench_program,$(name))))
benches: $(addprefix $(B)/bench-,$(BENCHES))

# No card, two cores, some fifteen minutes: a table, and $(B)/bench/result.json. Handshakes are measured with either arithmetic,
# where the mbedTLS is one that OpenSSL's goes with.
bench: all benches
	$(if $(MBEDTLS),@$(WITH_OPENSSL) --no-print-directory B=$(B)/openssl all $(B)/openssl/bench-tls $(B)/openssl/bench-proxy)
	@$(SUITE_ENV) /usr/bin/python3 bench/run.py $(BENCH)

# The costs' shape as a test, in seconds.
bench-short: all $(B)/bench-stages $(B)/bench-generator $(B)/bench-proxy
	@$(SUITE_ENV) /usr/bin/python3 bench/short.py

# Instructions per packet by stage and source file, for processors that do not count them; ten minutes. callgrind knows no AVX-512.
bench-instructions:
	@$(MAKE) --no-print-directory B=$(B)/count MARCH=x86-64-v3 WHOLE= $(B)/count/bench-stages
	@BUILD=$(abspath $(B)/count) /usr/bin/python3 bench/instructions.py

# Are limits exact? In real time with the table for people, and quickly as a test (whose sanitized run, nine times as long for the
# processor, is of two workers alone).
bench-limits: $(B)/bench-limits
	@$(B)/bench-limits
limits: $(B)/bench-limits
	@$(SUITE_ENV) $(B)/bench-limits --virtual --seconds 2 $(if $(SAN),--workers 2)

# ---- the machine ------------------------------------------------------------------------------
deps:
	@tools/dev/deps.sh

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(SYSCONFDIR)/penstock
	install -m 755 $(B)/penstockd $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 $(B)/penstock $(DESTDIR)$(PREFIX)/bin/
	for page in $(MANUALS); do \
	  install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; done
	if test -f conf/penstock.service; then install -d $(DESTDIR)$(UNITDIR) && \
	  sed 's|@SBINDIR@|$(PREFIX)/sbin|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g; s|@BINDIR@|$(PREFIX)/bin|g' \
	  conf/penstock.service > $(DESTDIR)$(UNITDIR)/penstock.service; fi
	if test -f tools/completion/penstock.bash; then install -D -m 644 tools/completion/penstock.bash \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/penstock; fi
	install -d $(DESTDIR)$(PREFIX)/share/doc/penstock/examples
	for f in $(wildcard conf/*.conf); do \
	  install -m 644 $$f $(DESTDIR)$(PREFIX)/share/doc/penstock/examples/ || exit 1; done
	if test -n "$(MBEDTLS)"; then \
	  install -m 644 $(MBEDTLS)/LICENSE $(DESTDIR)$(PREFIX)/share/doc/penstock/LICENSE.mbedtls; fi

help:
	@echo 'make            build build/penstockd and build/penstock'
	@echo 'sudo make demo  set up the machine, build, and watch a lab of network namespaces work'
	@echo 'sudo make check set up the machine, build, run every test; ends with N passed, N failed'
	@echo 'sudo make lab   the lab of the demo, left standing; sudo make lab-down removes it'
	@echo 'sudo make deps  install missing Debian packages, build mbedTLS where it is missing, set hugepages'
	@echo 'make unit stage tcp sim control conf admin packets tcp-linux e2e limits bench-short    one suite'
	@echo 'make sim SEEDS=100000   more runs of the TCP simulation; make sim-mutants: does it notice missing rules?'
	@echo 'make e2e-long   10,000 WebSockets through 200 changes, bodies of 1 GB, 50,000 traced requests; some ten minutes'
	@echo 'make bench      how fast, beside what the wire itself can do; BENCH="stages" for one part'
	@echo 'make bench-instructions   instructions per packet by stage and source file (callgrind; ten minutes)'
	@echo 'make bench-limits   are limits exact, for 1, 2 and 4 workers? ten seconds for each line'
	@echo 'make fuzz       each fuzz target for FUZZ_SECONDS (60); the corpus is kept'
	@echo 'make san        the suites under AddressSanitizer and UndefinedBehaviourSanitizer'
	@echo 'sudo make check-testssl  what testssl.sh finds at an HTTPS listener; two minutes'
	@echo 'sudo make check-vhost  twins behind vhost-net, in a virtual machine that it downloads a kernel for'
	@echo 'make check-tls-arithmetic  the unit tests with handshakes whose arithmetic is of OpenSSL (TLS_ARITHMETIC=openssl)'
	@echo 'sudo make e2e-tls-arithmetic  the same for the end-to-end tests of HTTPS and TLS; some minutes'
	@echo 'make lint       the bounds on the code'
	@echo 'make install    PREFIX (/usr/local), DESTDIR, SYSCONFDIR (/etc), UNITDIR'
	@echo 'make clean      remove build/'
	@echo 'Variables: V=1 (show commands), CC (gcc, clang), MARCH (native; x86-64-v3 for packages), SAN=1, B (build folder),'
	@echo '           TLS_ARITHMETIC (mbedtls; openssl: handshakes in half the time or less, build with a B of its own)'

# What deps has made stays: it would have to be fetched again.
clean:
	@test ! -d $(B) || find $(B) -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} +

.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
