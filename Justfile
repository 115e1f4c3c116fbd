# The project's habits, for those who have just. The same as `cargo xtask <name>`.

# List them.
[private]
default:
    @{{ quote(just_executable()) }} --list --unsorted

# Bring what the others need: Envoy, a Rust that builds wasm, Prometheus.
setup *args:
    @cargo xtask setup {{ args }}

# See the main job at work.
demo *args:
    @cargo xtask demo {{ args }}

# Run all tests, with a real Envoy.
test *args:
    @cargo xtask test {{ args }}

# Check what CI checks besides the tests.
lint:
    @cargo xtask lint

# Build the filter's module: target/scopegate.wasm.
wasm *args:
    @cargo xtask wasm {{ args }}

# Package the module: target/package.
package *args:
    @cargo xtask package {{ args }}

# Measure against the budgets.
bench *args:
    @cargo xtask bench {{ args }}

# Write docs/configuration.md.
docs *args:
    @cargo xtask docs {{ args }}

# Make a site of the documentation: target/site.
site *args:
    @cargo xtask site {{ args }}

# Compute what to run for many tenants: the tables of docs/scale.md.
scale *args:
    @cargo xtask scale {{ args }}

# What CI runs.
ci:
    @.ci/run
