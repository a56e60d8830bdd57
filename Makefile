# Each target is the script of the same name (run is scripts/dev); ARGS="…" goes to it.
.PHONY: install run test check build bench
install test check build bench:
	@scripts/$@ $(ARGS)
run:
	@scripts/dev $(ARGS)
