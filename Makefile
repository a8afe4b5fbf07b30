# The front door: `make` lists what can be done. Each target is one line; longer things are in xtask/.
ARGS ?=
SETUP = scripts/setup
CARGO = cargo --locked
# Where `make install` puts things; packages set DESTDIR.
PREFIX ?= /usr
# Where the module looks for what LandlockInclude names: as it was told when it was built.
export CONFINE_DATA_DIR ?= $(PREFIX)/share/mod_confine
APXS ?= $(shell command -v apxs2 || command -v apxs || echo /usr/bin/apxs2)
LIBEXECDIR ?= $(shell $(APXS) -q LIBEXECDIR)

.DEFAULT_GOAL := help
LAB = LAB_MODULE=$(CURDIR)/target/release/libmod_confine.so lab/lab

.PHONY: help setup build docs site guides applications demo test unit e2e e2e-without-lua bench bench-maps lab lab-selinux lab-tomoyo lab-apparmor lab-packages lab-speed lab-shell lint deny fmt fuzz man vendor deb rpm test-packages test-rpm install clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building and testing need
	@$(SETUP) test

build: ## the module (target/release/libmod_confine.so) and confinectl
	@$(SETUP) build && $(CARGO) build --release -p mod_confine -p confinectl

applications: ## real applications, from learn mode to enforcement, each in a Debian of its own (as root; ARGS=NAME)
	@$(SETUP) guides && tests/applications/run $(ARGS)

demo: ## see it work: a real httpd, two people, one leaky application (ARGS=--once: print and end)
	@$(SETUP) demo && echo "demo: building the module (minutes, the first time)" && $(CARGO) build --release -p mod_confine && $(CARGO) run -p xtask -- demo $(ARGS)

test: ## every test, with one closing line (ARGS=FILTER: only tests whose names hold it)
	@$(SETUP) test && $(CARGO) run -q -p xtask -- test $(ARGS)

docs: ## the documentation of the library, in the browser
	@$(SETUP) build && $(CARGO) doc -p confine --no-deps --open

site: ## the manual as a site, in target/site, every link followed
	@$(SETUP) site && $(CARGO) run -q -p confine-manual -- site

guides: ## follow each guide of the manual, command by command, in a Debian of its own (as root; ARGS=FILTER)
	@$(SETUP) guides && $(CARGO) run -q -p xtask -- test --only guides $(ARGS)

unit: ## the library's and the command's tests alone
	@$(SETUP) build && $(CARGO) test -p confine -p confinectl $(ARGS)

e2e: ## the end-to-end tests alone (ARGS=FILTER)
	@$(SETUP) test && $(CARGO) run -q -p xtask -- test --only e2e $(ARGS)

e2e-without-lua: ## the same, but for what is about Lua, with mod_lua left out (ARGS=FILTER)
	@$(SETUP) test && CONFINE_WITHOUT_LUA=1 $(CARGO) run -q -p xtask -- test --only e2e $(ARGS)

bench: ## requests per second beside stock httpd (ARGS='--only "1 kB" --rounds 5'; --write: into docs/performance.md)
	@$(SETUP) bench && $(CARGO) build --release -p mod_confine && $(CARGO) run -q --release -p xtask -- bench $(ARGS)

bench-maps: ## what maps cost: look-ups, loading, memory (ARGS=--lines=10,1000000, ARGS=--children)
	@$(SETUP) test && $(CARGO) build -q --release -p mod_confine && $(CARGO) run -q --release -p xtask -- bench-maps $(ARGS)

fuzz: ## fuzz a target for some seconds (ARGS='map 600'); without ARGS: each for a minute
	@$(SETUP) fuzz && $(CARGO) run -q -p xtask -- fuzz $(ARGS)

lab: build ## the lab's images: kernels that enforce, a root file system, the policy, this module
	@$(LAB) image

lab-selinux: build ## the SELinux tests under 6.1 and 6.12, enforcing, in emulation
	@$(LAB) selinux

lab-tomoyo: build ## the TOMOYO tests, likewise
	@$(LAB) tomoyo

lab-apparmor: build ## the AppArmor tests, likewise
	@$(LAB) apparmor

lab-packages: build deb ## the Debian packages, installed and used in guests with SELinux and with AppArmor
	@LAB_DEBS=$(CURDIR)/target/deb $(LAB) packages

lab-speed: build ## requests per second under SELinux, with the module and without (ARGS='6.1 time')
	@$(LAB) speed $(ARGS)

lab-shell: build ## a prompt in a guest with the module loaded and the log in view
	@$(LAB) shell $(ARGS)

lint: ## formatting, clippy, shell scripts, the layers of the sources, files that texts name
	@$(CARGO) fmt --all --check && $(CARGO) clippy --workspace --all-targets --all-features -- -D warnings && shellcheck -x manual/machine tests/applications/run tests/applications/inside/story.sh tests/applications/inside/*/*.sh scripts/setup scripts/sources scripts/deb scripts/rpm scripts/rustc-remap scripts/third-party scripts/rules-in-use .ci/run lab/lab lab/lib/*.sh tests/packages/run tests/packages/*.sh tests/packages/scenes/*.sh tests/rpm/run tests/rpm/*.sh tests/rpm/scenes/*.sh tests/rpm/fedora/httpd tests/rpm/fedora/systemctl debian/tests/first-request debian/*.postinst debian/*.postrm debian/*.prerm && $(CARGO) run -q -p xtask -- house

deny: ## licences and advisories of the dependencies
	@cargo deny --locked check

fmt: ## format the sources
	@cargo fmt --all

man: build ## manual pages and completions of shells, in target/share
	@target/release/confinectl generate target/share

vendor: ## fetch the crates of Cargo.lock into target/vendor, for builds without a network (this step uses it)
	@scripts/sources vendor

deb: ## Debian packages, in target/deb; crates are fetched once, the build uses no network (ARGS=--source: the source package)
	@$(SETUP) deb && scripts/deb $(ARGS)

rpm: ## RPM packages, in target/rpms, likewise; on Debian by its rpm, as a test of the spec (ARGS=options of rpmbuild)
	@$(SETUP) rpm && scripts/rpm $(ARGS)

test-packages: ## install, upgrade, remove and purge them in clean Debian 12 and 13 roots (as root; ARGS=--native: built there)
	@$(SETUP) packages && tests/packages/run $(ARGS)

test-rpm: ## install, upgrade and remove the RPM packages in a root laid out like Fedora's (as root; ARGS=--built: those of `make rpm`)
	@$(SETUP) packages && tests/rpm/run $(ARGS)

# Compiles nothing: as root the compiler would run with all rights, leave files of root's in target/, and not be found
# where rustup installed it for a user.
BUILT = target/release/libmod_confine.so target/release/confinectl

install: ## install what `make build` built: module, confinectl, pages, completions, parts of rulesets, alerts (DESTDIR, PREFIX)
	@for file in $(BUILT); do test -f $$file || { echo "install: $$file is missing; run make build first, as yourself and not as root" >&2; exit 1; }; done
	install -D -m 0644 target/release/libmod_confine.so $(DESTDIR)$(LIBEXECDIR)/mod_confine.so
	install -D -m 0755 target/release/confinectl $(DESTDIR)$(PREFIX)/bin/confinectl
	target/release/confinectl generate $(DESTDIR)$(PREFIX)/share
	install -d $(DESTDIR)$(PREFIX)/share/mod_confine/landlock
	install -m 0644 conf/landlock/*.conf $(DESTDIR)$(PREFIX)/share/mod_confine/landlock
	install -d $(DESTDIR)$(PREFIX)/share/mod_confine/monitoring
	install -m 0644 conf/monitoring/* $(DESTDIR)$(PREFIX)/share/mod_confine/monitoring
	install -D -m 0755 scripts/rules-in-use $(DESTDIR)$(PREFIX)/libexec/mod_confine/rules-in-use
	install -D -m 0644 docs/man/mod_confine.8 $(DESTDIR)$(PREFIX)/share/man/man8/mod_confine.8
	install -D -m 0644 docs/man/confine.map.5 $(DESTDIR)$(PREFIX)/share/man/man5/confine.map.5

clean: ## remove what was built
	@cargo clean
