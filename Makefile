# Thin wrappers around environment/bootstrap.py, which does the same on Windows: python environment\bootstrap.py lab
PYTHON ?= python3

.PHONY: lab test
lab:
	@$(PYTHON) environment/bootstrap.py lab $(ARGS)

test:
	@$(PYTHON) environment/bootstrap.py test $(ARGS)
