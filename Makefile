# Each target is the script of the same name (run is scripts/dev); ARGS="…" goes to it.
.PHONY: install run test check build bench chaos
install test check build bench chaos:
	@scripts/$@ $(ARGS)
run:
	@scripts/dev $(ARGS)
