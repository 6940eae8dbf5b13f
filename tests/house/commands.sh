#!/bin/sh
# commands.sh SOURCE BUILD: what the documents tell people to type exists. Looks at every command in
# backquotes or in a code block of README.md and docs: `aiex VERB ...`, `aiex-host --option ...` and
# `./run WORD`. Prints "file: command; reason" for each that does not.
set -eu
source=$1
aiex=$2/bin/aiex
host=$2/bin/aiex-host
bad=0

for program in "$aiex" "$host"; do
    [ -x "$program" ] || { echo "$program is missing; build it first (ninja -C $2)"; exit 1; }
done
cd "$source"
files=$(find README.md docs -name '*.md' | LC_ALL=C sort)
[ -n "$files" ] || { echo "no documents in $source"; exit 1; }

# "file<tab>command" for each command; in a block it may follow a prompt or another command.
commands() {
    # shellcheck disable=SC2086 # one argument per file; names in this tree have no blanks
    awk '
    FNR == 1 { block = 0 }
    /^```/ { block = !block; next }
    {
        text = $0
        if (block) gsub(/(^|[;|]) *(\$ )?/, "\n", text)
        else gsub(/`/, "\n", text)
        n = split(text, part, "\n")
        for (i = 1; i <= n; i++)
            if ((block || i % 2 == 0) && part[i] ~ /^(aiex|aiex-host|\.\/run) /)
                print FILENAME "\t" part[i]
    }' $files
}

complain() {
    printf '%s: %s; %s\n' "$1" "$2" "$3"
    bad=1
}

check_verb() { # file command word word
    [ -n "$3" ] && "$aiex" help "$3" "${4:-}" 2>/dev/null | grep -q "^aiex $3 ${4:-} - " && return
    "$aiex" help "$3" 2>/dev/null | grep -q "^aiex $3 - " || complain "$1" "$2" "aiex help does not know it"
}

help_host=$("$host" --help)
help_run=$(sed -n '/^usage: /,/^END$/p' run)
list=$(mktemp)
trap 'rm -f "$list"' EXIT
commands >"$list"
while IFS='	' read -r file command; do
    set -f # words are words, not patterns
    # shellcheck disable=SC2086
    set -- $command
    set +f
    case $1 in
    aiex)
        case ${2:-} in
        [a-z]*) check_verb "$file" "$command" "$2" "$(printf '%s' "${3:-}" | sed -n 's/^[a-z-]*$/&/p')" ;;
        esac
        ;;
    aiex-host)
        for word in "$@"; do
            case $word in
            --[a-z]*)
                word=$(printf '%s' "$word" | sed 's/[^a-z-].*//')
                printf '%s' "$help_host" | grep -q -e "$word" ||
                    complain "$file" "$command" "aiex-host --help does not know $word"
                ;;
            esac
        done
        ;;
    ./run)
        case ${2:-} in
        [a-z]*) printf '%s' "$help_run" | grep -q "\./run \[*$2" || complain "$file" "$command" "./run help does not know $2" ;;
        esac
        ;;
    esac
done <"$list"
[ -s "$list" ] || { echo "no command found in the documents; is the pattern right?"; exit 1; }
exit $bad
