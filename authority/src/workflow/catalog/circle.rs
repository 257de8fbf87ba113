//! Add-ons that cannot be sold: they require themselves by way of others, or what they conflict with.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::fault::Fault;
use crate::repository::AddOn;

/// The add-ons of a product by number, so that a thousand that require each other are walked in no time.
struct Graph<'a> {
    names: Vec<&'a str>,
    requires: Vec<Vec<usize>>,
    conflicts: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    fn new(add_ons: &'a BTreeMap<String, AddOn>) -> Self {
        let names: Vec<&str> = add_ons.keys().map(String::as_str).collect();
        let numbers = |list: fn(&AddOn) -> &BTreeSet<String>| {
            let of = |add_on| -> Vec<usize> {
                list(add_on).iter().filter_map(|name| names.binary_search(&name.as_str()).ok()).collect()
            };
            add_ons.values().map(of).collect()
        };
        let (requires, conflicts) = (numbers(|add_on| &add_on.requires), numbers(|add_on| &add_on.conflicts));
        Self { names, requires, conflicts }
    }

    /// Says why one can never be sold. Walks by a list of its own: a chain may be longer than the stack is deep.
    fn fault(&self, start: usize) -> Option<String> {
        let own = self.names[start];
        let mut needed = vec![false; self.names.len()];
        needed[start] = true;
        let mut waiting = vec![start];
        let mut met = Vec::new();
        while let Some(one) = waiting.pop() {
            met.push(one);
            for &required in &self.requires[one] {
                if required == start {
                    let by = self.names[one];
                    return Some(format!(
                        "add-on `{own}` requires itself by way of `{by}`: sell them as one add-on, or as a package"
                    ));
                }
                if !needed[required] {
                    needed[required] = true;
                    waiting.push(required);
                }
            }
        }
        for one in met {
            if let Some(&other) = self.conflicts[one].iter().find(|&&other| needed[other]) {
                let (one, other) = (self.names[one], self.names[other]);
                return Some(format!(
                    "add-on `{own}` can never be sold: with it go `{one}` and `{other}`, which conflict"
                ));
            }
        }
        None
    }
}

/// Refuses add-ons that are reached from what they require, or with which two would go that conflict.
pub(super) fn refuse<'f>(
    ids: impl IntoIterator<Item = &'f Spanned<String>>,
    add_ons: &BTreeMap<String, AddOn>,
) -> Result<(), Fault> {
    let graph = Graph::new(add_ons);
    for id in ids {
        let found = graph.names.binary_search(&id.get_ref().as_str()).ok();
        if let Some(message) = found.and_then(|start| graph.fault(start)) {
            return Err(Fault(id.span(), message));
        }
    }
    Ok(())
}
