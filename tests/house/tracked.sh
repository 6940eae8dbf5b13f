#!/bin/sh
# tracked.sh SOURCE [BUILD]: nothing of one machine, of a registry, generated or vendored in the tree.
# The patterns are written so that this file does not match them.
set -eu
cd "$1"
bad=0

# What git has or would take; a tree without git is looked through whole.
list() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard
    else
        find . -type f ! -path './build*' ! -path './.git/*' -print0
    fi
}

report() { # title pattern
    found=$(list | xargs -0 grep -nIsE "$2" /dev/null | cut -c1-200 | head -n 12 || true)
    if [ -n "$found" ]; then
        printf '%s\n%s\n' "$1" "$found"
        bad=1
    fi
}

report 'paths of one machine:' '(^|[^A-Za-z0-9_./-])/(work|root|home/[a-z][a-z0-9_-]*)/[A-Za-z.]'
report 'addresses of package registries:' 'registry[.](npmjs|yarnpkg)|npmjs[.](org|com)/|deb[.]debian[.]org|"resolved": *"http'
report 'marks of unfinished work:' '(^|[^A-Za-z_])(TO''DO|FIX''ME|XX''X)([^A-Za-z_]|$)'

odd=$(list | tr '\0' '\n' | grep -E '[.](o|a|so|pyc|deb|whl|tgz)$|(^|/)node_modules/' || true)
if [ -n "$odd" ]; then
    printf 'generated or downloaded files:\n%s\n' "$odd"
    bad=1
fi
exit $bad
