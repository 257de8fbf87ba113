//! Taking a file of orders: every line by itself, in transactions of many, or all of them in one.
//!
//! A line that came before and says the same changes nothing, so that a file is imported again after whatever
//! interrupted it: what is there then is what one unbroken run leaves. Not here: what a line does (`fill`).

use super::fault::Fault;
use super::fill::{Filled, Means, Stop, fill};
use super::likeness::{Likeness, Warning};
use super::mapping::Mapping;
use super::rows::{Row, Rows, check};
use super::source::Source;
use super::wish::Action;
use crate::error::CommandError;
use crate::repository::{Customer, OrderWriter, Repository, RepositoryError};
use crate::workflow::approval::Office;
use crate::workflow::label;
use crate::workflow::sale::Sales;

/// Lines of one transaction, where lines stand by themselves.
pub const CHUNK: u64 = 2_000;

/// Faults and warnings that are told; more are only counted.
pub const MOST_TOLD: usize = 1_000;

/// How a file is taken.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// What its columns are called.
    pub mapping: &'a Mapping,
    /// Whether every line is taken or none.
    pub is_atomic: bool,
    /// Who imports it, for those who read the history.
    pub by: &'a str,
    /// Unix seconds.
    pub now: u64,
}

/// What long work tells of itself; counted in bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The file is read for what is wrong with it as a whole.
    Checking,
    /// Lines are taken.
    Taking,
}

/// How many lines came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines in the file.
    pub lines: u64,
    /// Entitlements that were granted.
    pub granted: u64,
    /// Entitlements that were amended.
    pub amended: u64,
    /// Entitlements that were renewed.
    pub renewed: u64,
    /// Entitlements that were converted.
    pub converted: u64,
    /// Lines that were taken and wait to be approved.
    pub waiting: u64,
    /// Lines that were here already and say the same.
    pub unchanged: u64,
    /// Lines that were not taken.
    pub rejected: u64,
    /// Customers who were added.
    pub customers: u64,
}

/// What became of a file.
#[derive(Debug, Default)]
pub struct Imported {
    /// How many lines came to what. Where nothing was taken, what would have.
    pub counts: Counts,
    /// Whether what was counted stands; not where one line of many that go together was rejected.
    pub stands: bool,
    /// Why lines were not taken, of the first ones.
    pub faults: Vec<Fault>,
    /// Customers to look at, of the first ones.
    pub warnings: Vec<Warning>,
    /// How many warnings there are.
    pub warning_count: u64,
    /// Where the lines are that were not taken: where each begins and ends, in bytes.
    pub rejected: Vec<(u64, u64)>,
    /// Where the header ends, in bytes.
    pub header_end: u64,
}

/// Takes the orders of a file.
///
/// # Errors
///
/// What is wrong with the file as a whole: nothing is taken then. `catalog-empty`; those of the repository: what was
/// taken before stands then, and the same file goes on.
pub fn import(
    repository: &mut Repository,
    source: &Source,
    options: &Options<'_>,
    progress: &mut dyn FnMut(Stage, u64, u64),
) -> Result<Imported, CommandError> {
    label::check(options.by).map_err(|error| {
        CommandError::refused("name-refused", "the name of who imports cannot be used")
            .cause(error.to_string())
            .hint("give 1 to 128 bytes of plain text with `--by`")
    })?;
    check(source, options.mapping, &mut |done, total| progress(Stage::Checking, done, total))?;
    let sales = Sales::open(repository)?;
    if sales.standing().0 == 0 {
        return Err(CommandError::failed("catalog-empty", "the catalog is empty")
            .hint("apply a catalog with `chancery catalog apply FILE.toml`"));
    }
    let mut rows = Rows::open(source, options.mapping)?;
    let mut taking = Taking {
        options: *options,
        sales,
        office: None,
        likeness: Likeness::load(repository)?,
        imported: Imported { header_end: rows.header_end(), ..Imported::default() },
    };
    let most = if options.is_atomic { u64::MAX } else { CHUNK };
    loop {
        taking.office = Office::in_force(repository)?;
        let taken = repository.take_orders(options.now, |writer| {
            let has_more = taking.chunk(writer, &mut rows, most, &mut |row| {
                progress(Stage::Taking, row.span.1, source.size());
            })?;
            match options.is_atomic && taking.imported.counts.rejected > 0 {
                true => Err(Ended::TakenBack),
                false => Ok(has_more),
            }
        });
        match taken {
            Ok(true) => {}
            Ok(false) => {
                taking.imported.stands = true;
                return Ok(taking.imported);
            }
            Err(Ended::TakenBack) => return Ok(taking.imported),
            Err(Ended::Error(error)) => return Err(error),
        }
    }
}

/// Why a transaction does not stand.
enum Ended {
    Error(CommandError),
    /// A line of many that go together was rejected.
    TakenBack,
}

impl From<CommandError> for Ended {
    fn from(error: CommandError) -> Self {
        Self::Error(error)
    }
}

impl From<RepositoryError> for Ended {
    fn from(error: RepositoryError) -> Self {
        Self::Error(error.into())
    }
}

/// A file while its lines are taken.
struct Taking<'a> {
    options: Options<'a>,
    sales: Sales,
    office: Option<Office>,
    likeness: Likeness,
    imported: Imported,
}

impl Taking<'_> {
    /// Takes at most so many lines, and returns whether there may be more.
    fn chunk(
        &mut self,
        writer: &mut OrderWriter<'_>,
        rows: &mut Rows<'_>,
        most: u64,
        each: &mut dyn FnMut(&Row),
    ) -> Result<bool, CommandError> {
        for _ in 0..most {
            let Some(row) = rows.read()? else { return Ok(false) };
            each(&row);
            self.row(writer, rows, row)?;
        }
        Ok(true)
    }

    fn row(&mut self, writer: &mut OrderWriter<'_>, rows: &Rows<'_>, row: Row) -> Result<(), CommandError> {
        self.imported.counts.lines += 1;
        let wish = match row.wish {
            Ok(wish) => wish,
            Err(fault) => {
                self.reject(row.span, fault);
                return Ok(());
            }
        };
        let Options { by, now, .. } = self.options;
        let means = Means { sales: &self.sales, office: self.office.as_ref(), by, now };
        let mut is_new = false;
        let filled = writer.attempt(|writer| fill(writer, means, &wish, &mut is_new));
        let counts = &mut self.imported.counts;
        match filled {
            Ok(Filled::Unchanged) => counts.unchanged += 1,
            Ok(filled) => {
                *match filled {
                    Filled::Done(Action::Amend) => &mut counts.amended,
                    Filled::Done(Action::Convert) => &mut counts.converted,
                    Filled::Done(Action::New) => &mut counts.granted,
                    Filled::Done(Action::Renew) => &mut counts.renewed,
                    Filled::Unchanged => &mut counts.unchanged,
                    Filled::Waiting => &mut counts.waiting,
                } += 1;
                if let Some(name) = wish.customer_name.filter(|_| is_new) {
                    counts.customers += 1;
                    self.welcome(row.line, Customer { id: wish.customer, name, added_at: now });
                }
            }
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Flaw(flaw)) => self.reject(row.span, rows.fault_of(row.line, flaw)),
        }
        Ok(())
    }

    fn reject(&mut self, span: (u64, u64), fault: Fault) {
        self.imported.counts.rejected += 1;
        self.imported.rejected.push(span);
        if self.imported.faults.len() < MOST_TOLD {
            self.imported.faults.push(fault);
        }
    }

    fn welcome(&mut self, line: u64, customer: Customer) {
        for (code, message) in self.likeness.strange(&customer.id, &customer.name) {
            self.imported.warning_count += 1;
            if self.imported.warnings.len() < MOST_TOLD {
                self.imported.warnings.push(Warning { line, code, message });
            }
        }
        self.likeness.add(&customer);
    }
}
