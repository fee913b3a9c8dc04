# Two commands: `make demo` shows it, `make test` checks everything. `make help` lists the rest.

PYTHON = /usr/bin/python3
BIN = .venv/bin

# Programs under test draw in memory, leave the user's settings alone and look for no screen reader.
DESKTOP = env -u WAYLAND_DISPLAY PYTHONFAULTHANDLER=1 $(shell cat scripts/desktop.env) xvfb-run -a -s "-screen 0 1280x1024x24 -nolisten tcp" dbus-run-session --

# Reads Firefox's traces in the tests, which skip those without it.
FIREFOX_PROFILER = '@firefox-devtools/profiler-cli@>=0.10 <1'

export GLEENLET_WERROR = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PYGOBJECT_STUB_CONFIG = Gtk4,Gdk4,Soup3

.PHONY: help setup demo test lint soak stall compat dist dist-tests newcomer docs bench profile gallery check-native plain gevent-suite asyncio-suite blocking-suite clean debian FORCE

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 22

setup: .venv/.built ## install what is missing (Debian packages, .venv) and build the C files

demo: setup ## the window that stays alive (on the display at hand, else on a virtual one)
	@$(BIN)/python examples/demo.py

test: lint ## everything that must hold: ruff, mypy, all tests and docstrings, coverage; under 5 minutes
	$(BIN)/coverage erase
	scripts/tests.sh $(DESKTOP)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: setup ## ruff and mypy alone
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

soak: setup ## the tests that run for minutes
	$(DESKTOP) $(BIN)/python -m pytest -m soak -o faulthandler_timeout=0

stall: setup ## the tests on a machine that stops for some milliseconds now and then
	mkdir -p build
	$(CC) -O2 -Wall -Wextra -Werror -shared -fPIC -o build/stall.so scripts/stall.c
	$(DESKTOP) env LD_PRELOAD=$(CURDIR)/build/stall.so $(BIN)/python -m pytest --doctest-modules tests src/gleenlet

compat: setup ## the tests on other Pythons and Debians (the first time: some minutes and 3 GB in .compat)
	scripts/debian_packages.sh compat
	scripts/compat.sh

dist: setup ## the source distribution and all wheels in dist, built twice and compared; other machines' under an emulator
	scripts/debian_packages.sh dist
	$(BIN)/pip install -q --no-build-isolation -e '.[dist]'
	$(BIN)/python -m scripts.wheels
	$(BIN)/python -m scripts.wheels.emulated dist

dist-tests: ## the tests with the wheels of this machine in dist, on the Pythons of `make compat`
	scripts/debian_packages.sh compat
	WHEELS=dist scripts/compat.sh bookworm python3.12 trixie sid sid-python3.15 -- \
		tests/core tests/sync tests/glib tests/asyncio tests/gevent tests/gtk tests/dbus tests/gst

newcomer: setup ## README and tutorial to the letter on minimal Debians 12 and 13, as root and as a plain user
	scripts/debian_packages.sh compat
	scripts/newcomer/run.sh

docs: setup ## the site, with search, in build/site: English, and Chinese in build/site/zh
	$(BIN)/python docs/translations.py
	$(BIN)/sphinx-build -q -W --keep-going -d build/doctrees docs build/site
	$(BIN)/sphinx-build -q -W --keep-going -d build/doctrees-zh -D language=zh_CN docs build/site/zh
	@echo build/site/index.html build/site/zh/index.html

bench: .venv/.bench ## the figures, with rivals in the same run
	$(DESKTOP) $(BIN)/python bench/run.py

profile: setup ## instructions an operation, counted under callgrind
	scripts/debian_packages.sh check-native
	scripts/profile.sh $(PROGRAMS)

gallery: setup ## each hazard, bare and with gleenlet: who dies and who lives
	$(BIN)/python tests/hazards/gallery.py

check-native: setup ## the C files under valgrind, sanitizers and the static analyser
	scripts/debian_packages.sh check-native
	$(DESKTOP) scripts/check_native.sh

plain: setup ## the tests of the core without what is Linux's alone, as another system would have it
	$(DESKTOP) scripts/check_native.sh plain

gevent-suite: setup ## gevent's own tests on gleenlet.gevent
	$(DESKTOP) $(BIN)/python scripts/gevent_suite.py

asyncio-suite: setup ## CPython's asyncio tests on gleenlet.asyncio
	scripts/debian_packages.sh asyncio-suite
	$(DESKTOP) $(BIN)/python scripts/asyncio_suite.py

blocking-suite: setup ## CPython's asyncio tests of locks, queues, groups and timeouts, as blocking code
	scripts/debian_packages.sh asyncio-suite
	$(BIN)/python scripts/blocking_suite.py

clean: ## remove all that make made, but for .compat
	rm -rf .venv build dist src/*.egg-info src/gleenlet/*/*.so htmlcov .coverage .coverage.* \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.compat/*' -prune -exec rm -rf {} +

# What setup is made of. Nothing here asks the network when it finds everything.

debian:
	@scripts/debian_packages.sh setup

.venv/.made: | debian
	$(PYTHON) -m venv --clear .venv
	touch $@

.venv/.installed: pyproject.toml setup.py .venv/.made | debian
	$(BIN)/pip install -q 'setuptools>=77' 'greenlet>=3.0' "$$(scripts/pygobject_requirement.sh)"
	$(BIN)/pip install -q --no-cache-dir --no-build-isolation -e '.[gevent,test,docs]'
	-command -v npm >/dev/null && npm install --silent --no-audit --no-fund --prefix .venv/readers $(FIREFOX_PROFILER)
	touch $@

.venv/.built: $(wildcard src/native/*.h src/native/*/*.[ch]) .venv/.installed \
		$(if $(wildcard src/gleenlet/_core/_native.*.so),,FORCE)
	$(BIN)/python setup.py -q build_ext --inplace
	touch $@

.venv/.bench: .venv/.built
	$(BIN)/pip install -q --no-build-isolation -e '.[bench]'
	touch $@
