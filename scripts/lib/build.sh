# What has to be built before a command can run; each step is remembered by the hash of what it reads.

build_dependencies() {
  inputs=$(content_hash pnpm-lock.yaml pnpm-workspace.yaml package.json packages/*/package.json services/*/package.json strategies/package.json tests/package.json scripts/package.json)
  if fresh dependencies "$inputs" && [ -d node_modules ]; then return 0; fi
  toolchain_pnpm
  step "installing packages (frozen lockfile)" "$PNPM" install --frozen-lockfile ||
    fail "the packages could not be installed" "check the network and the npm registry setting, then try again; a partial install is picked up where it stopped"
  done_with dependencies "$inputs"
}

build_all() {
  began_build=$(now_ms)
  worked=no
  inputs=$(content_hash proto scripts/gen-contracts)
  if ! fresh contracts "$inputs" || [ ! -d packages/contracts/src/gen ]; then
    worked=yes
    step "generating contracts" scripts/gen-contracts || fail "the contracts could not be generated" "read the lines above; proto/ or scripts/gen-contracts is at fault"
    done_with contracts "$inputs"
  fi
  inputs=$(content_hash Cargo.lock Cargo.toml .cargo packages/rust-core/crates packages/rust-core/napi packages/rust-core/clickhouse-host proto scripts/build-addon)
  if ! fresh addon "$inputs" || [ ! -f packages/rust-core/tidegate.node ]; then
    worked=yes
    toolchain_rust
    step "building the Rust core (minutes the first time)" scripts/build-addon ||
      fail "the Rust core could not be built" "read the lines above; with no network cargo cannot fetch its crates the first time"
    done_with addon "$inputs"
  fi
  if [ "$worked" = yes ]; then
    printf '%s' "$(seconds_since "$began_build")" >"$ROOT/.tools/done/build_seconds"
    say "build took $(seconds_since "$began_build") s"
  fi
}
