//! Tests of approvals: what they share, and one file a promise.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use chancery_formats::approval::Decision;
use chancery_formats::grant::Change;
use chancery_formats::id::{AuthorityId, EntitlementId};
use chancery_formats::key::Algorithm;
use chancery_hsm_config::{Key, SoftwareKey};

use super::ask::{Made, Wish, ask};
use super::import::{Taken, import};
use super::recheck::Vouching;
use super::review::{review, sign};
use super::*;
use crate::home::Home;
use crate::repository::{
    ApproverBounds, Authority, Binding, Customer, Entitlement, Model, NewApprover, Note, Rules, Sold,
};
use crate::workflow::entitlement::amend::{Amendment, amend};
use crate::workflow::entitlement::grant::{Order, grant, sold};
use crate::workflow::entitlement::standing::suspend;
use crate::workflow::{approver, catalog, site};

mod altered;
mod bulk;
mod places;
mod prices;
mod refusals;

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

const CATALOG: &str = "[[product]]\nid = \"pump\"\nname = \"Pump\"\n\n\
    [[product.edition]]\nid = \"standard\"\nfeatures = {}\n\n\
    [[product]]\nid = \"valve\"\nname = \"Valve\"\n\n\
    [[product.edition]]\nid = \"standard\"\nfeatures = {}\n";

/// Suspending needs nobody, the rest one approver; two where it is for globex.
const POLICY: &str = "prohibited = [\"KP\"]\nsite-records = true\n\n\
    [[rule]]\nid = \"harmless\"\nkinds = [\"suspend\"]\napprovers = 0\n\n\
    [[rule]]\nid = \"globex\"\ncustomers = [\"globex\"]\napprovers = 2\nroles = [\"approver\", \"finance\"]\n";

/// An authority in a folder of its own, removed with it.
struct Desk {
    folder: PathBuf,
    repository: Repository,
    now: u64,
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn key() -> Key {
    Key::from_software(SoftwareKey::ephemeral(Algorithm::Ed25519).unwrap()).unwrap()
}

impl Desk {
    /// An authority without a policy; `number` tells authorities apart.
    fn bare(number: u8) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("chancery-approvals-{}-{count}", std::process::id()));
        let mut repository = Repository::create(&Home::new(&folder)).unwrap();
        repository.apply_catalog(&catalog::read(CATALOG).unwrap(), CATALOG, NOW).unwrap();
        for id in ["acme", "globex"] {
            let customer = Customer { id: id.to_owned(), name: id.to_owned(), added_at: NOW };
            repository.add_customer(&customer).unwrap();
        }
        let id = AuthorityId([number; 32]);
        let authority = Authority { id, name: "vendor".to_owned(), root_version: 1, created_at: NOW };
        repository.set_authority(&authority).unwrap();
        Self { folder, repository, now: NOW }
    }

    fn new() -> Self {
        let mut desk = Self::bare(1);
        desk.policy(POLICY);
        desk
    }

    fn policy(&mut self, text: &str) {
        policy::read::read(text).unwrap();
        self.repository.apply_approval_policy(text, "board", "decided", self.now).unwrap().unwrap();
        self.now += 1;
    }

    fn note(&self) -> Note<'static> {
        Note { by: "Dana Keller", reason: "order 4711", at: self.now }
    }

    fn sold(&self, territory: &[&str]) -> Sold {
        let sold = sold(&self.repository, "pump", "standard", Model::Perpetual, Binding::Device).unwrap();
        let territory = territory.iter().map(|country| (*country).to_owned()).collect();
        Sold { rules: Rules { territory, ..sold.rules.clone() }, ..sold }
    }

    fn grant_to(
        &mut self,
        customer: &str,
        site: Option<&str>,
        territory: &[&str],
    ) -> Result<Entitlement, CommandError> {
        let (sold, note) = (self.sold(territory), self.note());
        let order = Order { customer, quantity: 5, site, not_before: Some(NOW), not_after: None };
        grant(&mut self.repository, &order, &sold, &note)
    }

    fn grant(&mut self) -> EntitlementId {
        self.grant_to("acme", None, &[]).unwrap().id
    }

    fn raise(&mut self, id: EntitlementId, quantity: u64) {
        let note = self.note();
        let amendment = Amendment { quantity: Some(quantity), ..Amendment::default() };
        amend(&mut self.repository, id, &amendment, &note).unwrap();
    }

    fn wish(&self) -> Wish<'static> {
        Wish {
            proposals: &[],
            customer: None,
            requester: "Dana Keller",
            overriding: None,
            now: self.now,
            not_after: self.now + 10 * DAY,
        }
    }

    fn ask(&mut self) -> Made {
        let wish = self.wish();
        ask(&mut self.repository, &wish).unwrap()
    }

    fn approver_with(&mut self, name: &str, role: &str, bounds: &ApproverBounds) -> Key {
        let key = key();
        let new = NewApprover {
            public_key: &key.public_key(),
            name,
            role,
            bounds,
            not_before: NOW,
            not_after: Some(NOW + 100 * DAY),
            added_by: "clerk",
        };
        approver::add(&mut self.repository, &new, self.now).unwrap();
        key
    }

    fn approver(&mut self, name: &str) -> Key {
        self.approver_with(name, "approver", &ApproverBounds::default())
    }

    fn take(&mut self, approval: &[u8]) -> Result<Taken, CommandError> {
        let now = self.now;
        import(&mut self.repository, approval, now)
    }

    fn vouched(&self, id: EntitlementId) -> Result<(), CommandError> {
        Vouching::load(&self.repository).unwrap().require(&self.repository, id)
    }
}

fn decided(made: &Made, key: &Key, decision: Decision, now: u64) -> Vec<u8> {
    let review = review(&made.bytes, None).unwrap();
    let reason = (decision == Decision::Reject).then_some("not ordered");
    sign(&review, key, decision, reason, now).unwrap()
}

fn approve(made: &Made, key: &Key) -> Vec<u8> {
    decided(made, key, Decision::Approve, NOW + 60)
}

fn code<T: std::fmt::Debug>(result: Result<T, CommandError>) -> &'static str {
    result.map_or_else(|error| error.code(), |done| panic!("not refused: {done:?}"))
}

#[test]
fn without_a_policy_everything_stands_at_once() {
    let mut desk = Desk::bare(1);
    let id = desk.grant();
    assert_eq!(desk.repository.proposed(), [0; 0]);
    assert_eq!(desk.repository.entitlement(id).unwrap().quantity, 5);
    desk.vouched(id).unwrap();
    let wish = desk.wish();
    assert_eq!(code(ask(&mut desk.repository, &wish)), "policy-none");
}

#[test]
fn a_change_waits_until_it_is_approved_and_stands_then() {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    let id = desk.grant();
    assert_eq!(desk.repository.proposed(), [1]);
    assert_eq!(desk.repository.entitlement(id).unwrap_err().code(), "entitlement-unknown");
    let made = desk.ask();
    let seen = review(&made.bytes, Some(AuthorityId([1; 32]))).unwrap();
    assert_eq!((seen.request.count(), seen.covers), (1, made.asked.covers));

    let approval = approve(&made, &robin);
    desk.now += DAY;
    let taken = desk.take(&approval).unwrap();
    assert_eq!((taken.lacks.as_deref(), taken.decided.unwrap().ended), (None, 1));
    let granted = desk.repository.entitlement(id).unwrap();
    assert_eq!((granted.quantity, granted.granted_at), (5, desk.now));
    desk.vouched(id).unwrap();
    // What stands is the very grant that was signed.
    let kept = desk.repository.standing_grants(id).unwrap();
    assert_eq!(seen.request.items().next().unwrap().grant, kept[0].bytes);
    // Between proposal and approval it did not stand.
    assert_eq!(desk.repository.grant_at(id, desk.now - 1).unwrap_err().code(), "grant-unknown");
    assert_eq!(desk.repository.changed_tables().unwrap(), [""; 0]);
}

#[test]
fn what_the_policy_asks_nobody_about_stands_at_once() {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    let id = desk.grant();
    let made = desk.ask();
    desk.take(&approve(&made, &robin)).unwrap();
    desk.now += DAY;
    let note = desk.note();
    suspend(&mut desk.repository, id, &note).unwrap();
    assert_eq!(desk.repository.proposed(), [0; 0]);
    assert_eq!(desk.repository.entitlement(id).unwrap().state, State::Suspended);
    desk.vouched(id).unwrap();
}

#[test]
fn two_approvers_are_two_persons_in_their_roles() {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    let kim = desk.approver_with("Kim Sato", "finance", &ApproverBounds::default());
    let id = desk.grant_to("globex", None, &[]).unwrap().id;
    let made = desk.ask();
    let taken = desk.take(&approve(&made, &robin)).unwrap();
    assert!(taken.lacks.unwrap().contains("asks for 2"));
    assert_eq!(desk.repository.entitlement(id).unwrap_err().code(), "entitlement-unknown");
    let taken = desk.take(&approve(&made, &kim)).unwrap();
    assert_eq!(taken.decided.unwrap().ended, 1);
    desk.vouched(id).unwrap();
}

#[test]
fn what_was_there_before_the_policy_stays() {
    let mut desk = Desk::bare(1);
    let id = desk.grant();
    desk.now += 1;
    desk.policy(POLICY);
    desk.now += 1;
    desk.vouched(id).unwrap();
    let robin = desk.approver("Robin Vogt");
    desk.raise(id, 7);
    assert_eq!(desk.repository.entitlement(id).unwrap().quantity, 5);
    let made = desk.ask();
    desk.take(&approve(&made, &robin)).unwrap();
    assert_eq!(desk.repository.entitlement(id).unwrap().quantity, 7);
    desk.vouched(id).unwrap();
}

#[test]
fn names_that_look_alike_are_one_person() {
    for (one, other) in [
        ("Dana Keller", "dana  keller"),
        ("Dana Keller", "Dana Ke\u{ff4c}ler"),
        ("Dana Keller", "D\u{430}n\u{430} Keller"),
        ("Ian Vogt", "lan Vogt"),
        ("Dana Kell0r", "Dana KellOr"),
    ] {
        assert!(is_same_person(one, other), "{one} {other}");
    }
    assert!(!is_same_person("Dana Keller", "Dara Keller"));
    assert!(!is_same_person("Robin Vogt", "Robin Voss"));
}
