# Two doors; everything else is `cargo xtask help`.
.PHONY: demo test
demo:
	@cargo xtask demo
test:
	@cargo xtask test
