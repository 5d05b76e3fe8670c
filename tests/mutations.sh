#!/usr/bin/env bash
# Breaks one rule at a time in a scratch copy and demands that the simulation, loom, or a named file of tests notices.
# A check that nothing would fail without is no check. Prints one line a mutation; fails if one survives.
#
#   tests/mutations.sh            all of them
#   tests/mutations.sh 3 7        only these
#   tests/mutations.sh --check    only whether each still finds the line it breaks
set -euo pipefail
cd "$(dirname "$0")/.."
check=
if [ "${1:-}" = --check ]; then check=yes && shift; fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export CARGO_TARGET_DIR="${MUTATIONS_TARGET_DIR:-target/mutations}"
mkdir -p "$CARGO_TARGET_DIR"
CARGO_TARGET_DIR=$(cd "$CARGO_TARGET_DIR" && pwd)

core=engine/core/src/shard
# number | name | judge | file | perl substitution
mutations=(
"1|the generation of a link's entry is not checked|sim|$core/update.rs|s/topic\.generation == generation\b/topic.lives()/"
"2|a mark is believed without a look at seen|sim|$core/drain.rs|s/if run\.fresh & 1 << lane == 0 \{/if false \{/"
"3|each view is stamped for itself|sim|$core/link.rs|s/            stamp,\n/            stamp: { let _ = stamp; crate::id::Stamp::from_bits(u64::from(view.turn)) },\n/"
"4|a change during a walk does not prolong it|sim|$core/walk.rs|s/record\.remaining = record\.len;\n/if !record.has(WALKS) { record.remaining = record.len; }\n/"
"5|an entry carried past the cursor is not marked|sim|$core/subscription.rs|s/self\.outboxes\.mark\(&\[moved\.slot\], [^;]*;//"
"6|a watcher made writable again is forgotten|sim|$core/watcher.rs|s/if self\.outboxes\.watchers\[index\]\.standing == Standing::Blocked as u8 \{/if false {/"
"7|a credit is not given back|sim|$core/request.rs|s/self\.links\[home\.index\(\)\]\.credits_out -= 1;/let _ = home;/"
"9|a later policy does not replace an earlier one|sim|$core/gate.rs|s/if record\.epoch >= new\.epoch \{/if record.epoch != PolicyEpoch::default() {/"
"10|a topic is not closed while a policy is applied|sim|$core/gate.rs|s/record\.state \|= CLOSED;//"
"11|an update travels without the policy that it was composed under|sim|$core/link.rs|s/if record\.guard_marks & WANTS_GUARD != 0 \{/if record.guard_marks \& WANTS_GUARD != 0 \&\& update.whole {/"
"12|a policy is said to be applied before it is|sim|engine/core/src/presence/edits.rs|s/if waits_for\.is_empty\(\) \{/if !waits_for.is_empty() || waits_for.is_empty() {/"
"13|the expiry of a state is not looked at where it is told|sim|$core/topic.rs|s/ == LIVE && self\.expires > now/ == LIVE \&\& (true || self.expires > now)/"
"14|an entity-tag is not checked|sim|engine/core/src/presence/publish.rs|s/Some\(_\) if publication\.condition != current =>/Some(_) if false \&\& publication.condition != current =>/"
"15|a longest gap does not have all told again|sim|$core/pace/mod.rs|s/done \+= self\.outboxes\.mark_group_again\(owner\);/let _ = owner;/"
"16|a shortest gap holds nothing back|sim|$core/pace/groups.rs|s/if record\.is_open\(now\) \{/if { let _ = record.is_open(now); true } {/"
"17|an inactive watcher has its turn all the same|sim|$core/slot.rs|s/holds != 0 && self\.passes_over/false \&\& holds != 0 \&\& self.passes_over/"
"18|a refresh tells only what has changed|sim|$core/slot.rs|s/record\.fresh \|= lanes;//"
"19|a list is told before it has gathered|sim|$core/pace/lists.rs|s/if self\.now < until && /if false \&\& self.now < until \&\& /"
"20|a list may hold itself|sim|engine/core/src/presence/lists/registry.rs|s/if level\.contains\(&list\) \{/if level.contains(\&list) \&\& levels > 64 {/"
"21|who knows any state is told of none|sim|$core/conditional.rs|s/if known != tag_of\(/if false \&\& known != tag_of(/"
"22|a difference is offered to who was not told what it is made from|sim|$core/changes/partial.rs|s/if !has_the_last \|\| /if /"
"31|the weight of a tenant is ignored|test tenants|$core/tenant/turns.rs|s/\/ u128::from\(weight\)/\/ u128::from(weight.min(1))/"
"32|a tenant that floods takes the credits of the others|sim|$core/tenant/mod.rs|s/is_left && credits\.out\(tenant\) < share/{ let _ = share; is_left }/"
"33|a resume marks nothing that was not acknowledged|sim|$core/session/park.rs|s/self\.mark_lanes_again\(run, 1 << lane\);/let _ = (run, lane);/"
"34|a resumed subscription does not wait for its home|sim|$core/session/moved.rs|s/ && !member\.was_silent && is_as_new;/ && (true || is_as_new);/"
"23|the end of a watcher is not told to who was told of it|sim|$core/watcher_information/list.rs|s/if entry\.born > told \{/if entry.born > told || told != 0 {/"
"24|a subscription that policy moves is not reported|sim|$core/subscription.rs|s/self\.note_moved\([^;]*;/let _ = left;/"
"25|what a walk tells of later changes is forgotten|sim|$core/watcher_information/list.rs|s/cursor\.glimpsed = self\.changes;//"
"26|a leave waits for a report that waits for a join behind it|sim|$core/watcher_information/report.rs|s/ && !self\.reports\.unsettled\.contains\(presentity\)\n/\n/"
"35|a poll takes its credit of one home only|sim|$core/poll.rs|s/self\.take_credit\(tenant, home\);/if home == asked.iter().next().unwrap_or(home) { self.take_credit(tenant, home); }/"
"36|what a home answers is put in another home's places|sim|$core/poll.rs|s/presentity\.partition\(\)\.home\(home_shards\) == from/{ let _ = (presentity, home_shards, from); true }/"
"8|the doorbell is rung without a fence|loom|engine/src/mesh/doorbell.rs|s/pub fn announce\(\) \{\n    fence\(Ordering::SeqCst\);/pub fn announce() {/"
)

survived=0
for mutation in "${mutations[@]}"; do
    IFS='|' read -r number name judge file edit <<<"$mutation"
    if [ $# -gt 0 ] && ! printf '%s\n' "$@" | grep -qx "$number"; then continue; fi
    copy="$scratch/copy"
    rm -rf "$copy" && mkdir "$copy"
    git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - 2>/dev/null | tar -xf - -C "$copy"
    before=$(cksum <"$copy/$file")
    perl -0pi -e "$edit" "$copy/$file"
    if [ "$before" = "$(cksum <"$copy/$file")" ]; then
        echo "mutation $number ($name): its pattern no longer fits $file" >&2
        exit 1
    fi
    if [ -n "$check" ]; then echo "mutation $number fits: $name" && continue; fi
    log="$scratch/log"
    if [ "$judge" = sim ]; then
        (cd "$copy" && cargo build -q --release -p fanfare-tests --bin simulate) >"$log" 2>&1 || {
            cat "$log" >&2
            echo "mutation $number ($name) does not build" >&2
            exit 1
        }
        judgement=("$CARGO_TARGET_DIR/release/simulate" --seeds 1000)
    elif [[ "$judge" = "test "* ]]; then
        judgement=(cargo test -q --release -p fanfare-tests --test "${judge#test }")
        (cd "$copy" && "${judgement[@]}" --no-run) >"$log" 2>&1 || {
            cat "$log" >&2
            echo "mutation $number ($name) does not build" >&2
            exit 1
        }
    else
        (cd "$copy" && RUSTFLAGS="--cfg fanfare_loom" cargo test -q --release -p fanfare --lib --no-run) >"$log" 2>&1 || {
            cat "$log" >&2
            echo "mutation $number ($name) does not build" >&2
            exit 1
        }
        judgement=(env RUSTFLAGS="--cfg fanfare_loom" cargo test -q --release -p fanfare --lib loom_tests::ringers)
    fi
    if (cd "$copy" && timeout 600 "${judgement[@]}") >"$log" 2>&1; then
        echo "mutation $number SURVIVED: $name"
        survived=1
    else
        echo "mutation $number caught: $name: $(grep -m1 -E 'failed at|panicked|FAILED|deadlock' "$log" | cut -c1-150)"
    fi
done
exit $survived
