//! Two sequences that should be one: what our log asked a device to sign, and what the device signed.
//!
//! The cheapest way to read both in order is found: a use and a signature that fit go together, a signature without
//! a use and a certain use without a signature cost one each, and a use of unknown outcome may go without. Where
//! nothing is paid, each use of unknown outcome is settled as far as every such reading agrees. Not here: what a
//! difference means ([`super`]).

/// A signature as one side has it: the object that signed, the command, and the length of its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// Object id of the key.
    pub object: u16,
    /// The command, by its number.
    pub command: u8,
    /// Bytes of the command's data; none where the first release did not record them.
    pub length: Option<u16>,
}

impl Signature {
    fn fits(&self, other: &Self) -> bool {
        let same_length = match (self.length, other.length) {
            (Some(length), Some(others)) => length == others,
            _ => true,
        };
        (self.object, self.command) == (other.object, other.command) && same_length
    }
}

/// A use of a key, as our log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// What the device is to show of it.
    pub signature: Signature,
    /// Whether the key signed for certain; otherwise nobody knows.
    pub is_certain: bool,
}

/// A difference, by the places in the two sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A signature that no use explains.
    Extra(usize),
    /// A use that no signature shows.
    Missing(usize),
}

/// How the two sequences are read together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alignment {
    /// Which signature goes with which use, in order.
    pub pairs: Vec<(usize, usize)>,
    /// Where they differ, in order.
    pub differences: Vec<Difference>,
    /// Uses of unknown outcome that every reading without a difference pairs, or leaves alone, alike.
    pub settled: Vec<(usize, Option<usize>)>,
}

/// Differences up to which the cheapest reading is looked for: what it takes grows with them.
const MOST_DIFFERENCES: u32 = 16;

/// Cost at which each number of signatures is read, ascending in that number.
type Layer = Vec<(usize, u32)>;

/// Reads the two sequences together; nothing where they differ in more than 16 places.
#[must_use]
pub fn align(uses: &[Use], signatures: &[Signature]) -> Option<Alignment> {
    let mut budget = 0;
    while budget <= MOST_DIFFERENCES {
        let layers = layers(uses, signatures, budget);
        let goal = layers.last().and_then(|layer| cost(layer, signatures.len()));
        if let Some(paid) = goal {
            let mut found = trace(uses, signatures, &layers, paid);
            if paid == 0 {
                found.settled = settle(uses, signatures, &layers, &found.pairs);
            }
            return Some(found);
        }
        budget = if budget == 0 { 1 } else { budget * 2 };
    }
    None
}

/// Returns what each number of signatures costs after each number of uses, within a budget.
fn layers(uses: &[Use], signatures: &[Signature], budget: u32) -> Vec<Layer> {
    let mut layers = Vec::with_capacity(uses.len() + 1);
    let mut layer = with_extras(vec![(0, 0)], signatures.len(), budget);
    for used in uses {
        let mut next: Layer = Vec::with_capacity(layer.len() + 1);
        let mut put = |read: usize, paid: u32| match next.last_mut() {
            Some((last, known)) if *last == read => *known = paid.min(*known),
            _ if paid <= budget => next.push((read, paid)),
            _ => {}
        };
        // Ascending: what is left at one number comes before what is paired at it, which leads to the next.
        let mut paired: Option<(usize, u32)> = None;
        for &(read, paid) in &layer {
            if let Some((to, cost)) = paired.take_if(|(to, _)| *to <= read) {
                put(to, cost);
            }
            put(read, paid + u32::from(used.is_certain));
            let fits = signatures.get(read).is_some_and(|signature| signature.fits(&used.signature));
            paired = fits.then_some((read + 1, paid));
        }
        if let Some((to, cost)) = paired {
            put(to, cost);
        }
        layers.push(std::mem::replace(&mut layer, with_extras(next, signatures.len(), budget)));
    }
    layers.push(layer);
    layers
}

/// Adds to a layer what is reached by signatures without a use.
fn with_extras(layer: Layer, signatures: usize, budget: u32) -> Layer {
    let mut all: Layer = Vec::with_capacity(layer.len());
    for (read, paid) in layer {
        while let Some(next) = further(&all, signatures, budget).filter(|next| next.0 < read) {
            all.push(next);
        }
        let by_extra = further(&all, signatures, budget).filter(|next| next.0 == read);
        all.push((read, by_extra.map_or(paid, |extra| extra.1.min(paid))));
    }
    while let Some(next) = further(&all, signatures, budget) {
        all.push(next);
    }
    all
}

fn further(all: &Layer, signatures: usize, budget: u32) -> Option<(usize, u32)> {
    let &(read, paid) = all.last()?;
    (read < signatures && paid < budget).then_some((read + 1, paid + 1))
}

fn cost(layer: &Layer, read: usize) -> Option<u32> {
    layer.binary_search_by_key(&read, |reached| reached.0).ok().and_then(|at| layer.get(at)).map(|at| at.1)
}

/// Walks back from the end: what is extra or missing is told as late as possible.
fn trace(uses: &[Use], signatures: &[Signature], layers: &[Layer], paid: u32) -> Alignment {
    let mut found = Alignment::default();
    let (mut used, mut read, mut paid) = (uses.len(), signatures.len(), paid);
    let at = |used: usize, read: usize| layers.get(used).and_then(|layer| cost(layer, read));
    while (used, read) != (0, 0) {
        let use_before = used.checked_sub(1).and_then(|index| uses.get(index).map(|one| (index, one)));
        let read_before = read.checked_sub(1);
        let extra = read_before.filter(|read| paid > 0 && at(used, *read) == Some(paid - 1));
        if let Some(before) = extra {
            found.differences.push(Difference::Extra(before));
            (read, paid) = (before, paid - 1);
            continue;
        }
        let Some((before, one)) = use_before else { break };
        if one.is_certain && paid > 0 && at(before, read) == Some(paid - 1) {
            found.differences.push(Difference::Missing(before));
            (used, paid) = (before, paid - 1);
            continue;
        }
        let fits = |read: &usize| signatures.get(*read).is_some_and(|other| other.fits(&one.signature));
        if let Some(other) = read_before.filter(fits).filter(|read| at(before, *read) == Some(paid)) {
            found.pairs.push((before, other));
            (used, read) = (before, other);
            continue;
        }
        // A use of unknown outcome that goes without.
        used = before;
    }
    found.pairs.reverse();
    found.differences.reverse();
    found
}

/// Settles uses of unknown outcome, where no reading without a difference says otherwise.
fn settle(
    uses: &[Use],
    signatures: &[Signature],
    layers: &[Layer],
    pairs: &[(usize, usize)],
) -> Vec<(usize, Option<usize>)> {
    let mut settled = Vec::new();
    // The places from which the end is reached without a difference, walked back layer by layer.
    let mut after: Vec<usize> = vec![signatures.len()];
    for ((index, one), layer) in uses.iter().enumerate().zip(layers).rev() {
        let fits = |read: &usize| signatures.get(*read).is_some_and(|other| other.fits(&one.signature));
        let mut before = Vec::with_capacity(after.len() + 1);
        let (mut may_pair, mut may_skip) = (false, false);
        for &(read, _) in layer {
            let pairs_here = fits(&read) && after.binary_search(&(read + 1)).is_ok();
            let skips_here = !one.is_certain && after.binary_search(&read).is_ok();
            if pairs_here || skips_here {
                before.push(read);
            }
            may_pair |= pairs_here;
            may_skip |= skips_here;
        }
        if !one.is_certain && may_pair != may_skip {
            let pair = pairs.binary_search_by_key(&index, |pair| pair.0).ok().and_then(|at| pairs.get(at));
            settled.push((index, pair.map(|pair| pair.1)));
        }
        after = before;
    }
    settled.reverse();
    settled
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
