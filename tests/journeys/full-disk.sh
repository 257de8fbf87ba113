#!/usr/bin/env bash
# A full disk refuses a license before the key signs, loses nothing, and is over when there is space again.
#
# The home and the target are small file systems of their own (tmpfs), filled to various degrees.

# A mount namespace, so that nothing outside is mounted over; a user namespace, so that no rights are needed.
if [[ -z ${OWN_MOUNTS:-} ]]; then
    OWN_MOUNTS=1 exec unshare --map-root-user --mount -- bash "$0" "$@"
fi
source "$(dirname "$0")/lib.sh"
journey full-disk

mkdir disk stick
mount -t tmpfs -o size=4M,mode=700 tmpfs disk
mount -t tmpfs -o size=1M,mode=700 tmpfs stick

# Fills a file system but for a number of KiB.
fill() {
    local free
    free=$(df -k --output=avail "$1" | tail -n 1)
    fallocate -l "$((free - $2))K" "$1/filler"
}

signed_operations() {
    query disk/home "SELECT count(*) FROM operation JOIN log_leaf ON log_index = first_index
        JOIN operation_outcome USING (operation_id)
        WHERE outcome = 'signed' AND kind = 1"
}

operations() {
    query disk/home "SELECT count(*) FROM operation JOIN log_leaf ON log_index = first_index
        WHERE kind = 1"
}

authority disk/home
chancery --home disk/home bundle publish -o vendor.ctrust >out
entitlement=$(grant disk/home 40)

# The control: with space there is one operation a license.
request site-0 "$entitlement" 0.creq >out 2>&1
works 'with space, a license is issued' issue disk/home "$entitlement" 0.creq stick/0.clic
equal 'control: its operation is seen' '1 1' "$(operations) $(signed_operations)"

# The target is full: refused before the key is used.
request site-1 "$entitlement" 1.creq >out 2>&1
fill stick 0
exits 1 'a full target is refused' issue disk/home "$entitlement" 1.creq stick/1.clic --qr stick/1.png
says 'the error says that space is missing' 'space' err
equal 'the key was not used' 1 "$(operations)"
equal 'no activation was drawn' 1 "$(chancery --home disk/home entitlement show "$entitlement" --json >out && field out used)"
equal 'nothing is left on the target' '0.clic filler' "$(ls -A stick | paste -sd' ')"
rm stick/filler
works 'with space again, it is issued' issue disk/home "$entitlement" 1.creq stick/1.clic --qr stick/1.png
works 'and verifies' chancery-site verify stick/1.clic --trust vendor.ctrust

# The home is full, to every degree: with its reserve, and where an earlier run has used the reserve up.
rounds=0 accounted=0 refused=0 issued=0 resumed=0
for reserve in kept used; do
    for free in 0 4 8 16 24 32 48 64 96 128 256 512; do
        rounds=$((rounds + 1))
        site=$reserve-$free
        request "site-$site" "$entitlement" "$site.creq" >out 2>&1
        before=$(operations) signed_before=$(signed_operations)
        if [[ $reserve == used ]]; then truncate -s 0 disk/home/reserve; fi
        fill disk "$free"
        status=0
        issue disk/home "$entitlement" "$site.creq" "$site.clic" >out 2>err || status=$?
        rm disk/filler
        after=$(operations) signed_after=$(signed_operations)
        case $status in
            0) # Signed, and told so.
                issued=$((issued + 1))
                [[ -e $site.clic ]] && ((after == before + 1 && signed_after == signed_before + 1)) &&
                    accounted=$((accounted + 1)) || echo "  $site: issued, but not accounted for"
                ;;
            1) # Refused, and the key was not used.
                refused=$((refused + 1))
                if [[ ! -e $site.clic ]] && ((after == before)) && grep -qi 'space' err; then
                    accounted=$((accounted + 1))
                else
                    echo "  $site: refused after $((after - before)) operations"
                    sed 's/^/       | /' err
                fi
                ;;
            *) echo "  $site: exit code $status" && sed 's/^/       | /' err ;;
        esac
        rm -f "$site.clic"
        issue disk/home "$entitlement" "$site.creq" "$site.clic" >out 2>err &&
            chancery-site verify "$site.clic" --trust vendor.ctrust >out && resumed=$((resumed + 1)) ||
            { echo "  $site: not issued with space again" && sed 's/^/       | /' err; }
    done
done
equal "at $rounds degrees of fullness, every license is either issued whole or refused before signing" "$rounds" "$accounted"
equal 'and is issued when there is space again' "$rounds" "$resumed"
if ((refused > 0 && issued > 0)); then
    passed "both happened: $refused refused, $issued issued"
else
    failed "only one happened: $refused refused, $issued issued"
fi
chancery --home disk/home license list --json >out
equal 'one license a request' "$((rounds + 2))" "$(field out '#')"
equal 'one signature a license' "$((rounds + 2)) $((rounds + 2))" "$(operations) $(signed_operations)"
fill disk 0
works 'doctor opens a home on a full disk' chancery --home disk/home doctor --json
works 'so does license list' chancery --home disk/home license list
works 'a license is exported from it' chancery --home disk/home license export "$(chancery --home disk/home license list | awk 'NR == 2 { print $1 }')" -o full.clic
