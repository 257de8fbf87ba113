//! Reading a statement back: for those who keep it or are asked to sign it. Verifiers never do.
//!
//! Not here: whether the statement is true of a batch.

use alloc::string::String;
use alloc::vec::Vec;

use super::{MAX_SIGNERS, Role, Signer, Statement};
use crate::cbor::{Reader, scan};
use crate::cose::MAX_DIRECT;
use crate::error::{DecodeError, Fault};
use crate::id::{AuthorityId, Thumbprint, is_label};
use crate::key::Algorithm;
use crate::license::{text, time};
use crate::merkle::Hash;

/// A statement that owns what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedStatement {
    /// The authority.
    pub authority: AuthorityId,
    /// The root version under which the signers' keys are delegated.
    pub root_version: u32,
    /// Media type of every document in the batch.
    pub leaf_typ: String,
    /// Number of documents in the batch, at least 1.
    pub size: u64,
    /// Root of the tree over their leaf hashes.
    pub root: Hash,
    /// Log index of the first document; none for documents that the log does not number.
    pub first_index: Option<u64>,
    /// When the statement was made, in Unix seconds.
    pub time: u64,
    /// The signers: sorted, each once, at least one and at most [`MAX_SIGNERS`].
    pub signers: Vec<Signer>,
}

impl OwnedStatement {
    /// Decodes a statement.
    ///
    /// # Errors
    ///
    /// `too-large` over [`MAX_DIRECT`]; any fault of the scan; `wrong-length`, `wrong-type`,
    /// `schema-unknown`, `text-forbidden`, `out-of-range`, `alg-unknown`, `unsorted-keys` for signers that do
    /// not ascend.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_DIRECT {
            return Err(DecodeError { fault: Fault::TooLarge, field: "statement", offset: 0 });
        }
        let mut reader = scan(bytes, "statement")?;
        if reader.array("statement")? != 9 {
            return Err(reader.fault(Fault::WrongLength, "statement"));
        }
        let at = reader;
        if reader.uint("statement.schema")? != 1 {
            return Err(at.fault(Fault::SchemaUnknown, "statement.schema"));
        }
        let authority = AuthorityId(reader.array_of("statement.authority")?);
        let root_version = reader.u32("statement.root")?;
        let leaf_typ = text(&mut reader, "statement.typ", is_label)?.into();
        let at = reader;
        let size = reader.uint("statement.size")?;
        if size == 0 {
            return Err(at.fault(Fault::OutOfRange, "statement.size"));
        }
        let root = reader.array_of("statement.batch")?;
        let first_index = if reader.null() { None } else { Some(reader.uint("statement.first")?) };
        let time = time(&mut reader, "statement.time")?;
        let signers = signers(&mut reader)?;
        Ok(Self { authority, root_version, leaf_typ, size, root, first_index, time, signers })
    }

    /// Returns the statement as others take it.
    #[must_use]
    pub fn as_statement(&self) -> Statement<'_> {
        Statement {
            authority: self.authority,
            root_version: self.root_version,
            leaf_typ: &self.leaf_typ,
            size: self.size,
            root: self.root,
            first_index: self.first_index,
            time: self.time,
            signers: &self.signers,
        }
    }
}

fn signers(reader: &mut Reader<'_>) -> Result<Vec<Signer>, DecodeError> {
    let at = *reader;
    let count = reader.array("statement.signers")?;
    if !usize::try_from(count).is_ok_and(|count| (1..=MAX_SIGNERS).contains(&count)) {
        return Err(at.fault(Fault::OutOfRange, "statement.signers"));
    }
    let mut signers = Vec::new();
    for _ in 0..count {
        let at = *reader;
        if reader.array("statement.signers")? != 3 {
            return Err(at.fault(Fault::WrongLength, "statement.signers"));
        }
        let role = Role::from_number(reader.uint("statement.signers.role")?)
            .ok_or(at.fault(Fault::OutOfRange, "statement.signers.role"))?;
        let thumbprint = Thumbprint(reader.array_of("statement.signers.thumbprint")?);
        let algorithm = Algorithm::from_cose_number(reader.int("statement.signers.alg")?)
            .ok_or(at.fault(Fault::AlgUnknown, "statement.signers.alg"))?;
        let signer = Signer { role, thumbprint, algorithm };
        if signers.last().is_some_and(|previous| *previous >= signer) {
            return Err(at.fault(Fault::UnsortedKeys, "statement.signers"));
        }
        signers.push(signer);
    }
    Ok(signers)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn statement() -> OwnedStatement {
        let signers = [Role::Issuer, Role::Witness].map(|role| Signer {
            role,
            thumbprint: Thumbprint([role as u8; 32]),
            algorithm: Algorithm::Ed25519,
        });
        OwnedStatement {
            authority: AuthorityId([1; 32]),
            root_version: 1,
            leaf_typ: "application/vnd.chancery.license+cwt".into(),
            size: 50_000,
            root: [2; 32],
            first_index: Some(7),
            time: 1_700_000_000,
            signers: signers.to_vec(),
        }
    }

    #[test]
    fn statements_are_read_as_they_were_written() {
        for statement in [statement(), OwnedStatement { first_index: None, ..statement() }] {
            let bytes = statement.as_statement().encode();
            let read = OwnedStatement::decode(&bytes).unwrap();
            assert_eq!(read, statement);
            assert_eq!(read.as_statement().encode(), bytes);
        }
    }

    #[test]
    fn other_statements_are_refused() {
        let code = |statement: &OwnedStatement| {
            OwnedStatement::decode(&statement.as_statement().encode()).unwrap_err().code()
        };
        let good = statement();
        let reversed = good.signers.iter().rev().copied().collect();
        let twice = [good.signers[0]; 2].to_vec();
        assert_eq!(code(&OwnedStatement { size: 0, ..good.clone() }), "out-of-range");
        assert_eq!(code(&OwnedStatement { signers: Vec::new(), ..good.clone() }), "out-of-range");
        assert_eq!(code(&OwnedStatement { signers: reversed, ..good.clone() }), "unsorted-keys");
        assert_eq!(code(&OwnedStatement { signers: twice, ..good.clone() }), "unsorted-keys");
        assert_eq!(code(&OwnedStatement { time: u64::MAX, ..good.clone() }), "out-of-range");
        assert_eq!(code(&OwnedStatement { leaf_typ: " ".into(), ..good.clone() }), "text-forbidden");
        let mut schema = good.as_statement().encode();
        schema[1] = 2;
        assert_eq!(OwnedStatement::decode(&schema).unwrap_err().code(), "schema-unknown");
        assert_eq!(OwnedStatement::decode(&[0x80]).unwrap_err().code(), "wrong-length");
        assert_eq!(OwnedStatement::decode(&[0; MAX_DIRECT + 1]).unwrap_err().code(), "too-large");
    }
}
