#!/usr/bin/env bash
# Drives a node with clients that people use: boto3, the AWS CLI and aws-sdk-go-v2.
# Usage: test/clients/run.sh [path to runnel] [pytest arguments]
#
# Needs Go and Python 3. What requirements.txt names is installed into
# bin/clients unless it is there in these versions.
set -euo pipefail
cd "$(dirname "$0")/../.."
runnel=${1:-bin/runnel}
[ $# -gt 0 ] && shift
[ -x "$runnel" ] || CGO_ENABLED=0 go build -trimpath -o "$runnel" ./cmd/runnel
RUNNEL=$(realpath "$runnel")
export RUNNEL

python=python3
pinned() { # whether $1 has exactly what requirements.txt names
	"$1" - test/clients/requirements.txt <<-'PY' 2>/dev/null
		import sys
		from importlib.metadata import version
		for line in open(sys.argv[1]):
		    name, _, want = line.strip().partition("==")
		    if want and version(name) != want:
		        sys.exit(1)
	PY
}
if ! pinned python3; then
	python=bin/clients/bin/python
	if ! pinned "$python"; then
		echo "clients: installing test/clients/requirements.txt into bin/clients"
		rm -rf bin/clients
		if ! python3 -m venv bin/clients; then # Debian keeps venv in a package of its own
			rm -rf bin/clients
			apt-get update -q && apt-get install -qy --no-install-recommends python3-venv python3-pip
			python3 -m venv bin/clients
		fi
		"$python" -m pip install -q --disable-pip-version-check -r test/clients/requirements.txt
	fi
fi
export PYTHON="$python" PYTHONDONTWRITEBYTECODE=1

# Nothing of the machine's own AWS set-up may reach the clients, or the network.
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_ENDPOINT_URL_KINESIS AWS_CA_BUNDLE
export AWS_ACCESS_KEY_ID=AKIAEXAMPLE AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

failed=0
"$python" -m pytest -q -p no:cacheprovider test/clients "$@" || failed=1
go test -tags clients -count=1 ./test/clients/... || failed=1
exit "$failed"
