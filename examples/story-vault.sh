#!/bin/sh
# A team moves from a local key to Vault or OpenBao. Run it in an empty directory, with VAULT_ADDR and VAULT_TOKEN set.
set -eu
rules() { printf '[[rule]]\nfiles = "**"\nrecipients = [%s]\n' "$1" > .envconf.toml; }
as_service() { ENVCONF_HOME="$PWD/.git/no-keys" ENVCONF_TRUST=$key envconf "$@"; }

echo '== The team has one local key, which each of them has'
git init --quiet
envconf init
printf 'token = "token-one"\npool = 10\n' > config/app.toml
envconf seal config/app.toml --rm
git add . && git commit --quiet --message 'Seal the configuration'

echo '== A key of transit becomes a recipient beside it: the data key stays'
key=$(envconf keys create vault:-:transit --alias team)
rules "'local', '$key'"
envconf recipients add app "$key"
envconf status --check
git add . && git commit --quiet --message 'Let the key service in'

echo '== The service needs no local key: it trusts the key of transit'
as_service doctor app
as_service exec app -- sh -c 'echo "the service has a pool of $POOL"'

echo '== The local key goes: first the rules, then a new data key without it'
local=$(envconf recipients list app | grep '^local')
rules "'$key'"
ENVCONF_TRUST="$key,local" envconf recipients remove app "$local"
envconf get app token || echo "the local key was refused with $?"
printf 'token-two' | as_service set app token   # everybody had the old one: change it where it comes from, too
git add . && git commit --quiet --message 'Leave the local key'
test "$(as_service get app token)" = token-two
