//! Ten thousand random operations over many entitlements and islands, beside a model of their own.
//!
//! The model says of each operation whether it is refused, and why; after each, the islands of what was touched hold
//! exactly what their parent was debited. At the end the history gives every state that was ever recorded. The seed
//! is that of the run (`CHANCERY_TEST_SEED`), or 1.

use std::collections::BTreeMap;

use chancery_formats::grant::Grant;

use super::*;
use crate::workflow::entitlement::history::{replay, steps};

const OPERATIONS: usize = 10_000;
const ENTITLEMENTS: usize = 60;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("CHANCERY_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        Self(seed.unwrap_or(1))
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ value >> 31) % end
    }
}

/// What the model knows of an entitlement.
#[derive(Clone, Debug)]
struct Known {
    state: State,
    model: Model,
    quantity: u64,
    in_islands: u64,
    devices: Vec<u8>,
    not_after: Option<u64>,
    parent: Option<EntitlementId>,
    customer: &'static str,
}

#[derive(Default)]
struct World {
    known: BTreeMap<EntitlementId, Known>,
    order: Vec<EntitlementId>,
    /// Every state, as it was given when it was recorded, with its time.
    recorded: BTreeMap<(EntitlementId, u64), (u64, Entitlement)>,
    refused: BTreeMap<&'static str, u64>,
    done: BTreeMap<&'static str, u64>,
}

impl World {
    /// Why nothing may be changed, where that is so.
    fn standing(&self, id: EntitlementId) -> Option<&'static str> {
        let known = &self.known[&id];
        let parent = known.parent.map_or(State::Active, |parent| self.known[&parent].state);
        match known.state.max(parent) {
            State::Active => None,
            State::Suspended => Some("entitlement-suspended"),
            State::Revoked => Some("entitlement-revoked"),
        }
    }

    fn record(&mut self, at: u64, state: &Entitlement) {
        let bare = Entitlement { used: 0, parent_state: State::Active, ..state.clone() };
        assert!(self.recorded.insert((state.id, state.revision), (at, bare)).is_none());
    }

    /// Compares what happened with what the model says, and counts it.
    fn judge<T: std::fmt::Debug>(
        &mut self,
        name: &'static str,
        expected: Option<&'static str>,
        result: Result<T, CommandError>,
    ) -> Option<T> {
        match (result, expected) {
            (Ok(done), None) => {
                *self.done.entry(name).or_default() += 1;
                Some(done)
            }
            (Err(error), Some(code)) => {
                assert_eq!(error.code(), code, "{name}");
                *self.refused.entry(code).or_default() += 1;
                None
            }
            (result, expected) => panic!("{name}: expected {expected:?}, found {result:?}"),
        }
    }

    fn grant(&mut self, shop: &mut Shop, dice: &mut Dice) {
        let model = [Model::Perpetual, Model::Subscription, Model::Subscription, Model::Trial]
            [dice.below(4) as usize];
        let quantity = 1 + dice.below(20);
        let id = shop.grant(model, quantity);
        let state = shop.get(id);
        self.record(shop.now, &state);
        let not_after = state.not_after;
        let known = Known {
            state: State::Active,
            model,
            quantity,
            in_islands: 0,
            devices: Vec::new(),
            not_after,
            parent: None,
            customer: "acme",
        };
        self.known.insert(id, known);
        self.order.push(id);
        *self.done.entry("grant").or_default() += 1;
    }

    fn quantity(&mut self, shop: &mut Shop, id: EntitlementId, quantity: u64) {
        let known = self.known[&id].clone();
        let used = known.devices.len() as u64 + known.in_islands;
        let expected = self.standing(id).or(match known.parent {
            Some(_) if quantity > known.quantity => Some("island-raised"),
            None if quantity == 0 => Some("quantity-zero"),
            _ if quantity < used => Some("quantity-used"),
            _ if quantity == known.quantity => Some("nothing-changed"),
            _ => None,
        });
        let result = shop.quantity(id, quantity);
        let Some(changed) = self.judge("quantity", expected, result) else { return };
        self.record(shop.now, &changed.after);
        if let Some(parent) = known.parent {
            self.known.get_mut(&parent).unwrap().in_islands -= known.quantity - quantity;
            self.record(shop.now, &shop.get(parent));
        }
        self.known.get_mut(&id).unwrap().quantity = quantity;
    }

    fn renew(&mut self, shop: &mut Shop, id: EntitlementId, days: u32) {
        let known = self.known[&id].clone();
        let extended = known.not_after.map(|end| {
            let from = if end >= shop.now { end + 1 } else { shop.now - shop.now % DAY };
            from + u64::from(days) * DAY - 1
        });
        let limit = known.parent.and_then(|parent| self.known[&parent].not_after);
        let expected = self.standing(id).or(match (known.model, extended) {
            (Model::Trial, _) => Some("trial-renewed"),
            (Model::Perpetual, _) => Some("renew-perpetual"),
            (Model::Subscription, until) if until <= known.not_after => Some("renew-earlier"),
            (Model::Subscription, Some(until)) if limit.is_some_and(|limit| until > limit) => {
                Some("island-outlives")
            }
            _ => None,
        });
        let result = shop.renew(id, Length::Days(days));
        let Some(renewed) = self.judge("renew", expected, result) else { return };
        assert_eq!(renewed.changed.after.not_after, extended);
        self.record(shop.now, &renewed.changed.after);
        self.known.get_mut(&id).unwrap().not_after = extended;
    }

    fn convert(&mut self, shop: &mut Shop, id: EntitlementId, model: Model) {
        let known = self.known[&id].clone();
        let not_after = (model != Model::Perpetual).then_some(shop.now + 400 * DAY);
        let outlived = self.known.values().any(|island| {
            island.parent == Some(id)
                && island.quantity > 0
                && island.state != State::Revoked
                && not_after.is_some_and(|end| island.not_after.is_none_or(|last| last > end))
        });
        let expected = self.standing(id).or(match model {
            _ if known.parent.is_some() => Some("island-fixed"),
            Model::Trial => Some("convert-to-trial"),
            _ if model == known.model => Some("convert-same"),
            _ if outlived => Some("island-outlives"),
            _ => None,
        });
        let result = shop.convert(id, model, not_after);
        let Some(changed) = self.judge("convert", expected, result) else { return };
        self.record(shop.now, &changed.after);
        let known = self.known.get_mut(&id).unwrap();
        (known.model, known.not_after) = (model, not_after);
    }

    fn split(&mut self, shop: &mut Shop, id: EntitlementId, quantity: u64) {
        let known = self.known[&id].clone();
        let left = known.quantity - known.in_islands - known.devices.len() as u64;
        let expected = self.standing(id).or(match known.model {
            _ if known.parent.is_some() => Some("island-split"),
            Model::Trial => Some("trial-split"),
            _ if quantity == 0 => Some("quantity-zero"),
            _ if quantity > left => Some("quantity-left"),
            _ => None,
        });
        let result = shop.split(id, quantity);
        let Some(Split { parent, island }) = self.judge("split", expected, result) else { return };
        self.record(shop.now, &parent);
        self.record(shop.now, &island);
        self.known.get_mut(&id).unwrap().in_islands += quantity;
        let island_known = Known { quantity, in_islands: 0, devices: Vec::new(), parent: Some(id), ..known };
        self.known.insert(island.id, island_known);
        self.order.push(island.id);
    }

    fn transfer(&mut self, shop: &mut Shop, id: EntitlementId, customer: &'static str) {
        let known = self.known[&id].clone();
        let expected = self.standing(id).or(match known.parent {
            Some(_) => Some("island-fixed"),
            None if known.in_islands > 0 => Some("islands-open"),
            None if customer == known.customer => Some("nothing-changed"),
            None => None,
        });
        let result = shop.transfer(id, Some(customer), None);
        let Some(done) = self.judge("transfer", expected, result) else { return };
        assert!(done.revoked.len() >= known.devices.len());
        self.record(shop.now, &done.changed.after);
        let known = self.known.get_mut(&id).unwrap();
        known.devices.clear();
        known.customer = customer;
    }

    fn stand(&mut self, shop: &mut Shop, id: EntitlementId, revoking: bool) {
        let known = self.known[&id].clone();
        if revoking {
            let expected = (known.state == State::Revoked).then_some("entitlement-revoked");
            let result = shop.revoke(id);
            let Some(ended) = self.judge("revoke", expected, result) else { return };
            self.record(shop.now, &ended.changed.after);
            for island in &ended.islands {
                self.record(shop.now, &shop.get(*island));
                self.known.get_mut(island).unwrap().state = State::Revoked;
            }
            if let Some(parent) = known.parent {
                let used = known.devices.len() as u64;
                let back = known.quantity - used;
                if back > 0 && self.known[&parent].state != State::Revoked {
                    self.known.get_mut(&parent).unwrap().in_islands -= back;
                    self.record(shop.now, &shop.get(parent));
                }
                self.known.get_mut(&id).unwrap().quantity = used;
            }
            self.known.get_mut(&id).unwrap().state = State::Revoked;
            return;
        }
        let (result, name, expected, next) = match known.state {
            State::Suspended => (shop.resume(id), "resume", None, State::Active),
            State::Revoked => (shop.resume(id), "resume", Some("entitlement-revoked"), State::Revoked),
            State::Active => (shop.suspend(id), "suspend", self.standing(id), State::Suspended),
        };
        let Some(changed) = self.judge(name, expected, result) else { return };
        self.record(shop.now, &changed.after);
        self.known.get_mut(&id).unwrap().state = next;
    }

    fn feature(&mut self, shop: &mut Shop, id: EntitlementId, limit: u64) {
        let parent = self.known[&id].parent;
        let same = shop.get(id).features["channels"] == FeatureValue::Limit(limit);
        let expected = self.standing(id).or(match parent {
            Some(_) => Some("island-fixed"),
            None if same => Some("nothing-changed"),
            None => None,
        });
        let result = shop.feature(id, "channels", Some(FeatureValue::Limit(limit)));
        let Some(changed) = self.judge("feature", expected, result) else { return };
        self.record(shop.now, &changed.after);
    }

    /// A device that asks for a license: trials are for devices that no other entitlement has.
    fn draw(&mut self, shop: &mut Shop, id: EntitlementId, device: u8) {
        let known = self.known[&id].clone();
        if known.model == Model::Trial {
            return;
        }
        let own = known.quantity - known.in_islands;
        let is_new = !known.devices.contains(&device);
        let expected = self.standing(id).or(match is_new && known.devices.len() as u64 >= own {
            true => Some("entitlement-exhausted"),
            false => None,
        });
        let result = shop.draw(id, device).map_err(CommandError::from);
        let drawn = self.judge("draw", expected, result);
        if drawn.is_some() && is_new {
            self.known.get_mut(&id).unwrap().devices.push(device);
        }
    }

    /// The islands of a family hold what their parent was debited, and nobody gives more than it has.
    fn check_family(&self, shop: &Shop, id: EntitlementId) {
        let root = self.known[&id].parent.unwrap_or(id);
        let (parent, known) = (shop.get(root), &self.known[&root]);
        let islands: Vec<_> = self.order.iter().filter(|one| self.known[one].parent == Some(root)).collect();
        let held: u64 = islands.iter().map(|island| shop.get(**island).quantity).sum();
        assert_eq!(parent.in_islands, held);
        assert!(parent.in_islands + parent.used <= parent.quantity, "{parent:?}");
        let known = (known.quantity, known.in_islands, known.devices.len() as u64, known.state);
        assert_eq!((parent.quantity, parent.in_islands, parent.used, parent.state), known);
        for island in islands {
            let (found, known) = (shop.get(*island), &self.known[island]);
            assert!(found.used <= found.quantity);
            assert_eq!((found.quantity, found.used), (known.quantity, known.devices.len() as u64));
        }
    }
}

#[test]
#[allow(clippy::print_stdout)] // shown when it fails
fn a_random_life_is_what_a_model_says_and_every_past_state_is_there() {
    let mut dice = Dice::new();
    println!("seed {}", dice.0);
    let (mut shop, mut world) = (Shop::new(), World::default());
    for _ in 0..OPERATIONS {
        shop.now += [0, 1, 3_600, DAY][dice.below(4) as usize];
        let open = world.order.iter().filter(|id| world.known[id].state != State::Revoked).count();
        if open == 0 || (open < ENTITLEMENTS && dice.below(12) == 0) {
            world.grant(&mut shop, &mut dice);
            continue;
        }
        // Mostly what is open, so that the life goes on.
        let mut id = world.order[dice.below(world.order.len() as u64) as usize];
        for _ in 0..4 {
            if world.known[&id].state == State::Revoked {
                id = world.order[dice.below(world.order.len() as u64) as usize];
            }
        }
        // What is suspended is soon resumed, so that the rest has something to do.
        if world.standing(id).is_some() && dice.below(2) == 0 {
            let parent =
                world.known[&id].parent.filter(|parent| world.known[parent].state == State::Suspended);
            world.stand(&mut shop, parent.unwrap_or(id), false);
            continue;
        }
        match dice.below(40) {
            0..11 => world.draw(&mut shop, id, dice.below(24) as u8),
            11..16 => world.quantity(&mut shop, id, dice.below(24)),
            16..21 => world.split(&mut shop, id, dice.below(8)),
            21..25 => world.renew(&mut shop, id, 1 + dice.below(60) as u32),
            25..28 => world.feature(&mut shop, id, dice.below(6)),
            28..31 => {
                let model = [Model::Perpetual, Model::Subscription, Model::Trial][dice.below(3) as usize];
                world.convert(&mut shop, id, model);
            }
            31..35 => world.transfer(&mut shop, id, ["acme", "globex"][dice.below(2) as usize]),
            35..37 => world.stand(&mut shop, id, false),
            _ => world.stand(&mut shop, id, dice.below(4) == 0),
        }
        world.check_family(&shop, id);
    }

    for name in
        ["grant", "quantity", "split", "renew", "convert", "transfer", "suspend", "resume", "revoke", "draw"]
    {
        assert!(world.done.get(name).is_some_and(|count| *count > 10), "{name}: {:?}", world.done);
    }
    assert!(world.refused.len() >= 12, "{:?}", world.refused);
    check_history(&shop, &world);
}

/// Compares the history with every state that was recorded, by revision and by time.
fn check_history(shop: &Shop, world: &World) {
    let mut revisions = 0;
    for id in &world.order {
        let history = steps(&shop.repository, *id).unwrap();
        for step in &history {
            let grant = &step.grant;
            let (at, state) = &world.recorded[&(*id, grant.entitlement.revision)];
            assert_eq!((grant.at, &grant.entitlement), (*at, state));
            let replayed = replay(&shop.repository, *id, grant.at).unwrap().entitlement;
            // Of several at one instant the last one stands.
            let last = history.iter().rev().find(|step| step.grant.at <= grant.at).unwrap();
            let last = &last.grant.entitlement;
            let bare = Entitlement { used: 0, parent_state: State::Active, ..replayed };
            assert_eq!(&bare, last);
        }
        revisions += history.len();
        let (newest, current) = (&history.last().unwrap().grant.entitlement, shop.get(*id));
        assert_eq!(newest, &Entitlement { used: 0, parent_state: State::Active, ..current });
    }
    assert_eq!(revisions, world.recorded.len());
    assert_eq!(shop.repository.entitlements_off_their_grant().unwrap(), []);
    let mut previous = (Vec::new(), None);
    let check = |row: crate::repository::grant::GrantRow| {
        let grant = Grant::decode(&row.bytes).unwrap();
        let before = if previous.0 == row.entitlement { previous.1 } else { None };
        assert_eq!(grant.previous, before);
        previous = (row.entitlement, Some(Grant::hash(&row.bytes)));
        Ok::<(), RepositoryError>(())
    };
    shop.repository.each_grant(check).unwrap();
    assert!(revisions > 1_500, "only {revisions} revisions");
}
