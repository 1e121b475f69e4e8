#!/bin/sh
# A configuration from its first day to the one on which a colleague leaves. Run it in an empty directory.
set -eu
rules() { printf '[[rule]]\nfiles = "**"\noutline = "tags"\nrecipients = [%s]\n' "$1" > .envconf.toml; }
as_ben() { ENVCONF_KEY_FILE=.git/ben.key envconf "$@"; }

echo '== Anna begins: a key of her own, and a configuration that git may have'
git init --quiet
envconf init
printf 'token = "token-one"\npool = 10\n' > config/app.toml
envconf seal config/app.toml --outline tags --rm
envconf hook install                       # from here on git checks every commit
git add . && git commit --quiet --message 'Seal the configuration'

echo '== She changes a value: git shows which one, and not what it is'
printf 'token-two' | envconf set app token # in an editor: envconf edit app
git --no-pager diff
git commit --quiet --all --message 'Change the token'

echo '== Ben joins: the rules name both, and the same data key is wrapped for him too'
anna=$(envconf recipients list app)
ben=$(envconf keygen .git/ben.key 2>&1 | tail -n 1)  # his own machine is better, a key service better still
rules "'$anna', '$ben'"
ENVCONF_KEY_FILE=$(envconf key show-path "$anna"):.git/ben.key envconf recipients add app "$ben"
envconf status --check
git add . && git commit --quiet --message 'Let Ben in'
as_ben exec app -- sh -c 'echo "the server of Ben has a pool of $POOL"'

echo '== Ben leaves: first the rules, then a new data key without him, then a new secret'
rules "'$anna'"
envconf status --check || echo "status ended with $?"
envconf recipients remove app "$ben"
printf 'token-three' | envconf set app token   # he knows the old one: change it where it comes from, too
envconf rotate app                             # a new data key for those who stay: now and then, and after a leak
git add . && git commit --quiet --message 'Let Ben go'
as_ben get app token || echo "Ben was refused with $?"
test "$(envconf get app token)" = token-three
