# Two doors; everything else is `cargo xtask help`.
.PHONY: demo test linker
demo: linker
	@cargo xtask demo
test: linker
	@cargo xtask test

# The chores are Rust themselves: all they need is a linker, and then they install the rest.
linker:
	@command -v cc >/dev/null || { echo "Installing: gcc libc6-dev"; \
	  if [ "$$(id -u)" = 0 ]; then SUDO=; else SUDO=sudo; fi; \
	  $$SUDO apt-get update -q && $$SUDO apt-get install -y -q --no-install-recommends gcc libc6-dev; }
