use super::*;
use crate::cose::Header;
use crate::id::KeyId;
use crate::merkle::Tree;
use crate::seal::{Role, Signer};

fn signers() -> Vec<Signer> {
    [1, 2]
        .map(|byte| Signer {
            role: Role::Custodian,
            thumbprint: Thumbprint([byte; 32]),
            algorithm: Algorithm::Ed25519,
        })
        .to_vec()
}

fn headers(kind: Kind, mode: Mode) -> Vec<u8> {
    Header { mode, kid: KeyId([1; 8]), typ: kind.typ() }.encode()
}

fn batch<'a>(documents: Vec<Document<'a>>) -> Batch<'a> {
    let root = Tree::new(documents.iter().map(Document::leaf_hash).collect()).unwrap().root();
    let statement = OwnedStatement {
        authority: AuthorityId([7; 32]),
        root_version: 2,
        leaf_typ: Kind::KeyRecord.typ().into(),
        size: documents.len() as u64,
        root,
        first_index: Some(12),
        time: 1_700_000_000,
        signers: signers(),
    };
    Batch { statement, documents }
}

fn code(bytes: &[u8]) -> &'static str {
    Exchange::decode(bytes).map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn exchanges_survive_encoding() {
    let protected = headers(Kind::KeyRecord, Mode::Seal);
    let documents: Vec<_> =
        [&[0xa0][..], &[0xa1, 1, 1], &[]].map(|payload| Document { protected: &protected, payload }).into();
    let bundle = Bundle::encode(&[alloc::vec![1, 2, 3]]);
    for bundle in [None, Some(&bundle[..])] {
        let batches = alloc::vec![batch(documents.clone()), batch(documents[..1].to_vec())];
        let request = Exchange::Request(Request { authority: AuthorityId([7; 32]), batches, bundle });
        let bytes = request.encode();
        assert!(Exchange::looks_like(&bytes) && !Bundle::looks_like(&bytes));
        assert_eq!(Exchange::decode(&bytes), Ok(request));
    }
    let signed = |statement, signer, signature| Signed {
        statement: [statement; 32],
        signer: Thumbprint([signer; 32]),
        signature,
    };
    let signatures =
        alloc::vec![signed(1, 1, &[3; 64][..]), signed(1, 2, &[4; 4_627]), signed(2, 1, &[5; 64])];
    let answer = Exchange::Answer(Answer { authority: AuthorityId([7; 32]), signatures });
    assert!(Exchange::looks_like(&answer.encode()));
    assert_eq!(Exchange::decode(&answer.encode()), Ok(answer));
}

#[test]
fn a_statement_is_over_the_documents_below_it() {
    let protected = headers(Kind::KeyRecord, Mode::Seal);
    let document = |payload| Document { protected: &protected, payload };
    let good = batch(alloc::vec![document(&[1]), document(&[2])]);
    let request = |batch: Batch<'_>| {
        let request = Request { authority: AuthorityId([7; 32]), batches: alloc::vec![batch], bundle: None };
        code(&request.encode())
    };
    assert_eq!(request(good.clone()), "ok");
    for documents in [
        alloc::vec![document(&[1])],
        alloc::vec![document(&[2]), document(&[1])],
        alloc::vec![document(&[1]), document(&[3])],
        alloc::vec![document(&[1]), document(&[2]), document(&[2])],
    ] {
        assert_eq!(request(Batch { documents, ..good.clone() }), "hash-wrong");
    }
    assert_eq!(request(Batch { documents: Vec::new(), ..good.clone() }), "out-of-range");
    let with = |change: fn(&mut OwnedStatement)| {
        let mut other = good.clone();
        change(&mut other.statement);
        request(other)
    };
    assert_eq!(with(|statement| statement.size = 3), "hash-wrong");
    assert_eq!(with(|statement| statement.root[0] ^= 1), "hash-wrong");
    assert_eq!(with(|statement| statement.authority.0[0] ^= 1), "out-of-range");
    assert_eq!(with(|statement| statement.signers.clear()), "out-of-range");
    assert_eq!(with(|statement| statement.signers[1] = statement.signers[0]), "unsorted-keys");
}

#[test]
fn other_exchanges_are_refused() {
    let signed = Signed { statement: [1; 32], signer: Thumbprint([2; 32]), signature: &[3; 64] };
    let answer = |signatures: &[Signed<'_>]| {
        code(&Answer { authority: AuthorityId([7; 32]), signatures: signatures.to_vec() }.encode())
    };
    assert_eq!(answer(&[signed]), "ok");
    assert_eq!(answer(&[]), "out-of-range");
    assert_eq!(answer(&[signed, signed]), "unsorted-keys");
    assert_eq!(answer(&[Signed { statement: [2; 32], ..signed }, signed]), "unsorted-keys");
    assert_eq!(answer(&[Signed { signature: &[3; 63], ..signed }]), "wrong-length");
    let mut nothing = begin(AuthorityId([7; 32]));
    assert_eq!(code(&nothing.finish()), "missing-field");
    nothing = begin(AuthorityId([7; 32]));
    nothing.entry(4).bytes(&Bundle::encode(&[alloc::vec![1]]));
    assert_eq!(code(&nothing.finish()), "unknown-field", "a bundle without batches");
    let mut other = MapWriter::new();
    other.entry(0).text(Kind::TrustBundle.typ());
    assert_eq!(code(&other.finish()), "typ-wrong");
    assert_eq!(code(&[0xa0]), "missing-field");
    assert_eq!(code(&alloc::vec![0; MAX_CEREMONY + 1]), "too-large");
}

#[test]
fn the_kind_of_a_document_is_that_of_its_headers() {
    let kind = |protected: &[u8]| Document { protected, payload: &[0xa0] }.kind();
    assert_eq!(kind(&headers(Kind::Root, Mode::Seal)), Some(Kind::Root));
    assert_eq!(kind(&headers(Kind::Root, Mode::Direct(Algorithm::Ed25519))), None);
    assert_eq!(kind(&[0xa0]), None);
    assert_eq!(kind(&[]), None);
}
