#!/usr/bin/env bash
# Two commands at once: the last activation is drawn once, and one request makes one license.

source "$(dirname "$0")/lib.sh"
journey races

ROUNDS=${ROUNDS:-20}
authority home
chancery --home home bundle publish -o vendor.ctrust >out

# Runs two commands at once; their exit codes are in `first` and `second`, their output in files by name.
race() {
    issue home "$entitlement" "$1" first.clic --json >first.out 2>first.err &
    local one=$!
    issue home "$entitlement" "$2" second.clic --json >second.out 2>second.err &
    local two=$!
    first=0 second=0
    wait "$one" || first=$?
    wait "$two" || second=$?
}

shown() { sed 's/^/       | /' first.out first.err second.out second.err; }

# Two devices, one activation.
wins=0 told=0 kept=0
for ((round = 0; round < ROUNDS; round++)); do
    rm -f ./*.creq ./*.clic
    entitlement=$(grant home 1)
    request site-a "$entitlement" a.creq >out 2>&1
    request site-b "$entitlement" b.creq >out 2>&1
    race a.creq b.creq
    case "$first $second" in
        '0 3') winner=first loser=second ;;
        '3 0') winner=second loser=first ;;
        *) echo "  round $round: exit codes $first and $second" && shown && continue ;;
    esac
    wins=$((wins + 1))
    chancery-site verify "$winner.clic" --trust vendor.ctrust >out && [[ ! -e $loser.clic ]] && kept=$((kept + 1))
    if grep -qF "$entitlement" "$loser.err" && grep -qF '0 of 1 activations left' "$loser.err"; then
        told=$((told + 1))
    else
        shown
    fi
done
equal "of two devices, one takes the last activation, $ROUNDS times" "$ROUNDS" "$wins"
equal 'the other is told why' "$ROUNDS" "$told"
equal 'the winner has a genuine license, the other no file' "$ROUNDS" "$kept"
equal 'no license more than activations' "$ROUNDS" "$(query home 'SELECT count(*) FROM license')"

# One request, twice at once: the second either hands out the same license, or names it and hands out nothing.
one=0 agreed=0
for ((round = 0; round < ROUNDS; round++)); do
    rm -f ./*.creq ./*.clic
    entitlement=$(grant home 2)
    request site-a "$entitlement" a.creq >out 2>&1
    race a.creq a.creq
    case "$first $second" in
        '0 0' | '0 3') winner=first loser=second ;;
        '3 0') winner=second loser=first ;;
        *) echo "  round $round: exit codes $first and $second" && shown && continue ;;
    esac
    license=$(field "$winner.out" id)
    drawn=$(chancery --home home license list --json | grep -cF "$entitlement")
    if ((drawn == 1)); then one=$((one + 1)); else echo "  round $round: $drawn licenses"; fi
    if cmp -s first.clic second.clic || { [[ ! -e $loser.clic ]] && grep -qF "$license" "$loser.err"; }; then
        agreed=$((agreed + 1))
    else
        shown
    fi
done
equal "one request, twice at once, makes one license, $ROUNDS times" "$ROUNDS" "$one"
equal 'the other command hands out the same, or names it' "$ROUNDS" "$agreed"

# The same request again, later.
works 'the same request is answered again' issue home "$entitlement" a.creq later.clic --json
equal 'with the same license' "$license" "$(field out id)"
equal 'and says that it was issued before' true "$(field out issued_before)"
same 'byte for byte' "$winner.clic" later.clic
chancery --home home entitlement show "$entitlement" --json >out
equal 'one activation is drawn' 1 "$(field out used)"
works 'the authority finds nothing wrong' chancery --home home doctor
