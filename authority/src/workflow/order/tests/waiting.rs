//! Under a policy, lines wait until what they grant is approved.

use chancery_formats::id::AuthorityId;

use super::*;
use crate::repository::Authority;
use crate::workflow::order::export::state as word;
use crate::workflow::report::{self, Filter};

/// What is for acme needs nobody; the rest needs one approver.
const POLICY: &str = "[[rule]]\nid = \"own\"\ncustomers = [\"acme\"]\napprovers = 0\n";

const HEADER: &str = "order,customer,customer_name,action,of,product,edition,quantity\n";

fn desk() -> Desk {
    let mut desk = Desk::new();
    let authority =
        Authority { id: AuthorityId([1; 32]), name: "vendor".to_owned(), root_version: 1, created_at: NOW };
    desk.repository.set_authority(&authority).unwrap();
    desk.repository.apply_approval_policy(POLICY, "board", "decided", NOW).unwrap().unwrap();
    desk
}

fn words(desk: &Desk) -> Vec<&'static str> {
    desk.outcomes().iter().map(|outcome| word(outcome, NOW)).collect()
}

#[test]
fn a_line_that_needs_an_approver_waits_and_grants_nothing() {
    let mut desk = desk();
    let text = format!(
        "{HEADER}SO-1,acme,,new,,pump,standard,5\n\
         SO-2,globex,,new,,pump,standard,2\n\
         SO-3,hooli,Hooli,new,,pump,standard,1\n"
    );
    let counts = desk.take(&text);
    assert_eq!((counts.granted, counts.waiting, counts.customers), (1, 2, 1));
    assert_eq!(words(&desk), ["active", "waiting", "waiting"]);
    assert_eq!(desk.repository.entitlements().unwrap().len(), 1);
    let proposals = desk.repository.proposals(false).unwrap();
    let told: Vec<_> = proposals.iter().map(|one| (one.requester.as_str(), one.reason.as_str())).collect();
    assert_eq!(told, [("Dana Keller", "order SO-2"), ("Dana Keller", "order SO-3")]);
    assert_eq!(desk.repository.changed_tables().unwrap(), Vec::<String>::new());
    // The same file again proposes nothing twice.
    assert_eq!(desk.take(&text).unchanged, 3);
    assert_eq!(desk.repository.proposals(true).unwrap().len(), 2);
    // What waits cannot be changed yet.
    let amend = format!("{HEADER}SO-4,globex,,amend,SO-2,,,9\n");
    assert_eq!(desk.fault(&amend), (2, Some("of".to_owned()), "order-waiting"));
}

#[test]
fn a_line_knows_its_proposal_by_the_hash_of_its_grant() {
    let mut desk = desk();
    desk.take(&format!("{HEADER}SO-2,globex,,new,,pump,standard,2\nSO-3,globex,,new,,pump,standard,3\n"));
    assert_eq!(desk.repository.withdraw_proposal(1, "Dana Keller", "ordered twice", NOW).unwrap(), None);
    assert_eq!(words(&desk), ["withdrawn", "waiting"]);
    let (table, totals) =
        report::approvals::report(&desk.repository, &Filter::default(), None, NOW + 60).unwrap();
    assert_eq!((totals.dropped, totals.waiting, totals.approved), (1, 1, 0));
    let cells = table.cells();
    assert_eq!(cells[0][..7], ["1", "Dana Keller", "order SO-2", "grant", "globex", "pump", "1"]);
    assert_eq!((cells[0][8].as_str(), cells[0][11].as_str()), ("withdrawn", "0"));
    assert_eq!((cells[1][8].as_str(), cells[1][11].as_str()), ("waiting", "60"));
    let acme = Filter { customer: Some("acme"), ..Filter::default() };
    assert_eq!(report::approvals::report(&desk.repository, &acme, None, NOW).unwrap().0.rows.len(), 0);
}

#[test]
fn with_one_rejected_line_a_file_that_goes_together_proposes_nothing() {
    let mut desk = desk();
    let text = format!("{HEADER}SO-2,globex,,new,,pump,standard,2\nSO-3,nobody,,new,,pump,standard,3\n");
    let imported = desk.import_with(text.as_bytes(), &Mapping::default(), true, NOW).unwrap();
    assert!(!imported.stands);
    assert_eq!(desk.repository.proposals(true).unwrap(), []);
    assert_eq!(desk.outcomes(), []);
}
