#!/usr/bin/env bash
# ctest: timeout=240
# Git at work inside the jail as outside: history of every kind, worktrees, submodules, gc, clones over file:// and over smart
# and dumb http on loopback, hooks, a credential daemon behind a Unix socket. Dates and identity are fixed, so every object id
# of the two transcripts must be the same.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/honest.bash"

mkdir "$W/scripts"
cat >"$W/scripts/git.sh" <<'SCRIPT'
set -eu
exec </dev/null
export GIT_AUTHOR_DATE='1700000000 +0100' GIT_COMMITTER_DATE='1700000000 +0100' GIT_PAGER=cat GIT_EDITOR=: LC_ALL=C
git config --global init.defaultBranch main
git config --global protocol.file.allow always
git config --global advice.detachedHead false
here=$PWD

git init -q lib
(cd lib && echo lib >lib.txt && git add . && git commit -qm lib)
git init -q repo
cd repo
for i in $(seq 30); do
    seq "$i" $((i * 20)) >"file$i"
    git add .
    git commit -qm "commit $i"
done
chmod 755 file1 && ln -s file1 link && git add -A && git commit -qm 'mode and link'

echo "-- worktree, rebase, merge, cherry-pick, stash"
git worktree add -q ../tree -b topic HEAD~10
(cd ../tree && for i in 1 2 3; do echo "$i" >"topic$i" && git add . && git commit -qm "topic $i"; done)
git -C ../tree rebase -q main
GIT_SEQUENCE_EDITOR='sed -i -e 2s/pick/fixup/' git -C ../tree rebase -q -i --exec 'test -f file1' main >/dev/null 2>&1
git merge -q --no-ff -m merge topic
git checkout -q -b side HEAD~5
echo side >>file3 && git stash -q && git stash pop -q && git commit -qam side && git cherry-pick topic >/dev/null
git worktree list | sed "s|$here||"
git worktree remove ../tree
git checkout -q main && git merge -q -X ours -m octopus side && git rm -q file30 && git mv file29 moved && git commit -qm moved
git tag -a -m one v1 && git notes add -m note && git describe --tags

echo "-- bisect, grep, blame, log"
git bisect start HEAD "$(git rev-parse ':/commit 15')" >/dev/null && git bisect run sh -c 'test ! -f file25' >/dev/null 2>&1
git log -1 --format=%s refs/bisect/bad && git bisect reset >/dev/null 2>&1
git grep -c -P '^1\d$' | head -3
git blame -s file3 | cksum
git log --all --graph --stat --format='%H %an %s' | cksum

echo "-- patches, archive, bundle"
git format-patch -q -3 --stdout >../patches
git checkout -q -b again HEAD~1 && git am -q ../patches && git rev-parse HEAD^{tree} && git checkout -q main
git archive HEAD | tar -tf - | wc -l
git bundle create -q ../all.bundle --all && git clone -q ../all.bundle ../unbundled && git -C ../unbundled rev-parse HEAD

echo "-- submodules"
git submodule --quiet add "file://$here/lib" sub && git commit -qm submodule
git clone -q --recurse-submodules "file://$here/repo" ../with && cat ../with/sub/lib.txt
(cd lib 2>/dev/null || cd ../lib && echo more >>lib.txt && git commit -qam more)
git submodule --quiet update --remote && git submodule status | cut -c1-41

echo "-- gc, repack, fsck, commit-graph, maintenance"
git commit -qam 'submodule moves'
git reflog expire --expire=now --all && git gc -q --aggressive --prune=now && git repack -q -adf --write-bitmap-index
git commit-graph write --reachable --no-progress && git pack-refs --all && git maintenance run -q && git multi-pack-index write --no-progress
git fsck --strict --no-progress && git count-objects -v | grep -E '^(count|in-pack|packs|garbage)'
git verify-pack .git/objects/pack/*.idx && git sparse-checkout set --no-cone file2 && ls && git sparse-checkout disable

echo "-- clones"
git clone -q --depth 3 "file://$here/repo" ../shallow && git -C ../shallow rev-list --count HEAD
git clone -q --shared . ../shared && git clone -q --no-local --bare . ../bare.git && git clone -q . ../hardlinks
git clone -q --filter=blob:none --no-checkout "file://$here/repo" ../partial 2>/dev/null && git -C ../partial rev-parse HEAD
git -C ../hardlinks commit -q --allow-empty -m pushed && git -C ../hardlinks push -q origin HEAD:pushed && git rev-parse pushed
stat -c %h .git/objects/pack/*.pack

echo "-- hooks, credentials, add -p"
printf '#!/bin/sh\necho "hook $(basename "$0")"\n' >.git/hooks/pre-commit && chmod +x .git/hooks/pre-commit
cp .git/hooks/pre-commit .git/hooks/post-commit
echo hooked >>file2 && printf 'y\n' | git add -p >/dev/null && git commit -qm hooked 2>&1
printf 'protocol=https\nhost=a\nusername=u\npassword=p\n\n' | git credential-cache store
printf 'protocol=https\nhost=a\n\n' | git credential-cache get && git credential-cache exit

echo "-- http on loopback"
cd "$here"
git -C bare.git update-server-info && git -C bare.git config http.receivepack true && mkdir -p www/cgi-bin && mv bare.git www/
printf '#!/bin/sh\nGIT_PROJECT_ROOT=%s/www GIT_HTTP_EXPORT_ALL=1 exec git http-backend\n' "$here" >www/cgi-bin/git && chmod +x www/cgi-bin/git
(cd www && exec python3 -u -m http.server --cgi --bind 127.0.0.1 0) >server.log 2>&1 &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 400); do grep -q port server.log && break || sleep 0.05; done
port=$(sed -nE 's/.* port ([0-9]+) .*/\1/p' server.log)
git clone -q "http://127.0.0.1:$port/bare.git" dumb && git -C dumb rev-parse HEAD
git clone -q "http://127.0.0.1:$port/cgi-bin/git/bare.git" smart && git -C smart rev-parse HEAD
(cd smart && git commit -q --allow-empty -m 'over http' && git push -q origin HEAD:refs/heads/over-http)
git -C www/bare.git rev-parse over-http
git -c protocol.version=2 ls-remote "http://localhost:$port/cgi-bin/git/bare.git" | cksum
echo "end git"
SCRIPT
same git "$W/scripts/git.sh"
e2e_end
