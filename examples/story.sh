#!/bin/sh
# The script shows a team from its first day until a colleague leaves. Run it in an empty directory.
set -eu
rules() { # writes the policy file
  printf '[[rule]]\nfiles = "**"\noutline = "tags"\nrecipients = [%s]\n' "$1" > .envconf.toml
}
as_ben() { ENVCONF_KEY_FILE=.git/ben.key envconf "$@"; }

echo '== Anna starts: she creates a local key and seals a configuration'
git init --quiet
envconf init
printf 'token = "token-one"\npool = 10\n' > config/app.toml
envconf seal config/app.toml --outline tags --rm
envconf hook install                       # git checks every commit from now on
git add . && git commit --quiet --message 'Seal the configuration'

echo '== Anna changes a value: git shows its key, but not the value'
printf 'token-two' | envconf set app token # or in an editor: envconf edit app
git --no-pager diff
git commit --quiet --all --message 'Change the token'

echo '== Ben joins: the policy file names both keys, and the data key is wrapped for Ben too'
anna=$(envconf recipients list app)
ben=$(envconf keygen .git/ben.key 2>&1 | tail -n 1)   # Ben does this on his machine
rules "'$anna', '$ben'"
ENVCONF_KEY_FILE=$(envconf key show-path "$anna"):.git/ben.key envconf recipients add app "$ben"
envconf status --check
git add . && git commit --quiet --message 'Add Ben'
as_ben exec app -- sh -c 'echo "the server of Ben has a pool of $POOL"'

echo '== Ben leaves: Anna changes the policy file, then the data key, then the secret'
rules "'$anna'"
envconf status --check || echo "status ended with $?"
envconf recipients remove app "$ben"           # seals with a new data key
printf 'token-three' | envconf set app token   # Ben knows the old one: change it at its source, too
envconf rotate app                             # a new data key: regularly, and after a leak
git add . && git commit --quiet --message 'Remove Ben'
as_ben get app token || echo "Ben was rejected with exit code $?"
test "$(envconf get app token)" = token-three
