# Every chore has one name. `make serve` and `make test` are all that a fresh machine needs besides Python 3.11 and make.
PYTHON ?= $(firstword $(shell command -v python3.11 python3))
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: serve test test-fast lint requirements study study-quick bench-quality bench-serve bench-ray bench-fit bench-scale reliability soak clients clean

serve: .venv/serve.done
	$(BIN)/diffeo serve --models models

test: .venv/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config tests/architecture/contracts.toml
	$(BIN)/pytest

# No Ray, no fits, no server processes: under two minutes on two cores.
test-fast: .venv/dev.done
	$(BIN)/pytest -m "not slow"

lint: .venv/dev.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy
	$(BIN)/lint-imports --config tests/architecture/contracts.toml

# The lists of the serving images: every package with the hashes of its files. Run it after a change of constraints.txt.
COMPILE := runs/uv/bin/uv pip compile --quiet --constraint constraints.txt --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url
requirements: runs/uv/bin/uv
	@for extra in serve cuda; do \
	  $(COMPILE) --universal --extra $$extra pyproject.toml --output-file runs/uv/list; \
	  { head -n 1 deploy/requirements/$$extra.txt; cat runs/uv/list; } > runs/uv/new; \
	  mv runs/uv/new deploy/requirements/$$extra.txt; \
	done
	@echo 'setuptools>=80' | $(COMPILE) - --output-file runs/uv/list
	@{ head -n 1 deploy/requirements/build.txt; cat runs/uv/list; } > runs/uv/new
	@mv runs/uv/new deploy/requirements/build.txt

runs/uv/bin/uv:
	$(PYTHON) -m venv runs/uv
	runs/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv==0.13.9'

# About forty minutes on two cores; DATA names the folder of the real tables, whose rows are kept without it.
study: .venv/dev.done
	$(BIN)/diffeo study $(if $(DATA),--data $(DATA))

study-quick: .venv/dev.done
	$(BIN)/diffeo study --quick $(if $(DATA),--data $(DATA))

.venv/bin/python:
	$(PYTHON) -m venv .venv

# One marker per set of packages: the slow step runs again only when what it installs has changed.
.venv/serve.done: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[serve,bulk]'
	touch $@

.venv/dev.done: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev]'
	touch $@ .venv/serve.done

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# About 35 minutes on two cores, and wrk; BENCH="--quick --servers diffeo,fastapi" tries a part of it in runs/serving.
bench-serve: .venv/dev.done
	$(BIN)/python -m benchmarks.serving $(BENCH)

# About fifteen minutes on two cores, and wrk; BENCH="--quick --servers plain,ray-all" tries a part of it in runs/ray.
bench-ray: .venv/dev.done
	$(BIN)/python -m benchmarks.ray $(BENCH)

# Hostile and real tables (half an hour), then the threads of a fit (twenty minutes).
bench-fit: .venv/dev.done
	$(BIN)/python -m benchmarks.tables
	$(BIN)/python -m benchmarks.threads

# diffeo beside scikit-learn, zuko, nflows and normflows: about four hours on two cores. DATA names the folder of the real
# tables; QUALITY="--parts real --seeds 1" fits a part.
bench-quality: .venv/dev.done runs/quality/peers/done
	PYTHONPATH=runs/quality/peers $(BIN)/python -m benchmarks.quality $(if $(DATA),--data $(DATA)) $(QUALITY)

runs/quality/peers/done: benchmarks/quality/requirements.txt
	$(PIP) --no-deps --target runs/quality/peers --upgrade --requirement benchmarks/quality/requirements.txt
	touch $@

# Jobs over files measured, then a thousand replicas worked out: half an hour on two cores, and 3 GB under runs/scale.
bench-scale: .venv/dev.done
	$(BIN)/python -m benchmarks.scale.jobs
	$(BIN)/python -m benchmarks.scale

# Every proof in its long form, one after the other: about three hours on two cores. RELIABILITY="--only soak,fuzz" runs
# some of them, RELIABILITY=--quick tries each for seconds.
reliability: .venv/dev.done
	$(BIN)/python -m benchmarks.reliability $(RELIABILITY)

# Ten minutes of mixed load, every answer checked; SOAK=--quick takes half a minute.
soak: .venv/dev.done
	$(BIN)/python -m benchmarks.reliability.soak $(SOAK)

# Unmodified clients of the Open Inference Protocol in an environment of their own: 10,000 calls, about five minutes.
clients: .venv/dev.done runs/clients/done
	$(BIN)/python -m tests.clients $(CALLS)

runs/clients/done: tests/clients/requirements.txt
	$(PYTHON) -m venv runs/clients
	runs/clients/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/clients/requirements.txt
	touch $@
