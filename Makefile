# The front door. Everything behind it is Meson's, or a script that can be run
# alone.
BUILD ?= build

.PHONY: all setup demo check asan valgrind fuzz lint e2e bench run install \
	format clean help

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD)

help:
	@echo "make            build into $(BUILD)/"
	@echo "make demo       a small internet, real mail, real attacks (root)"
	@echo "make check      all tests (root, for the end-to-end tests)"
	@echo "make lint       layers, names, sizes, formatting, analysers"
	@echo "make bench      figures, each beside its reference"
	@echo "make fuzz       every fuzz target for SECONDS (default 60)"
	@echo "make e2e        the end-to-end tests alone; ARGS goes to pytest"
	@echo "make run        strictmxd in the foreground, with CONF"
	@echo "make install    DESTDIR and Meson's prefix are respected"

setup:
	scripts/setup

demo:
	scripts/setup
	$(MAKE) all
	scripts/demo

check:
	scripts/setup
	scripts/check

asan:
	scripts/check asan

valgrind:
	scripts/check valgrind

e2e: all
	/usr/bin/python3 -m pytest tests/e2e $(ARGS)

lint:
	scripts/setup
	scripts/lint-all

bench:
	scripts/setup
	scripts/bench

fuzz:
	fuzz/run $(or $(SECONDS),60)

CONF ?= /etc/strictmx/strictmx.conf
run: all
	$(BUILD)/strictmxd -c $(CONF)

install: all
	meson install -C $(BUILD)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(BUILD) build-*
