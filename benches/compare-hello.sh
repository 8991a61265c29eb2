#!/usr/bin/env bash
# CPU time per request of the hello example, against the limit: the bare loops ringloop (io_uring) and epollloop.
#
#   cargo build --release -p ringlane-benches --bins -p ringlane-examples --example hello
#   benches/compare-hello.sh [ROUNDS]
#
# Each round measures every program once, one after the other, so that what disturbs the machine disturbs them alike.
# The servers run on core 0, wrk on core 1. Needs wrk, taskset and two cores. Takes about 20 seconds a round.
set -euo pipefail

readonly rounds=${1:-5}
readonly programs=(ringloop epollloop hello)
readonly connections=64 seconds=3
cd "$(dirname "$0")/.."
readonly release=${CARGO_TARGET_DIR:-target}/release
readonly ticks_per_second=$(getconf CLK_TCK)
declare -A pid url
logs=$(mktemp -d)

fail() {
  echo "$1" >&2
  exit 1
}

stop_all() {
  for program in "${!pid[@]}"; do
    kill "${pid[$program]}" 2>/dev/null || true # It may have ended by itself.
    wait "${pid[$program]}" 2>/dev/null || true
  done
  rm -rf "$logs"
}
trap stop_all EXIT

# start PROGRAM COMMAND…: starts a server and waits, for at most five seconds, until it says where it listens.
start() {
  local program=$1 line=
  shift
  [[ -x $1 ]] || fail "$1 is missing: cargo build --release -p ringlane-benches --bins -p ringlane-examples --example hello"
  : >"$logs/$program" # It is read before the server's shell may have made it.
  "$@" >"$logs/$program" 2>"$logs/$program.err" &
  pid[$program]=$!
  for _ in {1..100}; do
    line=$(head -n 1 "$logs/$program")
    [[ $line == "listening on "* ]] && break
    sleep 0.05
  done
  [[ $line =~ http://[^\ ]+ ]] || fail "$program does not listen: $(<"$logs/$program.err")"
  url[$program]=${BASH_REMATCH[0]}/
}

# cpu PROGRAM: prints the ticks that it has spent in user mode and in the kernel (proc(5): utime and stime).
cpu() {
  local stat
  stat=$(<"/proc/${pid[$1]}/stat")
  read -ra stat <<<"${stat##*) }" # Behind the name, from the third field on.
  echo "${stat[11]} ${stat[12]}"
}

# measure PROGRAM WRK_OPTION…: prints user and total nanoseconds per request.
measure() {
  local program=$1 user_before system_before user_after system_after output requests
  shift
  read -r user_before system_before < <(cpu "$program")
  output=$(timeout $((seconds + 10)) taskset -c 1 wrk -t1 -c$connections -d${seconds}s "$@" "${url[$program]}")
  read -r user_after system_after < <(cpu "$program")
  grep -qE 'Socket errors|Non-2xx' <<<"$output" && fail "$program: $output"
  requests=$(sed -nE 's/^ *([0-9]+) requests in .*/\1/p' <<<"$output")
  awk -v user=$((user_after - user_before)) -v system_time=$((system_after - system_before)) \
    -v nanoseconds=$((1000000000 / ticks_per_second)) -v requests="$requests" \
    'BEGIN { printf "%.0f %.0f\n", user * nanoseconds / requests, (user + system_time) * nanoseconds / requests }'
}

# median COLUMN FILE
median() {
  awk -v column="$1" '{ print $column }' "$2" | sort -n | awk '{ a[NR] = $1 } END { printf "%.0f\n", (a[int((NR + 1) / 2)] + a[int(NR / 2) + 1]) / 2 }'
}

ratio() {
  awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else printf "–" }'
}

# compare NAME WRK_OPTION…: prints a table of medians.
compare() {
  local name=$1 program user total base_user= base_total=
  shift
  rm -f "$logs"/*.numbers
  for ((round = 0; round < rounds; round++)); do
    for program in "${programs[@]}"; do
      measure "$program" "$@" >>"$logs/$program.numbers"
    done
  done
  printf '| %s | user ns | total ns | user, against ringloop | total, against ringloop |\n|---|---|---|---|---|\n' "$name"
  for program in "${programs[@]}"; do
    user=$(median 1 "$logs/$program.numbers")
    total=$(median 2 "$logs/$program.numbers")
    : "${base_user:=$user}" "${base_total:=$total}"
    printf '| %s | %s | %s | %s | %s |\n' "$program" "$user" "$total" \
      "$(ratio "$user" "$base_user")" "$(ratio "$total" "$base_total")"
  done
  echo
}

start ringloop "$release/ringloop" --addr 127.0.0.1:0 --core 0
start epollloop "$release/epollloop" --addr 127.0.0.1:0 --core 0
start hello "$release/examples/hello" --addr 127.0.0.1:0 --cores 0
for program in "${programs[@]}"; do
  timeout 10 taskset -c 1 wrk -t1 -c$connections -d1s "${url[$program]}" >"$logs/warm-up"
done
compare "one request at a time"
compare "16 pipelined" -s benches/pipeline.lua
