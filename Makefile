# make run and make test do everything they need on a machine with Go, make and
# python3.

GO ?= go
PYTHON ?= python3

# One set of flags for all builds, a release's: each package is compiled once for
# the tests, the binary and the wheels. The race detector needs cgo.
export GOFLAGS := $(filter-out -trimpath,$(GOFLAGS)) -trimpath
export CGO_ENABLED ?= 0

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.8.0

.PHONY: wheels build run test test-portable race soak check fuzz check-examples release-check check-release dist bench bench-gateway bench-python bench-cost bench-fork clean docs docs-site

build:
	$(GO) build -o bin/gonicorn ./cmd/gonicorn

# The main job on the embedded demo: three event-loop workers.
run: build
	./bin/gonicorn demo -w 3 -k event-loop -b 127.0.0.1:8000

# The Python packages that the tests run against.
.venv: requirements-test.txt requirements-peers.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python3 -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	.venv/bin/python3 -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .venv/peers -r requirements-peers.txt
	@touch .venv

# Every test on this system: the runner's own logic, the packages with the race
# detector, those that start no goroutine without it, and the tests from outside.
# Most of them wait, so that more of them run at a time than there are cores.
test: .venv
	.venv/bin/python3 -m pytest -q -p no:cacheprovider workers/python/tests
	GO="$(GO)" sh tools/e2e.sh -units -p 6 -timeout 10m . ./config ./docs ./examples ./internal/errcode
	CGO_ENABLED=1 GO="$(GO)" sh tools/e2e.sh -units -race -p 6 -timeout 10m $$($(GO) list ./... | grep -vE '/(e2e|config|docs|examples|internal/errcode)$$')
	GO="$(GO)" sh tools/e2e.sh

# What macOS has in place of what Linux alone has, on Linux: all but kqueue. Of
# the tests from outside, those of what a developer does; PORTABLE=. is all.
PORTABLE ?= FirstMinutes|ReloadOnChange|ReloadWatches|ReloadFollows|CommandsToARunning|TopInATerminal|HangsAre|TestTLS$$|NodeRuns|DemoAnswers|KilledWorkerIs|ReadyWhen|BodiesStream|WebSocketLong|FastAPI|TestFlask$$|Mistakes|GracefulStop|UpgradesLose|BrokenAppUnderReload|FailNoRequest

test-portable: .venv
	GO="$(GO)" sh tools/e2e.sh -units -tags portable -p 6 -timeout 10m $$($(GO) list ./... | grep -v '/e2e$$')
	GO="$(GO)" sh tools/e2e.sh -tags portable -run '$(PORTABLE)'

# The binary and its tests from outside under the race detector, which takes
# twice as long.
race: .venv
	CGO_ENABLED=1 $(GO) test -race -timeout 60m -parallel 3 ./e2e

# The long forms of tests, whose short forms make test runs: hours. GONICORN_SOAK
# is what they look for.
soak: .venv
	GONICORN_SOAK=1 $(GO) test -count=1 -run 'Swing' -v ./arbiter
	GONICORN_SOAK=1 $(GO) test -count=1 -timeout 12h -parallel 4 -run 'PlannedExits|UpgradesLoseNothing|Chaos|CanaryJudges|HostileClients|ReloadsLeakNothing|ReloadsAndScaling|WebSocketBombs|WebSocketIdle' -v ./e2e

# What can be said of the code without running it. What needs the network says
# so where there is none. The import laws, generated documents and stray files
# are tests, which make test runs.
check: .venv
	.venv/bin/ruff check .
	@test -z "$$(git ls-files '*.go' | xargs gofmt -l | tee /dev/stderr)"
	$(GO) vet ./...
	for target in darwin/arm64 darwin/amd64 freebsd/amd64; do \
		GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build -o /dev/null ./cmd/gonicorn && \
		GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) vet ./... || exit 1; done
	$(GO) vet -tags portable ./...
	GO="$(GO)" FETCHED=$(VULNCHECK) sh tools/fetched.sh $(STATICCHECK) ./...
	GO="$(GO)" FETCHED=$(VULNCHECK) sh tools/vulncheck.sh sh tools/fetched.sh $(GOVULNCHECK) ./...

# Every fuzz target of the repository, one after the other, for FUZZTIME each.
FUZZTIME ?= 10s

fuzz:
	GO="$(GO)" sh tools/fuzz.sh $(FUZZTIME)

# What is written for other tools, by those tools' own types.
check-examples: build
	cd tools/manifests && $(GO) run . ../..

# That the same commit gives the same bytes with another cache, in another folder.
check-release:
	sh packaging/reproducible.sh

# Everything that a release has, in dist/: wheels, sdist, archives, deb, rpm,
# images, SBOMs, checksums and the Homebrew formula.
dist:
	GO=$(GO) $(PYTHON) packaging/release/artefacts.py dist

# Builds that twice and looks into each file; as root on Linux it installs the
# packages below a root of their own and starts what they have.
release-check: check-release
	GO=$(GO) $(PYTHON) packaging/release/check.py dist

# Wheels for all platforms and the sdist, in dist/wheels.
wheels:
	GO=$(GO) $(PYTHON) packaging/python/wheels.py dist/wheels

bench: build
	$(GO) test -run '^$$' -bench 'Crash|Idle$$|Hundred|UnderLoad' -benchtime 1x -timeout 20m ./e2e

# CPU, requests/s, times and memory of gonicorn and its peers, in turns, as the
# tables of docs/benchmarks.md. BENCH is more options of cost.py's, such as
# --rounds 1, --only FastAPI, --json FILE.
COST = .venv-bench/bin/python3 bench/cost/cost.py bin/gonicorn

bench-cost: build .venv-bench
	$(COST) $(BENCH)

# The part of it that has Python apps, and the picture in docs.
bench-python: build .venv-bench
	$(COST) --only '^(?!in front of|idle)' --svg docs/bench-python.svg $(BENCH)

# The part of it that has the gateway in front of programs, beside nginx and
# HAProxy where they are installed; what the gateway promises under load; h2spec.
bench-gateway: build .venv-bench
	$(COST) --only '^(in front of|idle)' $(BENCH)
	$(GO) test -run '^$$' -bench Gateway -benchtime 1x -timeout 30m ./e2e
	cd bench/h2spec && $(GO) run .

# gunicorn, uvicorn, uWSGI, granian, hypercorn, and the apps' packages.
.venv-bench: requirements-bench.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python3 -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch .venv-bench

# What a forked worker costs beside a spawned one and gunicorn --preload.
bench-fork: .venv-bench
	$(GO) test -run '^$$' -bench Fork -benchtime 1x -timeout 20m ./e2e

# The files that are made from the tables of settings and of errors.
docs:
	$(GO) test . -run TestSettingsAreReadAndReloaded -update
	$(GO) test ./config -run TestDocuments -update
	$(GO) test ./internal/errcode -run TestErrorsDocument -update

# The documentation as a site, in dist/site. A link or an anchor that leads
# nowhere is an error.
.venv-docs: requirements-docs.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python3 -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	@touch .venv-docs

docs-site: .venv-docs
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

clean:
	rm -rf bin dist .venv .venv-docs
