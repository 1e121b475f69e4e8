#!/bin/sh
# The script shows how a team moves from a local key to Vault or OpenBao.
# Run it in an empty directory, with VAULT_ADDR and VAULT_TOKEN set.
set -eu
rules() { printf '[[rule]]\nfiles = "**"\nrecipients = [%s]\n' "$1" > .envconf.toml; }
as_service() { ENVCONF_HOME="$PWD/.git/no-keys" ENVCONF_TRUST=$key envconf "$@"; }

echo '== Everybody in the team has the same local key'
git init --quiet
envconf init
printf 'token = "token-one"\npool = 10\n' > config/app.toml
envconf seal config/app.toml --rm
git add . && git commit --quiet --message 'Seal the configuration'

echo '== A key of transit becomes a second recipient, for the same data key'
key=$(envconf keys create vault:-:transit --alias team)
rules "'local', '$key'"
envconf recipients add app "$key"
envconf status --check
git add . && git commit --quiet --message 'Add the key service'

echo '== The service needs no local key: it trusts the key of transit'
as_service doctor app
as_service exec app -- sh -c 'echo "the service has a pool of $POOL"'

echo '== The local key is removed: first from the policy file, then from the pair'
local=$(envconf recipients list app | grep '^local')
rules "'$key'"
ENVCONF_TRUST="$key,local" envconf recipients remove app "$local"
envconf get app token || echo "the local key was rejected with exit code $?"
printf 'token-two' | as_service set app token   # change the token at its source, too
git add . && git commit --quiet --message 'Remove the local key'
test "$(as_service get app token)" = token-two
