//! Every difference of short sequences, and long ones in time: extra, missing, in another order, of unknown outcome.

use super::*;

fn signature(length: u16) -> Signature {
    Signature { object: 0x100, command: 0x6a, length: Some(length) }
}

fn certain(lengths: &[u16]) -> Vec<Use> {
    lengths.iter().map(|length| Use { signature: signature(*length), is_certain: true }).collect()
}

fn signatures(lengths: &[u16]) -> Vec<Signature> {
    lengths.iter().map(|length| signature(*length)).collect()
}

/// As `certain`, and those at the places given of unknown outcome.
fn with_unknown(lengths: &[u16], unknown: &[usize]) -> Vec<Use> {
    let mut uses = certain(lengths);
    for place in unknown {
        uses[*place].is_certain = false;
    }
    uses
}

#[test]
fn equal_sequences_pair_one_to_one() {
    for lengths in [&[][..], &[1], &[1, 1, 1], &[3, 1, 2]] {
        let found = align(&certain(lengths), &signatures(lengths)).unwrap();
        let pairs: Vec<_> = (0..lengths.len()).map(|at| (at, at)).collect();
        assert_eq!(found, Alignment { pairs, ..Alignment::default() });
    }
}

#[test]
fn one_extra_is_found_wherever_it_stands() {
    for at in 0..4 {
        let mut shown = vec![10, 20, 30];
        shown.insert(at, 99);
        let found = align(&certain(&[10, 20, 30]), &signatures(&shown)).unwrap();
        assert_eq!(found.differences, [Difference::Extra(at)]);
        assert_eq!(found.pairs.len(), 3);
    }
    let found = align(&certain(&[5, 5]), &signatures(&[5, 5, 5])).unwrap();
    assert_eq!(found.differences, [Difference::Extra(2)], "told as late as possible");
}

#[test]
fn one_missing_is_found_wherever_it_stood() {
    for at in 0..3 {
        let mut shown = vec![10, 20, 30];
        shown.remove(at);
        let found = align(&certain(&[10, 20, 30]), &signatures(&shown)).unwrap();
        assert_eq!(found.differences, [Difference::Missing(at)]);
    }
}

#[test]
fn another_order_is_one_missing_and_one_extra() {
    let found = align(&certain(&[10, 20, 30]), &signatures(&[10, 30, 20])).unwrap();
    assert_eq!(found.differences.len(), 2);
    assert!(found.differences.iter().any(|one| matches!(one, Difference::Extra(_))));
    assert!(found.differences.iter().any(|one| matches!(one, Difference::Missing(_))));
}

#[test]
fn another_key_command_or_length_is_another_signature() {
    let uses = certain(&[10]);
    for other in [
        Signature { object: 0x101, ..signature(10) },
        Signature { command: 0x56, ..signature(10) },
        signature(11),
    ] {
        let found = align(&uses, &[other]).unwrap();
        assert_eq!(found.differences.len(), 2, "{other:?}");
    }
    let unknown_length = Use { signature: Signature { length: None, ..signature(0) }, is_certain: true };
    assert!(align(&[unknown_length], &signatures(&[10])).unwrap().differences.is_empty());
}

#[test]
fn a_use_of_unknown_outcome_may_have_its_signature_and_is_settled() {
    let uses = with_unknown(&[10, 20, 30], &[1]);
    assert_eq!(align(&uses, &signatures(&[10, 20, 30])).unwrap().settled, [(1, Some(1))]);
    assert_eq!(align(&uses, &signatures(&[10, 30])).unwrap().settled, [(1, None)]);
    // It explains one signature of its own length, no other and no second one.
    let found = align(&uses, &signatures(&[10, 21, 30])).unwrap();
    assert_eq!(found.differences, [Difference::Extra(1)]);
    assert!(found.settled.is_empty(), "nothing is settled where anything differs");
    let found = align(&uses, &signatures(&[10, 20, 20, 30])).unwrap();
    assert_eq!(found.differences.len(), 1);
}

#[test]
fn what_may_be_read_in_two_ways_is_not_settled() {
    let uses = with_unknown(&[10, 10], &[0, 1]);
    assert!(align(&uses, &signatures(&[10])).unwrap().settled.is_empty());
    assert_eq!(align(&uses, &signatures(&[10, 10])).unwrap().settled, [(0, Some(0)), (1, Some(1))]);
    assert_eq!(align(&uses, &[]).unwrap().settled, [(0, None), (1, None)]);
    // The certain one between them has one of the two: which of the others signed is open.
    let uses = with_unknown(&[10, 10, 10], &[0, 2]);
    let found = align(&uses, &signatures(&[10, 10])).unwrap();
    assert!(found.differences.is_empty() && found.settled.is_empty());
}

/// Every pair of short sequences against the plain recursion that says what a reading costs.
#[test]
fn the_cheapest_reading_is_that_of_the_plain_rule() {
    fn plain(uses: &[Use], shown: &[Signature]) -> u32 {
        let skip = |used: &Use| u32::from(used.is_certain);
        match (uses, shown) {
            ([], _) => u32::try_from(shown.len()).unwrap(),
            (_, []) => uses.iter().map(skip).sum(),
            ([one, uses_left @ ..], [other, shown_left @ ..]) => {
                let without = (plain(uses_left, shown) + skip(one)).min(plain(uses, shown_left) + 1);
                if other.fits(&one.signature) { without.min(plain(uses_left, shown_left)) } else { without }
            }
        }
    }
    let mut compared = 0;
    for uses_code in 0..4_u32.pow(4) {
        let digits = |code: u32, base: u32, count: u32| (0..count).map(move |at| code / base.pow(at) % base);
        let uses: Vec<Use> = digits(uses_code, 4, 4)
            .map(|digit| Use { signature: signature(1 + (digit % 2) as u16), is_certain: digit < 2 })
            .collect();
        for length in 0..=5 {
            for shown_code in 0..2_u32.pow(length) {
                let shown: Vec<_> =
                    digits(shown_code, 2, length).map(|digit| signature(1 + digit as u16)).collect();
                let found = align(&uses, &shown).unwrap();
                let cost = u32::try_from(found.differences.len()).unwrap();
                assert_eq!(cost, plain(&uses, &shown), "{uses:?} {shown:?}");
                let skipped = uses.len() - found.pairs.len();
                assert!(found.pairs.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
                assert!(skipped <= uses.len());
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 256 * 63);
}

#[test]
fn seventy_thousand_signatures_are_read_in_time_and_one_extra_among_them_is_found() {
    let lengths: Vec<u16> = (0..70_000_u32).map(|at| (at % 7) as u16 + 100).collect();
    let mut uses = certain(&lengths);
    uses[69_000].is_certain = false;
    let mut shown = signatures(&lengths);
    let found = align(&uses, &shown).unwrap();
    assert_eq!((found.pairs.len(), found.differences.len()), (70_000, 0));
    assert_eq!(found.settled, [(69_000, Some(69_000))]);
    shown.insert(65_536, signature(999));
    assert_eq!(align(&uses, &shown).unwrap().differences, [Difference::Extra(65_536)]);
    shown.remove(12);
    let found = align(&uses, &shown).unwrap();
    assert_eq!(found.differences, [Difference::Missing(12), Difference::Extra(65_535)]);
}

#[test]
fn of_too_many_differences_no_reading_is_made_up() {
    assert!(align(&certain(&[1; 16]), &[]).is_some());
    assert!(align(&certain(&[1; 17]), &[]).is_none());
    assert!(align(&[], &signatures(&[1; 17])).is_none());
}
