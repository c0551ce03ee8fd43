# Messages, timing, content hashes and the build lock of the launcher.

say() { printf '%s\n' "hft: $*" >&2; }

# fail WHAT REMEDY: one line what went wrong, one what to do about it.
fail() {
  printf '%s\n' "hft: $1" "hft: to mend it: $2" >&2
  exit 1
}

now_ms() { date +%s%3N; }

# step LABEL COMMAND...: says what is being done and how long it took; the output goes to a log shown on failure.
step() {
  label=$1
  shift
  log="$ROOT/.tools/log/$(printf '%s' "$label" | tr -c 'a-zA-Z0-9' '-').log"
  mkdir -p "$ROOT/.tools/log"
  printf '%s' "hft: $label … " >&2
  began=$(now_ms)
  if "$@" >"$log" 2>&1; then
    printf '%s\n' "$(seconds_since "$began") s" >&2
  else
    printf '%s\n' "failed" >&2
    tail -n 25 "$log" >&2
    return 1
  fi
}

seconds_since() {
  elapsed=$(($(now_ms) - $1))
  printf '%d.%d' $((elapsed / 1000)) $((elapsed % 1000 / 100))
}

# content_hash PATH...: one hash over the names and bytes of all files below the paths.
content_hash() {
  find "$@" -type f ! -path '*/node_modules/*' ! -path '*/src/gen/*' ! -name '*.node' -print0 2>/dev/null |
    LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32
}

# fresh NAME HASH: whether step NAME was last done for this very content.
fresh() { [ "$(cat "$ROOT/.tools/done/$1" 2>/dev/null)" = "$2" ]; }
done_with() {
  mkdir -p "$ROOT/.tools/done"
  printf '%s' "$2" >"$ROOT/.tools/done/$1"
}

# with_lock COMMAND: two launchers in one clone build one after the other.
with_lock() {
  mkdir -p "$ROOT/.tools"
  if command -v flock >/dev/null 2>&1; then
    exec 9>"$ROOT/.tools/lock"
    flock 9
  fi
  "$@"
  exec 9>&-
}
