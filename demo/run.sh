#!/usr/bin/env bash
# The demo: a node on free ports and a temporary directory, a shop that reports
# metrics through boto3 (or, without it, through the CLI), a log file of this
# machine, a kill -9 in the middle, a reshard, and what came out. About 20 s.
#
# usage: demo/run.sh [path to runnel]
set -euo pipefail
runnel=$(realpath "${1:-bin/runnel}")
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
export RUNNEL_CONFIG=/dev/null # nobody's own settings
node='' followers=()

finish() {
	status=$?
	trap - EXIT
	for pid in "${followers[@]}" $node; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	if [ "$status" -ne 0 ] && [ -s "$dir/node.log" ]; then
		echo "--- the last lines of the node's log:" >&2
		tail -n 20 "$dir/node.log" >&2
	fi
	rm -rf "$dir"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' off=$'\e[0m'; else bold='' dim='' off=''; fi
chapter=0
tell() { chapter=$((chapter + 1)); printf '\n%s%d. %s%s\n' "$bold" "$chapter" "$*" "$off"; }
show() { sed "s/^/   $dim|$off /"; }
die() { echo "demo: $*" >&2; exit 1; }

# start_node ADDRESSES... starts a node and waits until it serves.
start_node() {
	: >"$dir/node.out"
	"$runnel" dev --data-dir "$dir/data" "$@" >"$dir/node.out" 2>>"$dir/node.log" &
	node=$!
	for _ in $(seq 200); do
		grep -q '^ready' "$dir/node.out" && return
		kill -0 "$node" 2>/dev/null || die "the node did not start"
		sleep 0.1
	done
	die "the node was not ready within 20 s"
}

# until_lines FILE COUNT waits until a follower has shown so many records.
until_lines() {
	for _ in $(seq 100); do
		[ "$(wc -l <"$1")" -ge "$2" ] && return
		sleep 0.1
	done
	die "$(basename "$1") shows $(wc -l <"$1") of $2 records after 10 s"
}

# follow STREAM shows it from its start into a file, in the background.
follow() {
	"$runnel" tail "$1" --from horizon >"$dir/$1.tail" 2>>"$dir/tail.log" &
	followers+=($!)
}

shop_by_cli() {
	for _ in $(seq "$1"); do
		printf '{"timestamp": "%s", "requests_newUsers_newOrders_churnUsers": "%d,%d,%d,%d"}\n' \
			"$(date -u +%Y-%m-%dT%H:%M:%S+00:00)" $((80 + RANDOM % 120)) $((RANDOM % 20)) $((RANDOM % 10)) $((RANDOM % 5))
		sleep 0.2
	done | "$runnel" put metrics_stream --partition-key partitionkey
}

shop() {
	if python3 -c 'import boto3' 2>/dev/null; then
		python3 "$here/shop_metrics.py" "$aws" metrics_stream "$1"
	else
		shop_by_cli "$1" >"$dir/shop.out"
	fi
}

tell "A node starts: a Kinesis on this machine, its data in a directory"
start_node --http 127.0.0.1:0 --grpc 127.0.0.1:0 --admin 127.0.0.1:0
show <"$dir/node.out"
aws=$(awk '$1 == "AWS" { print $2 }' "$dir/node.out")
grpc=$(awk '$1 == "gRPC" { print $2 }' "$dir/node.out")
admin=$(awk '$1 == "admin" { print $2 }' "$dir/node.out")
export RUNNEL_ENDPOINT=$grpc

tell "Two streams"
"$runnel" stream create metrics_stream --shards 1 | show
"$runnel" stream create machine_log --shards 2 | show
follow metrics_stream
follow machine_log

if python3 -c 'import boto3' 2>/dev/null; then
	tell "A shop reports its metrics with an unmodified boto3 script"
else
	tell "A shop reports its metrics (no boto3 in this Python, so through the CLI)"
fi
shop 12
until_lines "$dir/metrics_stream.tail" 12
tail -n 3 "$dir/metrics_stream.tail" | show

log='' # a real log of this machine
for f in /var/log/dpkg.log /var/log/syslog /var/log/messages /var/log/system.log /var/log/alternatives.log /var/log/dnf.log /var/log/pacman.log; do
	if [ -s "$f" ] && [ -r "$f" ]; then log=$f && break; fi
done
if [ -n "$log" ]; then
	tell "A log file of this machine is piped in: $log"
	tail -n 4000 "$log" >"$dir/log"
else
	tell "This machine keeps no log to read, so a listing of its programs is piped in"
	find /usr/bin /bin -maxdepth 1 2>/dev/null | head -n 4000 >"$dir/log"
fi
lines=$(wc -l <"$dir/log")
half=$((lines / 2))
head -n "$half" "$dir/log" | "$runnel" put machine_log --random-key | show

tell "kill -9 in the middle. The node starts again on the same directory"
kill -9 "$node"
wait "$node" 2>/dev/null || true
start_node --http "${aws#http://}" --grpc "$grpc" --admin "${admin#http://}"
tail -n 1 "$dir/node.out" | show

tell "The log gets twice as many shards, and its second half follows"
"$runnel" stream reshard machine_log --shards 4 | show
tail -n +$((half + 1)) "$dir/log" | "$runnel" put machine_log --random-key | show
shop 8
until_lines "$dir/machine_log.tail" "$lines"
until_lines "$dir/metrics_stream.tail" 20

tell "What came out at the other end, followed all the time: through the crash and the reshard"
echo "the shop's newest report, and its four counts as columns:" | show
tail -n 1 "$dir/metrics_stream.tail" | show
sed 's/.*churnUsers": "\([^"]*\)".*/\1/' "$dir/metrics_stream.tail" | awk -F, '
	{ r += $1; u += $2; o += $3; c += $4 }
	END { printf "%d reports: %d requests, %d new users, %d new orders, %d users lost\n", NR, r, u, o, c }' | show
if cmp -s <(sort "$dir/log") <(sort "$dir/machine_log.tail"); then
	echo "the log: all $lines lines came back, byte for byte, none twice" | show
else
	die "the log that came back is not the log that went in"
fi
"$runnel" stream describe machine_log | show

tell "The node stops cleanly, and its directory is checked"
kill -TERM "$node"
wait "$node" || die "the node ended with exit code $?"
node=''
"$runnel" inspect "$dir/data" | show
printf '\n%sDone.%s\n' "$bold" "$off"
